package fund

import (
	"context"
	"fmt"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
)

// settled is how long after its end a month can be closed: much longer than any
// transaction takes.
const settled = time.Hour

// CloseMonth closes the month of a day (结账): it keeps the balance of every
// account but the personal ones at the month's end, and nothing is posted in
// the month or before it afterwards. A month is closed when it is over, after
// all earlier ones.
func CloseMonth(ctx context.Context, tx *db.Tx, day civil.Date, at time.Time, actor string) error {
	if err := tx.Lock(ctx, "fund.close"); err != nil {
		return err
	}
	first := day.AddDays(1 - day.Day())
	end := first.AddMonths(1).AddDays(-1)
	// A transaction that began in the month may still be under way.
	if last := end.AddDays(1).Time().Add(-8*time.Hour + settled); at.Before(last) {
		return fmt.Errorf("the month of %s can be closed from %s on", day, last.In(zone).Format(time.DateTime))
	}
	var last civil.Date
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(last_day), 0) FROM month_closed`).Scan(&last); err != nil {
		return err
	}
	if last >= end {
		return fmt.Errorf("%w up to %s", ErrClosed, last)
	}
	var earlier int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM entry WHERE day > ? AND day < ?`, int(last), int(first)).Scan(&earlier); err != nil {
		return err
	}
	if earlier > 0 && last.AddDays(1) < first {
		return fmt.Errorf("months before %s have entries and are not closed", first)
	}
	if err := tx.Exec(ctx, `INSERT INTO month_closed (last_day, at, actor) VALUES (?, ?, ?)`, int(end), at.UTC().Format(timeLayout), actor); err != nil {
		return err
	}
	if err := tx.Exec(ctx, `INSERT INTO month_end (last_day, account, balance)
		SELECT CAST(? AS INTEGER), account, SUM(amount) FROM (
			SELECT account, balance AS amount FROM month_end WHERE last_day = ?
			UNION ALL
			SELECT account, amount FROM posting WHERE day > ? AND day <= ? AND account NOT LIKE ?
		) AS moved GROUP BY account`, int(end), int(last), int(last), int(end), personal+"%"); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Record{At: at, Actor: actor, Action: "fund.close", Subject: end.String()})
}

// Balances are the balances of all accounts that begin with a prefix, such as
// "fund:990100:", at the end of a day; day 0 is now.
func Balances(ctx context.Context, tx *db.Tx, prefix string, day civil.Date) (map[string]money.Fen, error) {
	if day == 0 {
		day = lastDay
	}
	out := map[string]money.Fen{}
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var name string
		var v money.Fen
		if err := rows.Scan(&name, &v); err != nil {
			return err
		}
		out[name] = v
		return nil
	}, `SELECT account, SUM(amount) FROM posting WHERE account LIKE ? AND day <= ? GROUP BY account`, prefix+"%", int(day))
	return out, err
}

// Verify proves that every entry balances and holds what it says it moves, and
// that every balance kept is the sum of its postings; it names the first that
// does not. That all balances sum to zero follows.
func Verify(ctx context.Context, tx *db.Tx) error {
	for _, x := range []struct{ query, fault string }{
		{`SELECT entry, SUM(amount), 0 FROM posting GROUP BY entry HAVING SUM(amount) <> 0 ORDER BY entry LIMIT 1`,
			"entry %s does not balance: %s is left, not %s"},
		{`SELECT e.id, e.debit, COALESCE(p.total, 0) FROM entry e
			LEFT JOIN (SELECT entry, SUM(amount) AS total FROM posting WHERE amount > 0 GROUP BY entry) p ON p.entry = e.id
			WHERE e.debit <> COALESCE(p.total, 0) ORDER BY e.id LIMIT 1`,
			"entry %s says that it moves %s, its postings move %s"},
		{`SELECT p.entry, p.amount, 0 FROM posting p WHERE NOT EXISTS (SELECT 1 FROM entry e WHERE e.id = p.entry) ORDER BY p.entry, p.n LIMIT 1`,
			"a posting of %[2]s is of entry %[1]s, which is not there"},
		{`SELECT e.id, e.day, p.day FROM entry e JOIN posting p ON p.entry = e.id WHERE p.day <> e.day ORDER BY e.id LIMIT 1`,
			"entry %s is of another day (%s) than a posting of it (%s)"},
		{`SELECT a.id, a.balance, COALESCE(p.total, 0) FROM account a
			LEFT JOIN (SELECT account, SUM(amount) AS total FROM posting GROUP BY account) p ON p.account = a.id
			WHERE a.balance <> COALESCE(p.total, 0) ORDER BY a.id LIMIT 1`,
			"the balance of %s is %s, its postings sum to %s"},
		{`SELECT p.account, p.total, 0 FROM (SELECT account, SUM(amount) AS total FROM posting WHERE account LIKE 'acct:%' GROUP BY account) p
			LEFT JOIN account a ON a.id = p.account WHERE a.id IS NULL ORDER BY p.account LIMIT 1`,
			"%s has postings of %s and no balance (%s)"},
		{`SELECT m.account, m.balance, (SELECT COALESCE(SUM(p.amount), 0) FROM posting p WHERE p.account = m.account AND p.day <= m.last_day) FROM month_end m
			WHERE m.balance <> (SELECT COALESCE(SUM(p.amount), 0) FROM posting p WHERE p.account = m.account AND p.day <= m.last_day)
			ORDER BY m.account, m.last_day LIMIT 1`,
			"%s was closed with %s, its postings sum to %s"},
	} {
		var id string
		var got, want money.Fen
		err := tx.QueryRow(ctx, x.query).Scan(&id, &got, &want)
		if err == nil {
			return fmt.Errorf("ledger: "+x.fault, id, got, want)
		}
		if !db.IsNotFound(err) {
			return err
		}
	}
	return nil
}
