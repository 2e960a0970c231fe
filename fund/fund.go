// Package fund is the double-entry ledger (基金账) of every fund, personal
// account and provider. Balances are sums of postings; nothing posted is ever
// changed or removed.
//
// Account names: fund:REGION:FUND, acct:PERSON (个人账户), payable:PROVIDER
// (应付定点机构), claim:CLAIM (应付报销款), opening:REGION, bank:REGION, fiscal:REGION (财政补助),
// held:REGION (暂收款), moved:REGION:REGION (转移), receivable:REGION:REGION and owed:REGION:REGION (异地清算
// between agencies).
//
// What is owed or belongs to a fund is positive, so that what is held, such as
// money at a bank, is negative: the two sum to zero.
package fund

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
)

// Posting moves an amount into an account, or out of it when negative.
type Posting struct {
	Account string
	Amount  money.Fen
}

// Entry is one event of the ledger; its postings sum to zero.
type Entry struct {
	At       time.Time
	Kind     string // such as settlement, opening
	Ref      string // what it is about, such as a settlement's id
	Postings []Posting
}

// ErrUnbalanced says that postings do not sum to zero.
var ErrUnbalanced = errors.New("the postings do not sum to zero")

// PersonAccount is the ledger account of a person's personal account (个人账户).
func PersonAccount(person string) string { return personal + person }

// FundAccount is the ledger account of a region's fund.
func FundAccount(region, fund string) string { return "fund:" + region + ":" + fund }

// Payable is what is owed to a provider (应付).
func Payable(provider string) string { return "payable:" + provider }

// Claim is what is owed to the person of a claim (应付报销款).
func Claim(id string) string { return "claim:" + id }

// Opening is where balances taken over from before Anji come from.
func Opening(region string) string { return "opening:" + region }

// Bank is the agency's account at a bank (基金支出户): what is paid from it is
// positive.
func Bank(region string) string { return "bank:" + region }

// Receivable is the claim of one region's agency on another's (应收异地清算款),
// and Owed what that one owes it (应付异地清算款). They are the two sides of one
// claim, and sum to zero.
func Receivable(creditor, debtor string) string { return "receivable:" + creditor + ":" + debtor }

// Owed is what one region's agency owes another's: see Receivable.
func Owed(debtor, creditor string) string { return "owed:" + debtor + ":" + creditor }

// Fiscal is what a region's budget owes the funds (财政应拨补助): what is owed is
// negative.
func Fiscal(region string) string { return "fiscal:" + region }

// Moved is what a region's agency hands to another's with the people who moved
// there (医保关系转移的个人账户余额).
func Moved(from, to string) string { return "moved:" + from + ":" + to }

// Held is money that came in and belongs to no bill (暂收款): it is paid back.
func Held(region string) string { return "held:" + region }

// kept reports whether the balance of an account is kept: those of people are,
// since nobody but the person's own transactions touch them. The others move
// with every settlement; to keep theirs would make all settlements wait for
// each other, so they are summed from the last closed month on.
func kept(account string) bool { return strings.HasPrefix(account, personal) }

const personal = "acct:"

// ErrClosed says that an entry is of a day whose month is closed.
var ErrClosed = errors.New("the month is closed")

// timeLayout is how times of entries are kept: in UTC, sorted as texts.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// zone is the one time of the country: it says on which day an entry is.
var zone = time.FixedZone("CST", 8*60*60)

type closedKey struct{}

// closed is the last day of the last closed month.
type closed struct {
	last civil.Date
	mark int
}

// Expect makes ready to post: it reads what Post needs together with what else
// the transaction reads.
func Expect(ctx context.Context, tx *db.Tx) error {
	c := &closed{mark: tx.Mark()}
	tx.Keep(closedKey{}, c)
	return tx.Later(ctx, func(rows *db.Rows) error { return rows.Scan(&c.last) }, `SELECT COALESCE(MAX(last_day), 0) FROM month_closed`)
}

