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

// Error is a refusal of this room.
type Error struct{ Field, Value, Want string }

func (e *Error) Error() string { return e.Field + " " + e.Value + ": " + e.Want }

// Refusal says what is wrong, for the page.
func (e *Error) Refusal() (field, value, want string) { return e.Field, e.Value, e.Want }

// monthEnd is the last day of a month.
func monthEnd(d civil.Date) civil.Date { return monthOf(d).AddMonths(1).AddDays(-1) }

func monthText(d civil.Date) string { return d.String()[:7] }

// closable refuses to close a month that is not over, that is closed, or before
// which others are open.
func closable(ctx context.Context, tx *db.Tx, day civil.Date, at time.Time) (last civil.Date, err error) {
	first, end := monthOf(day), monthEnd(day)
	// A transaction that began in the month may still be under way.
	if from := end.AddDays(1).Time().Add(-8*time.Hour + settled); at.Before(from) {
		return 0, &Error{"month", monthText(day), "尚未结束，" + from.In(zone).Format("2006-01-02 15:04") + " 起方可结账"}
	}
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(last_day), 0) FROM month_closed`).Scan(&last); err != nil {
		return 0, err
	}
	if last >= end {
		return 0, fmt.Errorf("%w: %w", ErrClosed, &Error{"month", monthText(day), "已经结账，账已结到 " + last.String()})
	}
	var earlier int
	if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM (SELECT 1 FROM entry WHERE day > ? AND day < ? LIMIT 1) AS earlier`, int(last), int(first)).Scan(&earlier); err != nil {
		return 0, err
	}
	if earlier > 0 && last.AddDays(1) < first {
		return 0, &Error{"month", monthText(day), "以前的月份有分录，还没有结账；请按月依次结账"}
	}
	return last, nil
}

// AskClose asks to close the month of a day (结账申请). Another person confirms it:
// see ConfirmClose.
func AskClose(ctx context.Context, tx *db.Tx, day civil.Date, at time.Time, actor string) error {
	if actor == "" {
		return &Error{"actor", "", "须写明办理人"}
	}
	if err := tx.Lock(ctx, "fund.close"); err != nil {
		return err
	}
	if _, err := closable(ctx, tx, day, at); err != nil {
		return err
	}
	end := monthEnd(day)
	var by string
	err := tx.QueryRow(ctx, `SELECT asked_by FROM month_closing WHERE last_day = ?`, int(end)).Scan(&by)
	if err == nil {
		return &Error{"month", monthText(day), by + " 已申请结账，等另一人确认"}
	}
	if !db.IsNotFound(err) {
		return err
	}
	if err := tx.Exec(ctx, `INSERT INTO month_closing (last_day, asked_at, asked_by) VALUES (?, ?, ?)`, int(end), at.UTC().Format(timeLayout), actor); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Record{At: at, Actor: actor, Action: "fund.close.ask", Subject: end.String()})
}

// ConfirmClose closes a month that another person asked to close (结账): it keeps
// the balance of every account but the personal ones at the month's end, and
// nothing is posted in the month or before it afterwards. A month is closed when it
// is over, after all earlier ones. Who asked does not confirm (不相容岗位分离).
func ConfirmClose(ctx context.Context, tx *db.Tx, day civil.Date, at time.Time, actor string) error {
	if err := tx.Lock(ctx, "fund.close"); err != nil {
		return err
	}
	end := monthEnd(day)
	asked, err := askedBy(ctx, tx, day)
	switch {
	case err != nil:
		return err
	case actor == "":
		return &Error{"actor", "", "须写明办理人"}
	case actor == asked:
		return &Error{"actor", actor, "结账由一人申请、另一人确认，不能确认自己的申请"}
	}
	last, err := closable(ctx, tx, day, at)
	if err != nil {
		return err
	}
	if err := tx.Exec(ctx, `INSERT INTO month_closed (last_day, at, actor, asked_by) VALUES (?, ?, ?, ?)`, int(end), at.UTC().Format(timeLayout), actor, asked); err != nil {
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
	if err := tx.Exec(ctx, `DELETE FROM month_closing WHERE last_day <= ?`, int(end)); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Record{At: at, Actor: actor, Action: "fund.close", Subject: end.String(), Details: map[string]string{"asked_by": asked}})
}

