package contribution_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// crowd adds people of the employees' insurance: every second is retired, or all.
func crowd(tb testing.TB, d *db.DB, n int, all bool) {
	tb.Helper()
	ctx := context.Background()
	for from := 0; from < n; from += 5_000 {
		err := d.Update(ctx, func(tx *db.Tx) error {
			var people, spells [][]any
			for i := from; i < min(n, from+5_000); i++ {
				id := fmt.Sprintf("c%09d", i)
				key := []byte(id)
				people = append(people, []any{id, "某", key, key, key, i % 3 % 2, 19500101, region, "", ""})
				spells = append(spells, []any{id, int64(policy.Employee), 20200101, 0, all || i%2 == 1, int64(policy.Normal), 0, ""})
			}
			return errors.Join(
				tx.Insert(ctx, "person (id, name, citizen_id, id_digest, card_digest, female, birth, region, employer, ethnicity)", people),
				tx.Insert(ctx, "insurance (person, scheme, from_day, to_day, retired, status, benefits_from, reason)", spells))
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// in is how many of the crowd have an account, and what those hold.
func in(tb testing.TB, d *db.DB) (accounts int, sum money.Fen) {
	tb.Helper()
	err := d.View(context.Background(), func(tx *db.Tx) error {
		return tx.QueryRow(context.Background(), `SELECT COUNT(*), COALESCE(SUM(balance), 0) FROM account WHERE id LIKE 'acct:c%'`).Scan(&accounts, &sum)
	})
	if err != nil {
		tb.Fatal(err)
	}
	return accounts, sum
}

func TestCredit(t *testing.T) {
	w := open(t, 20260505)
	w.people = 1
	crowd(t, w.db, 1_300, false) // 650 retired, in more than one step
	credit := func(period contribution.Period, day civil.Date) contribution.Credited {
		t.Helper()
		out, err := w.service.Credit(w.ctx, w.db, contribution.CreditRequest{Region: region, Period: period, Day: day, Actor: "test"})
		w.must(err)
		return out
	}
	first := credit(contribution.Monthly, 20260501)
	if accounts, sum := in(t, w.db); accounts != 650 || sum != 650*100_00 || len(first.Faults) != 0 {
		t.Fatalf("%d accounts hold %s: %+v", accounts, sum, first)
	}
	if again := credit(contribution.Monthly, 20260531); again.Credited != 0 {
		t.Errorf("credited again: %+v", again)
	}
	// Who turns out to be retired later is credited, and nobody else.
	w.update(func(tx *db.Tx) error {
		return tx.Exec(w.ctx, `UPDATE insurance SET retired = 1 WHERE person = 'c000000000'`)
	})
	if late := credit(contribution.Monthly, 20260501); late.Credited != 1 || late.Amount != 100_00 {
		t.Errorf("late: %+v", late)
	}
	w.at(20260601)
	if next := credit(contribution.Monthly, 20260601); next.Credited != first.Credited+1 {
		t.Errorf("June: %+v", next)
	}
	// Interest of a year, once it is over.
	_, err := w.service.Credit(w.ctx, w.db, contribution.CreditRequest{Region: region, Period: contribution.Yearly, Day: 20260601})
	w.refused(err, "day", "2026-12-31")
	w.at(20261231)
	_, before := in(t, w.db)
	interest := credit(contribution.Yearly, 20260601)
	if _, sum := in(t, w.db); sum-before != 651*3_00 { // 1.5 % of 200.00
		t.Errorf("interest of %s on %s: %+v", sum-before, before, interest)
	}
	if again := credit(contribution.Yearly, 20260601); again.Credited != 0 {
		t.Errorf("interest again: %+v", again)
	}
	_, err = w.service.Credit(w.ctx, w.db, contribution.CreditRequest{Region: region, Period: "week", Day: 20260601})
	w.refused(err, "period", "month")
	_, err = w.service.Credit(w.ctx, w.db, contribution.CreditRequest{Region: "123456", Period: contribution.Monthly, Day: 20260601})
	if err == nil {
		t.Error("a region without a package is credited")
	}
	w.verify()
}

// TestCreditBeside runs the same crediting from several sides, some of which
// fail on the way.
func TestCreditBeside(t *testing.T) {
	w := open(t, 20260505)
	crowd(t, w.db, 2_600, false)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			count := 0
			ctx := db.WithFailure(w.ctx, func(string) error {
				if count++; i > 0 && count == 2*i+1 {
					return errors.New("disk full")
				}
				return nil
			})
			_, err := w.service.Credit(ctx, w.db, contribution.CreditRequest{Region: region, Period: contribution.Monthly, Day: 20260501})
			if i == 0 && err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if accounts, sum := in(t, w.db); accounts != 1_300 || sum != 1_300*100_00 {
		t.Errorf("%d accounts hold %s", accounts, sum)
	}
	w.verify()
}

// TestCreditKilled kills the process (SIGKILL) that credits, again and again, and
// lets it go on: every account is credited once.
func TestCreditKilled(t *testing.T) {
	const people = 6_000
	if location := os.Getenv("ANJI_CREDIT_STORE"); location != "" {
		creditIn(t, location)
		return
	}
	location := dbtest.Location(t)
	d, err := db.Open(t.Context(), location)
	if err != nil {
		t.Fatal(err)
	}
	crowd(t, d, people, false)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for round := range 6 {
		child := exec.Command(os.Args[0], "-test.run", "^TestCreditKilled$")
		child.Env = append(os.Environ(), "ANJI_CREDIT_STORE="+location, fmt.Sprint("ANJI_CREDIT_STEPS=", 1+round%3))
		if out, err := child.CombinedOutput(); err == nil {
			t.Fatalf("round %d: it was not killed: %s", round, out)
		}
	}
	creditIn(t, location)
	if d, err = db.Open(t.Context(), location); err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if accounts, sum := in(t, d); accounts != people/2 || sum != people/2*100_00 {
		t.Errorf("%d accounts hold %s", accounts, sum)
	}
	if err := d.View(t.Context(), func(tx *db.Tx) error { return fund.Verify(t.Context(), tx) }); err != nil {
		t.Error(err)
	}
}

// creditIn credits the accounts of a store. A child dies after the steps that it
// was given, in the middle of the next.
func creditIn(t *testing.T, location string) {
	store, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		t.Fatal(err)
	}
	d, err := db.Open(t.Context(), location)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	now := time.Date(2026, 5, 5, 12, 0, 0, 0, time.UTC)
	s := contribution.New(store, enrolment.New(sealer), func() time.Time { return now })
	ctx := t.Context()
	left := 0
	if _, err := fmt.Sscan(os.Getenv("ANJI_CREDIT_STEPS"), &left); err == nil {
		writes := 0
		ctx = db.WithFailure(ctx, func(string) error {
			if left <= 0 {
				if writes++; writes == 3 {
					p, _ := os.FindProcess(os.Getpid())
					_ = p.Kill()
					select {}
				}
			}
			return nil
		})
	}
	_, err = s.Credit(ctx, d, contribution.CreditRequest{Region: region, Period: contribution.Monthly, Day: 20260501, Actor: "test",
		Progress: func(contribution.Credited) { left-- }})
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkCredit credits the accounts of a city's retired, one each iteration.
func BenchmarkCredit(b *testing.B) {
	store, err := packages()
	if err != nil {
		b.Fatal(err)
	}
	sealer, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		b.Fatal(err)
	}
	d := dbtest.Open(b)
	crowd(b, d, b.N, true)
	now := time.Date(2026, 5, 5, 12, 0, 0, 0, time.UTC)
	s := contribution.New(store, enrolment.New(sealer), func() time.Time { return now })
	b.ResetTimer()
	out, err := s.Credit(b.Context(), d, contribution.CreditRequest{Region: region, Period: contribution.Monthly, Day: 20260501})
	if err != nil || out.Credited != b.N {
		b.Fatal(out, err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "accounts/s")
}
