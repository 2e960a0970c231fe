package fund_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// day is noon of a day in China.
func day(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 4, 0, 0, 0, time.UTC) }

func post(d *db.DB, at time.Time, ps ...fund.Posting) error {
	ctx := context.Background()
	return d.Update(ctx, func(tx *db.Tx) error {
		return fund.Post(ctx, tx, fund.Entry{At: at, Kind: "test", Ref: "r", Postings: ps})
	})
}

func view(t *testing.T, d *db.DB, f func(context.Context, *db.Tx) error) {
	t.Helper()
	ctx := context.Background()
	if err := d.View(ctx, func(tx *db.Tx) error { return f(ctx, tx) }); err != nil {
		t.Error(err)
	}
}

func TestLedger(t *testing.T) {
	d := dbtest.Open(t)
	at := day(2025, 6, 1)
	if err := post(d, at, fund.Posting{Account: "acct:a", Amount: 100}, fund.Posting{Account: "b", Amount: -100}); err != nil {
		t.Fatal(err)
	}
	if err := post(d, at.AddDate(0, 0, 1), fund.Posting{Account: "acct:a", Amount: -30}, fund.Posting{Account: "c", Amount: 30}, fund.Posting{Account: "d"}); err != nil {
		t.Fatal(err)
	}
	if err := post(d, at, fund.Posting{Account: "acct:a", Amount: 1}); !errors.Is(err, fund.ErrUnbalanced) {
		t.Errorf("unbalanced: %v", err)
	}
	view(t, d, func(ctx context.Context, tx *db.Tx) error {
		for account, want := range map[string]string{"acct:a": "0.70", "b": "-1.00", "c": "0.30", "d": "0.00", "nobody": "0.00"} {
			if got, err := fund.Balance(ctx, tx, account); err != nil || got.String() != want {
				t.Errorf("%s: %s, %v; want %s", account, got, err, want)
			}
		}
		all, err := fund.Entries(ctx, tx, "r")
		if err != nil || len(all) != 2 || len(all[0].Postings) != 2 || all[1].Postings[1] != (fund.Posting{Account: "c", Amount: 30}) || all[1].Kind != "test" || !all[0].At.Equal(at) {
			t.Errorf("entries %+v, %v", all, err)
		}
		if none, err := fund.Entries(ctx, tx, "nothing"); err != nil || none != nil {
			t.Errorf("entries about nothing %+v, %v", none, err)
		}
		s, err := fund.Statement(ctx, tx, "acct:a", fund.Period{})
		if err != nil || len(s.Movements) != 2 || s.Movements[1].Balance != 70 || s.Movements[1].Amount != -30 || s.Opening != 0 || s.Closing != 70 {
			t.Errorf("statement %+v, %v", s, err)
		}
		s, err = fund.Statement(ctx, tx, "acct:a", fund.Period{From: 20250602, To: 20250602})
		if err != nil || len(s.Movements) != 1 || s.Opening != 100 || s.Closing != 70 {
			t.Errorf("statement of a day %+v, %v", s, err)
		}
		return fund.Verify(ctx, tx)
	})
}