// DropClose takes back what was asked and is not confirmed (撤回结账申请).
func DropClose(ctx context.Context, tx *db.Tx, day civil.Date, at time.Time, actor string) error {
	asked, err := askedBy(ctx, tx, day)
	if err != nil {
		return err
	}
	if err := tx.Exec(ctx, `DELETE FROM month_closing WHERE last_day = ?`, int(monthEnd(day))); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Record{At: at, Actor: actor, Action: "fund.close.drop", Subject: monthEnd(day).String(), Details: map[string]string{"asked_by": asked}})
}

func askedBy(ctx context.Context, tx *db.Tx, day civil.Date) (by string, err error) {
	err = tx.QueryRow(ctx, `SELECT asked_by FROM month_closing WHERE last_day = ?`, int(monthEnd(day))).Scan(&by)
	if db.IsNotFound(err) {
		err = &Error{"month", monthText(day), "没有人申请结账"}
	}
	return by, err
}

// Closing is a month that is closed, or that somebody asked to close.
type Closing struct {
	Month   civil.Date // its first day
	AskedBy string     // "" of months closed before it was kept
	AskedAt time.Time  // zero once it is closed
	By      string     // who confirmed; "" while it is open
	At      time.Time
}

// Closings lists the months that are closed or asked to be, the latest first.
func Closings(ctx context.Context, tx *db.Tx, limit int) (out []Closing, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var c Closing
		var last civil.Date
		var at, asked string
		if err := rows.Scan(&last, &at, &c.By, &asked, &c.AskedBy); err != nil {
			return err
		}
		c.Month = monthOf(last)
		for _, x := range []struct {
			text string
			to   *time.Time
		}{{at, &c.At}, {asked, &c.AskedAt}} {
			if x.text == "" {
				continue
			}
			var err error
			if *x.to, err = time.Parse(time.RFC3339Nano, x.text); err != nil {
				return err
			}
		}
		out = append(out, c)
		return nil
	}, `SELECT last_day, at, actor, '' AS asked_at, asked_by FROM month_closed
		UNION ALL SELECT last_day, '', '', asked_at, asked_by FROM month_closing ORDER BY last_day DESC LIMIT ?`, limit)
	return out, err
}

// NextClose is the month, by its first day, that is closed next: the one after the
// last that is, or that of the first entry; 0 for an empty ledger.
func NextClose(ctx context.Context, tx *db.Tx) (month civil.Date, err error) {
	var last civil.Date
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(last_day), 0) FROM month_closed`).Scan(&last); err != nil || last > 0 {
		if err != nil {
			return 0, err
		}
		return last.AddDays(1), nil
	}
	if err = tx.QueryRow(ctx, `SELECT COALESCE(MIN(day), 0) FROM entry`).Scan(&month); err != nil || month == 0 {
		return 0, err
	}
	return monthOf(month), nil
}

// Balances are the balances of all accounts that begin with a prefix, such as
// "fund:990100:", at the end of a day; day 0 is now. They are summed from the last
// closed month on, but for those of people.
func Balances(ctx context.Context, tx *db.Tx, prefix string, day civil.Date) (map[string]money.Fen, error) {
	if day == 0 {
		day = lastDay
	}
	var closed civil.Date
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(last_day), 0) FROM month_closed WHERE last_day <= ?`, int(day)).Scan(&closed); err != nil {
		return nil, err
	}
	out := map[string]money.Fen{}
	from, to := between(prefix)
	// Names are found one after the other, each sum by its own part of the index:
	// what was closed is not read again, however long the ledger is.
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var name string
		var closing, since money.Fen
		var entries int
		if err := rows.Scan(&name, &closing, &since, &entries); err != nil {
			return err
		}
		if entries > 0 { // it was there on the day
			out[name] = closing + since
		}
		return nil
	}, `WITH RECURSIVE named (name) AS (
			SELECT MIN(account) FROM posting WHERE account >= ? AND account < ?
			UNION ALL
			SELECT (SELECT MIN(p.account) FROM posting p WHERE p.account > named.name AND p.account < ?) FROM named WHERE named.name IS NOT NULL
		)
		SELECT name,
			COALESCE((SELECT m.balance FROM month_end m WHERE m.account = name AND m.last_day = ?), 0),
			COALESCE((SELECT SUM(p.amount) FROM posting p WHERE p.account = name AND p.day <= ? AND p.day > CASE WHEN name LIKE ? THEN 0 ELSE ? END), 0),
			(SELECT COUNT(*) FROM (SELECT 1 FROM posting p WHERE p.account = name AND p.day <= ? LIMIT 1) AS one)
		FROM named WHERE name IS NOT NULL`, from, to, to, int(closed), int(day), personal+"%", int(closed), int(day))
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