// Post writes an entry, in the caller's transaction. Postings of zero are left
// out. The error is ErrUnbalanced if they do not sum to zero, ErrClosed if the
// month of the entry is closed.
func Post(ctx context.Context, tx *db.Tx, e Entry) error {
	var debit, credit money.Fen
	n := 0
	for _, p := range e.Postings {
		debit += max(p.Amount, 0)
		credit -= min(p.Amount, 0)
		if p.Amount != 0 {
			n++
		}
	}
	if debit != credit {
		return fmt.Errorf("%s %s: %w: %s is left", e.Kind, e.Ref, ErrUnbalanced, debit-credit)
	}
	if n == 0 {
		return nil
	}
	day := civil.Of(e.At.In(zone))
	months, ok := tx.Kept(closedKey{}).(*closed)
	if !ok {
		if err := Expect(ctx, tx); err != nil {
			return err
		}
		months = tx.Kept(closedKey{}).(*closed)
	}
	if err := tx.Await(ctx, months.mark); err != nil {
		return err
	}
	if day <= months.last {
		return fmt.Errorf("%s %s of %s: %w up to %s", e.Kind, e.Ref, day, ErrClosed, months.last)
	}
	id := db.NextID()
	if err := tx.Exec(ctx, `INSERT INTO entry (id, at, day, kind, ref, debit, credit) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		id, e.At.UTC().Format(timeLayout), int(day), e.Kind, e.Ref, int64(debit), int64(credit)); err != nil {
		return err
	}
	rows := make([][]any, 0, n)
	var balances [][]any
	for _, p := range e.Postings {
		if p.Amount == 0 {
			continue
		}
		rows = append(rows, []any{id, len(rows), p.Account, int(day), int64(p.Amount)})
		if kept(p.Account) {
			balances = move(balances, p)
		}
	}
	// Two entries that move the same accounts take them in the same order.
	slices.SortFunc(balances, func(a, b []any) int { return strings.Compare(a[0].(string), b[0].(string)) })
	return errors.Join(
		tx.InsertOr(ctx, "account (id, balance)", balances, "ON CONFLICT (id) DO UPDATE SET balance = account.balance + excluded.balance"),
		tx.Insert(ctx, "posting (entry, n, account, day, amount)", rows))
}

// move adds a posting to what balances move by, each account once. Most
// entries move one.
func move(balances [][]any, p Posting) [][]any {
	if n := len(balances); n > 0 && n < 16 {
		for _, b := range balances {
			if b[0] == p.Account {
				b[1] = b[1].(int64) + int64(p.Amount)
				return balances
			}
		}
	}
	return append(balances, []any{p.Account, int64(p.Amount)})
}

// Entries are the entries about a thing, such as a settlement, oldest first.
func Entries(ctx context.Context, tx *db.Tx, ref string) ([]Entry, error) {
	var out []Entry
	var last int64
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var id int64
		var at string
		e := Entry{Ref: ref}
		var p Posting
		if err := rows.Scan(&id, &at, &e.Kind, &p.Account, &p.Amount); err != nil {
			return err
		}
		if id != last {
			var err error
			if e.At, err = time.Parse(time.RFC3339Nano, at); err != nil {
				return err
			}
			out, last = append(out, e), id
		}
		n := len(out) - 1
		out[n].Postings = append(out[n].Postings, p)
		return nil
	}, `SELECT e.id, e.at, e.kind, p.account, p.amount FROM entry e JOIN posting p ON p.entry = e.id WHERE e.ref = ? ORDER BY e.id, p.n`, ref)
	return out, err
}

// Balance is the balance of an account; 0 if nothing was ever posted to it.
func Balance(ctx context.Context, tx *db.Tx, account string) (money.Fen, error) {
	var v money.Fen
	if !kept(account) {
		return balanceAt(ctx, tx, account, lastDay)
	}
	err := tx.QueryRow(ctx, `SELECT balance FROM account WHERE id = ?`, account).Scan(&v)
	if db.IsNotFound(err) {
		return 0, nil
	}
	return v, err
}

// LaterPersonal reads the balance of a person's account (个人账户余额) together
// with what else the transaction reads.
func LaterPersonal(ctx context.Context, tx *db.Tx, balance *money.Fen, person string) error {
	return tx.Later(ctx, func(rows *db.Rows) error { return rows.Scan(balance) }, `SELECT balance FROM account WHERE id = ?`, PersonAccount(person))
}

// lastDay is after all days.
const lastDay civil.Date = 99991231

// balanceAt is the balance of an account at the end of a day.
func balanceAt(ctx context.Context, tx *db.Tx, account string, day civil.Date) (money.Fen, error) {
	var from civil.Date
	var balance, since money.Fen
	err := tx.QueryRow(ctx, `SELECT last_day, balance FROM month_end WHERE account = ? AND last_day <= ? ORDER BY last_day DESC LIMIT 1`, account, int(day)).Scan(&from, &balance)
	if err != nil && !db.IsNotFound(err) {
		return 0, err
	}
	err = tx.QueryRow(ctx, `SELECT COALESCE(SUM(amount), 0) FROM posting WHERE account = ? AND day > ? AND day <= ?`, account, int(from), int(day)).Scan(&since)
	return balance + since, err
}

// Movement is one posting of an account's statement, with the balance after it.
type Movement struct {
	Entry   int64
	At      time.Time
	Kind    string
	Ref     string
	Amount  money.Fen
	Balance money.Fen
}

// A Period is the days from From to To, both included; To 0 is open.
type Period struct{ From, To civil.Date }

// Account is a statement of an account (账户明细) over a period.
type Account struct {
	Name      string
	Opening   money.Fen // before the first movement
	Movements []Movement
	Closing   money.Fen // after the last
}

// Statement lists the postings of an account in a period, oldest first.
func Statement(ctx context.Context, tx *db.Tx, account string, p Period) (Account, error) {
	out := Account{Name: account}
	if p.To == 0 {
		p.To = lastDay
	}
	var err error
	if p.From > 0 {
		if out.Opening, err = balanceAt(ctx, tx, account, p.From.AddDays(-1)); err != nil {
			return out, err
		}
	}
	balance := out.Opening
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var m Movement
		var at string
		if err := rows.Scan(&m.Entry, &at, &m.Kind, &m.Ref, &m.Amount); err != nil {
			return err
		}
		var err error
		if m.At, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return err
		}
		balance += m.Amount
		m.Balance = balance
		out.Movements = append(out.Movements, m)
		return nil
	}, `SELECT e.id, e.at, e.kind, e.ref, p.amount FROM posting p JOIN entry e ON e.id = p.entry
		WHERE p.account = ? AND p.day >= ? AND p.day <= ? ORDER BY p.day, e.id, p.n`, account, int(p.From), int(p.To))
	out.Closing = balance
	return out, err
}
