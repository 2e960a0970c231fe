package fund

import (
	"context"
	"time"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
)

// Page is a part of an account's statement over a period, for an account that
// moves too often to be read whole.
type Page struct {
	Account             // its Opening and Closing are those of the page
	Before    money.Fen // the balance as the period begins
	After     money.Fen // as it ends
	In, Out   money.Fen // what moved the account in the period, both positive
	Count     int       // postings in the period
	Offset    int       // of the first movement
	Following bool      // there are more after it
}

// Leaf reads the part of an account's statement from the offset on, at most limit
// movements, oldest first.
func Leaf(ctx context.Context, tx *db.Tx, account string, p Period, offset, limit int) (*Page, error) {
	if p.To == 0 {
		p.To = lastDay
	}
	l := &Page{Account: Account{Name: account}, Offset: offset}
	var err error
	if p.From > 0 {
		if l.Before, err = balanceAt(ctx, tx, account, p.From.AddDays(-1)); err != nil {
			return nil, err
		}
	}
	var out money.Fen
	if err := tx.QueryRow(ctx, `SELECT COUNT(*), COALESCE(SUM(CASE WHEN amount > 0 THEN amount ELSE 0 END), 0), COALESCE(SUM(CASE WHEN amount < 0 THEN amount ELSE 0 END), 0)
		FROM posting WHERE account = ? AND day >= ? AND day <= ?`, account, int(p.From), int(p.To)).Scan(&l.Count, &l.In, &out); err != nil {
		return nil, err
	}
	l.Out, l.After = -out, l.Before+l.In+out
	var skipped money.Fen
	if err := tx.QueryRow(ctx, `SELECT COALESCE(SUM(amount), 0) FROM (SELECT amount FROM posting WHERE account = ? AND day >= ? AND day <= ? ORDER BY day, entry, n LIMIT ?) AS earlier`,
		account, int(p.From), int(p.To), offset).Scan(&skipped); err != nil {
		return nil, err
	}
	l.Opening = l.Before + skipped
	balance := l.Opening
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
		l.Movements = append(l.Movements, m)
		return nil
	}, `SELECT e.id, e.at, e.kind, e.ref, p.amount FROM posting p JOIN entry e ON e.id = p.entry
		WHERE p.account = ? AND p.day >= ? AND p.day <= ? ORDER BY p.day, p.entry, p.n LIMIT ? OFFSET ?`, account, int(p.From), int(p.To), limit, offset)
	l.Closing = balance
	l.Following = offset+len(l.Movements) < l.Count
	return l, err
}

// GetEntry finds an entry with its postings; ok is false if there is none.
func GetEntry(ctx context.Context, tx *db.Tx, id int64) (e Entry, ok bool, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var at string
		var p Posting
		if err := rows.Scan(&at, &e.Kind, &e.Ref, &p.Account, &p.Amount); err != nil {
			return err
		}
		ok = true
		e.Postings = append(e.Postings, p)
		var err error
		e.At, err = time.Parse(time.RFC3339Nano, at)
		return err
	}, `SELECT e.at, e.kind, e.ref, p.account, p.amount FROM entry e JOIN posting p ON p.entry = e.id WHERE e.id = ? ORDER BY p.n`, id)
	return e, ok, err
}

// Regional are the balances of a region's accounts at the bank, with the budget
// and with other regions, by the account's name.
func Regional(ctx context.Context, tx *db.Tx, region string) (map[string]money.Fen, error) {
	all := map[string]money.Fen{}
	for _, k := range regional {
		name := string(k) + ":" + region
		some, err := Balances(ctx, tx, name, 0)
		if err != nil {
			return nil, err
		}
		for account, b := range some {
			if n, ok := ParseName(account); ok && n.Of == region {
				all[account] = b
			}
		}
	}
	return all, nil
}
