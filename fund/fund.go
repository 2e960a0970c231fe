// Package fund is the double-entry ledger (基金账) of every fund, personal
// account and provider. Balances are sums of postings; nothing posted is ever
// changed or removed.
//
// Account names: fund:REGION:FUND, acct:PERSON (个人账户), payable:PROVIDER
// (应付定点机构), cash:PROVIDER (个人现金, received there), own:PERSON (what a
// person paid in cash), opening:REGION, bank:REGION, receivable:REGION:REGION
// and owed:REGION:REGION (异地清算 between agencies).
//
// What is owed or belongs to a fund is positive, so that what is held, such as
// money at a bank, is negative: the two sum to zero.
package fund

import (
	"context"
	"errors"
	"fmt"
	"time"

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
func PersonAccount(person string) string { return "acct:" + person }

// FundAccount is the ledger account of a region's fund.
func FundAccount(region, fund string) string { return "fund:" + region + ":" + fund }

// Payable is what is owed to a provider (应付).
func Payable(provider string) string { return "payable:" + provider }

// Cash is what people paid at a provider themselves.
func Cash(provider string) string { return "cash:" + provider }

// OwnPayment is where the cash of a person comes from (个人现金支付).
func OwnPayment(person string) string { return "own:" + person }

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

// Post writes an entry and moves the balances, in the caller's transaction.
// Postings of zero are left out. The error is ErrUnbalanced if they do not
// sum to zero.
func Post(ctx context.Context, tx *db.Tx, e Entry) error {
	var debit, credit money.Fen
	postings := e.Postings[:0:0]
	for _, p := range e.Postings {
		debit += max(p.Amount, 0)
		credit -= min(p.Amount, 0)
		if p.Amount != 0 {
			postings = append(postings, p)
		}
	}
	if debit != credit {
		return fmt.Errorf("%s %s: %w: %s is left", e.Kind, e.Ref, ErrUnbalanced, debit-credit)
	}
	if len(postings) == 0 {
		return nil
	}
	var id int64
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(id), 0) + 1 FROM entry`).Scan(&id); err != nil {
		return err
	}
	if err := tx.Exec(ctx, `INSERT INTO entry (id, at, kind, ref, debit, credit) VALUES (?, ?, ?, ?, ?, ?)`,
		id, e.At.UTC().Format(time.RFC3339Nano), e.Kind, e.Ref, int64(debit), int64(credit)); err != nil {
		return err
	}
	for n, p := range postings {
		if err := tx.Exec(ctx, `INSERT INTO account (id, balance) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET balance = account.balance + excluded.balance`, p.Account, int64(p.Amount)); err != nil {
			return err
		}
		if err := tx.Exec(ctx, `INSERT INTO posting (entry, n, account, amount) VALUES (?, ?, ?, ?)`, id, n, p.Account, int64(p.Amount)); err != nil {
			return err
		}
	}
	return nil
}

// Balance is the balance of an account; 0 if nothing was ever posted to it.
func Balance(ctx context.Context, tx *db.Tx, account string) (money.Fen, error) {
	var v int64
	err := tx.QueryRow(ctx, `SELECT balance FROM account WHERE id = ?`, account).Scan(&v)
	if db.IsNotFound(err) {
		return 0, nil
	}
	return money.Fen(v), err
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

// Statement lists the postings of an account, oldest first.
func Statement(ctx context.Context, tx *db.Tx, account string) ([]Movement, error) {
	var out []Movement
	var balance money.Fen
	err := tx.Each(ctx, func(rows *db.Rows) error {
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
		out = append(out, m)
		return nil
	}, `SELECT e.id, e.at, e.kind, e.ref, p.amount FROM posting p JOIN entry e ON e.id = p.entry WHERE p.account = ? ORDER BY e.id, p.n`, account)
	return out, err
}

// Verify proves that every entry balances and holds what it says it moves, and
// that every balance is the sum of its postings; it names the first that does
// not. That all balances sum to zero follows.
func Verify(ctx context.Context, tx *db.Tx) error {
	var id string
	var got, want int64
	err := tx.QueryRow(ctx, `SELECT entry, SUM(amount) FROM posting GROUP BY entry HAVING SUM(amount) <> 0 ORDER BY entry LIMIT 1`).Scan(&id, &got)
	if err == nil {
		return fmt.Errorf("ledger: entry %s does not balance: %s is left", id, money.Fen(got))
	}
	if !db.IsNotFound(err) {
		return err
	}
	err = tx.QueryRow(ctx, `SELECT e.id, e.debit, COALESCE(p.total, 0) FROM entry e
		LEFT JOIN (SELECT entry, SUM(amount) AS total FROM posting WHERE amount > 0 GROUP BY entry) p ON p.entry = e.id
		WHERE e.debit <> COALESCE(p.total, 0) ORDER BY e.id LIMIT 1`).Scan(&id, &got, &want)
	if err == nil {
		return fmt.Errorf("ledger: entry %s says that it moves %s, its postings move %s", id, money.Fen(got), money.Fen(want))
	}
	if !db.IsNotFound(err) {
		return err
	}
	err = tx.QueryRow(ctx, `SELECT a.id, a.balance, COALESCE(p.total, 0) FROM account a
		LEFT JOIN (SELECT account, SUM(amount) AS total FROM posting GROUP BY account) p ON p.account = a.id
		WHERE a.balance <> COALESCE(p.total, 0) ORDER BY a.id LIMIT 1`).Scan(&id, &got, &want)
	if err == nil {
		return fmt.Errorf("ledger: the balance of %s is %s, its postings sum to %s", id, money.Fen(got), money.Fen(want))
	}
	if db.IsNotFound(err) {
		return nil
	}
	return err
}
