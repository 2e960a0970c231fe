package clearing_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anji-platform/anji/clearing"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

var china = time.FixedZone("CST", 8*60*60)

const (
	city   = "H99010000101" // in 990100
	county = "H99020000101" // in 990200
	away   = "H50000000101" // in 500000
)

// A made is a settlement or reversal as the test knows it, apart from the
// store.
type made struct {
	clearing.Line
	at       time.Time
	provider string
	care     string
	insured  string
	scheme   policy.Scheme
	kind     policy.VisitKind
	cash     money.Fen
	inScope  money.Fen
	reversed bool
}

type world struct {
	*testing.T
	ctx      context.Context
	db       *db.DB
	register *enrolment.Register
	service  *settlement.Service
	now      time.Time
	made     []made
	visits   int
}

// packages are immutable, and read once for all tests.
var packages = sync.OnceValues(func() (*policy.Store, error) { return policy.Load(policies.FS) })

func open(t *testing.T) *world {
	t.Helper()
	ctx := context.Background()
	store, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	d := dbtest.Open(t)
	sealer, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		t.Fatal(err)
	}
	register := enrolment.New(sealer)
	if _, err := demo.Seed(ctx, d, register, demo.Options{Today: 20250601}); err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, ctx: ctx, db: d, register: register, now: time.Date(2025, 6, 1, 9, 0, 0, 0, china)}
	w.service = settlement.New(store, register, func() time.Time { return w.now })
	// Personal accounts pay much of the care, away from home too.
	w.update(func(tx *db.Tx) error {
		for _, x := range people {
			p, _, err := register.ByCitizenID(ctx, tx, x.id)
			w.must(err)
			if x.scheme == policy.Employee {
				w.must(fund.Post(ctx, tx, fund.Entry{At: w.now, Kind: "opening", Ref: p.Region, Postings: []fund.Posting{
					{Account: fund.PersonAccount(p.ID), Amount: 10_000_000}, {Account: fund.Opening(p.Region), Amount: -10_000_000}}}))
			}
		}
		return nil
	})
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) update(f func(*db.Tx) error) { w.Helper(); w.must(w.db.Update(w.ctx, f)) }
func (w *world) view(f func(*db.Tx) error)   { w.Helper(); w.must(w.db.View(w.ctx, f)) }

var people = []struct {
	id     string
	scheme policy.Scheme
}{
	{"990100198503120014", policy.Employee}, {demo.LiJi, policy.Employee}, {"990100199001010119", policy.Resident},
	{"990100194805200214", policy.Resident}, {"990100198002290314", policy.Employee}, {demo.Guo, policy.Employee},
	{"990100201509010128", policy.Resident},
}

// settle makes a settlement at the world's time.
func (w *world) settle(tx *db.Tx, who int, provider string, kind policy.VisitKind, yuan int64) made {
	w.Helper()
	p, ok, err := w.register.ByCitizenID(w.ctx, tx, people[who].id)
	w.must(err)
	if !ok {
		w.Fatalf("%s is not there", people[who].id)
	}
	w.visits++
	v, err := w.service.Open(w.ctx, tx, settlement.OpenRequest{Person: p.ID, Provider: provider, Scheme: people[who].scheme, Kind: kind,
		Number: fmt.Sprint(w.visits), Begun: w.now, Actor: "test"})
	w.must(err)
	_, err = w.service.AddFees(w.ctx, tx, v.ID, provider, []settlement.Fee{{Serial: "1", Batch: "B", Item: "DRG990000002", Time: w.now,
		Quantity: 10_000, Price: yuan * 1_000_000, Amount: money.Fen(yuan * 100)}}, "test")
	w.must(err)
	st, err := w.service.Settle(w.ctx, tx, settlement.SettleRequest{Visit: v.ID, Person: p.ID, Provider: provider,
		Total: money.Fen(yuan * 100), UseAccount: settlement.OwnAccount, Actor: "test"})
	w.must(err)
	return w.add(st)
}

// add keeps what was made.
func (w *world) add(st *settlement.Settlement) made {
	r := &st.Result
	m := made{clearing.Line{Settlement: st.ID, Visit: st.Visit.ID, Person: st.Person.ID, Total: r.Total, Fund: r.FundTotal, Account: r.Account, Reversal: st.Reverses != ""},
		st.At, st.Provider.Code, st.Provider.Region, st.Person.Region, st.Case.Scheme, st.Case.Visit, r.Cash, r.InScope, false}
	w.made = append(w.made, m)
	return m
}

// reverse takes a settlement back. Later ones that it changes are made again
// or, as the region's package says, make it refuse: then nothing is done. A
// stay is settled again, so that another may begin.
func (w *world) reverse(i int) (done bool) {
	w.Helper()
	old := &w.made[i]
	var back *settlement.Reversal
	err := w.db.Update(w.ctx, func(tx *db.Tx) (err error) {
		back, err = w.service.Reverse(w.ctx, tx, settlement.ReverseRequest{Settlement: old.Settlement, Provider: old.provider, Actor: "test"})
		return err
	})
	if e := (*settlement.Error)(nil); errors.As(err, &e) {
		return false
	}
	w.must(err)
	old.reversed = true
	stay, visit, total := old.kind == policy.Inpatient, old.Visit, old.Total
	provider := old.provider
	w.add(back.Settlement)
	for _, a := range back.Adjusted {
		w.view(func(tx *db.Tx) error {
			was, _, err := w.service.Get(w.ctx, tx, a.Old.ID)
			w.must(err)
			of, _, err := w.service.Get(w.ctx, tx, was.ReversedBy)
			w.must(err)
			for i := range w.made {
				w.made[i].reversed = w.made[i].reversed || w.made[i].Settlement == a.Old.ID
			}
			w.add(of)
			return nil
		})
		w.add(a.New)
	}
	if stay {
		w.update(func(tx *db.Tx) error {
			st, err := w.service.Settle(w.ctx, tx, settlement.SettleRequest{Visit: visit, Provider: provider, Total: total, UseAccount: settlement.OwnAccount, Actor: "test"})
			w.must(err)
			w.add(st)
			return nil
		})
	}
	return true
}

// random makes one settlement of anything anywhere.
func (w *world) random(tx *db.Tx, r *rand.Rand) made {
	w.Helper()
	kinds := []policy.VisitKind{policy.Outpatient, policy.Emergency, policy.Inpatient, policy.Outpatient}
	return w.settle(tx, r.IntN(len(people)), []string{city, city, county, away}[r.IntN(4)], kinds[r.IntN(len(kinds))], int64(50+r.IntN(4000)))
}

func (w *world) balance(account string) (b money.Fen) {
	w.Helper()
	w.view(func(tx *db.Tx) (err error) {
		b, err = fund.Balance(w.ctx, tx, account)
		return err
	})
	return b
}

func TestMain(m *testing.M) { dbtest.Main(m) }