// TestGuards shows that the store refuses what the code would never do, and
// that what gets past it is found.
func TestGuards(t *testing.T) {
	ctx, d := context.Background(), dbtest.Open(t)
	if err := post(d, day(2025, 6, 1), fund.Posting{Account: "acct:a", Amount: 100}, fund.Posting{Account: "b", Amount: -100}); err != nil {
		t.Fatal(err)
	}
	exec := func(q string) error {
		return d.Update(ctx, func(tx *db.Tx) error { return tx.Exec(ctx, q) })
	}
	for q, want := range map[string]string{
		`UPDATE posting SET amount = 5`:     "never changed",
		`DELETE FROM posting`:               "never changed",
		`UPDATE entry SET kind = 'x'`:       "never changed",
		`DELETE FROM entry WHERE debit > 0`: "never changed",
		`INSERT INTO entry (id, at, day, kind, ref, debit, credit) VALUES (2, '', 20250601, 'x', '', 1, 2)`: "CHECK",
	} {
		if err := exec(q); err == nil || !strings.Contains(strings.ToUpper(err.Error()), strings.ToUpper(want)) {
			t.Errorf("%s: %v, want %s", q, err, want)
		}
	}
	undo := errors.New("undo")
	for q, want := range map[string]string{
		`UPDATE account SET balance = balance + 1`: "the balance of acct:a is 1.01, its postings sum to 1.00",
		`DELETE FROM account`:                      "acct:a has postings of 1.00 and no balance",
		`UPDATE posting SET amount = amount + 5`:   "does not balance: 0.10",
		`UPDATE posting SET amount = 2 * amount`:   "says that it moves 1.00, its postings move 2.00",
		`UPDATE posting SET day = 20250602`:        "of another day",
		`INSERT INTO posting (entry, n, account, day, amount) SELECT id, 8, 'c', day, 0 FROM entry`:                       "",
		`INSERT INTO month_end (last_day, account, balance) SELECT last_day, 'b', -99 FROM month_closed`:                  "b was closed with -0.99, its postings sum to -1.00",
		`INSERT INTO posting (entry, n, account, day, amount) VALUES (9, 0, 'a', 20250601, 1), (9, 1, 'b', 20250601, -1)`: "posting of 0.01 is of entry 9, which is not there",
		`DELETE FROM posting WHERE account = 'b'`:                                                                         "does not balance: 1.00",
	} {
		err := d.Update(ctx, func(tx *db.Tx) error {
			if err := dbtest.Unfix(ctx, d, tx, "posting"); err != nil {
				return err
			}
			if err := tx.Exec(ctx, `INSERT INTO month_closed (last_day, at, actor) VALUES (20250630, '', '')`); err != nil {
				return err
			}
			if err := tx.Exec(ctx, q); err != nil {
				return err
			}
			if err := fund.Verify(ctx, tx); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", q, err, want)
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Errorf("%s: %v", q, err)
		}
	}
}

// TestCloseMonth closes months between random postings: balances stay what the
// postings sum to, and a closed month takes no more.
func TestCloseMonth(t *testing.T) {
	ctx, d := context.Background(), dbtest.Open(t)
	r := rand.New(rand.NewPCG(1, 2))
	accounts := []string{"acct:a", "fund:x:1", "fund:x:2", "payable:p"}
	want := map[string]money.Fen{}
	atEnd := map[time.Month]map[string]money.Fen{}
	for m := time.January; m <= time.April; m++ {
		for range 20 {
			from, to := accounts[r.IntN(4)], accounts[r.IntN(4)]
			amount := money.Fen(r.IntN(10000))
			if err := post(d, day(2025, m, 1+r.IntN(28)), fund.Posting{Account: from, Amount: -amount}, fund.Posting{Account: to, Amount: amount}); err != nil {
				t.Fatal(err)
			}
			want[from] -= amount
			want[to] += amount
		}
		atEnd[m] = map[string]money.Fen{}
		for a, v := range want {
			atEnd[m][a] = v
		}
	}
	closeMonth := func(m time.Month, at time.Time) error {
		return d.Update(ctx, func(tx *db.Tx) error {
			day := civil.Date(20250015 + 100*int(m))
			if err := fund.AskClose(ctx, tx, day, at, "asks"); err != nil {
				return err
			}
			return fund.ConfirmClose(ctx, tx, day, at, "confirms")
		})
	}
	if err := closeMonth(time.February, day(2025, 5, 1)); err == nil {
		t.Error("February was closed before January")
	}
	if err := closeMonth(time.April, day(2025, 4, 30)); err == nil {
		t.Error("April was closed on its last day")
	}
	for _, at := range []time.Time{time.Date(2025, 1, 31, 15, 59, 0, 0, time.UTC), time.Date(2025, 1, 31, 16, 59, 0, 0, time.UTC)} {
		if err := closeMonth(time.January, at); err == nil {
			t.Errorf("January was closed at %s", at)
		}
	}
	for m := time.January; m <= time.March; m++ {
		if err := closeMonth(m, day(2025, 5, 1)); err != nil {
			t.Fatal(err)
		}
		if err := closeMonth(m, day(2025, 5, 1)); !errors.Is(err, fund.ErrClosed) {
			t.Errorf("closed twice: %v", err)
		}
		err := post(d, day(2025, m, 28), fund.Posting{Account: "a", Amount: 1}, fund.Posting{Account: "b", Amount: -1})
		if !errors.Is(err, fund.ErrClosed) {
			t.Errorf("posted in a closed month: %v", err)
		}
		view(t, d, func(ctx context.Context, tx *db.Tx) error {
			for _, a := range accounts {
				got, err := fund.Balance(ctx, tx, a)
				if err != nil || got != want[a] {
					t.Errorf("%s after %s is closed: %s, want %s, %v", a, m, got, want[a], err)
				}
				s, err := fund.Statement(ctx, tx, a, fund.Period{From: 20250201, To: 20250331})
				if err != nil || s.Opening != atEnd[time.January][a] || s.Closing != atEnd[time.March][a] {
					t.Errorf("%s: statement from %s to %s, want %s and %s, %v", a, s.Opening, s.Closing, atEnd[time.January][a], atEnd[time.March][a], err)
				}
			}
			all, err := fund.Balances(ctx, tx, "fund:", 20250228)
			if err != nil || len(all) != 2 || all["fund:x:1"] != atEnd[time.February]["fund:x:1"] {
				t.Errorf("balances %v, %v", all, err)
			}
			return fund.Verify(ctx, tx)
		})
	}
	if err := post(d, day(2025, 4, 1), fund.Posting{Account: "a", Amount: 1}, fund.Posting{Account: "b", Amount: -1}); err != nil {
		t.Errorf("April is open: %v", err)
	}
}
