// Package traffic drives Anji as the hospitals and pharmacies of a region do,
// and measures it: settlements a second and their latencies, in the store alone
// and over HTTP, beside what the database itself can do on the same machine.
package traffic

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/server"
	"github.com/anji-platform/anji/settlement"
)

// Mix is what share of visits is of a kind.
type Mix struct {
	Kind    policy.VisitKind
	Percent int
	MedType string // 医疗类别 at the interface
}

// mixes are the kinds of visit and their shares.
var mixes = []Mix{
	{policy.Outpatient, 60, "11"},
	{policy.PharmacyVisit, 20, "41"},
	{policy.Chronic, 10, "14"},
	{policy.Inpatient, 10, "21"},
}

// Options say what to drive.
type Options struct {
	Clients  int
	Duration time.Duration
	People   int // how many insured; visits are Zipf-distributed over them
	History  int // settlements of earlier years that are made up first (see History)
	Seed     uint64
}

// Figures are what was measured. Latencies are of settlements.
type Figures struct {
	Settlements int           `json:"settlements"`
	Messages    int           `json:"messages,omitempty"` // over HTTP: all messages of the visits
	Seconds     float64       `json:"seconds"`
	PerSecond   float64       `json:"settlements_per_second"`
	P50         time.Duration `json:"p50_ns"`
	P99         time.Duration `json:"p99_ns"`
	P999        time.Duration `json:"p99_9_ns"`
	AllocsPer   float64       `json:"allocations_per_settlement"`
	BytesPer    float64       `json:"bytes_per_settlement"`
	CPUPer      time.Duration `json:"cpu_ns_per_settlement"` // of this process; the database's server is another
	Total       money.Fen     `json:"total_fen"`
	Fund        money.Fen     `json:"fund_fen"`
	Clients     int           `json:"clients"`
}

// A world is an open server with the people and providers that visits are made
// of.
type world struct {
	*server.Server
	options    Options
	people     []insured
	hospitals  []string
	pharmacies []string
	today      civil.Date
	zipf       []int // ranks of people, shuffled
	before     sums  // what the store held at the start
}

type insured struct {
	id, citizenID string
	scheme        policy.Scheme
}

// open seeds the store and reads who is there.
func open(ctx context.Context, s *server.Server, o Options) (*world, error) {
	w := &world{Server: s, options: o, today: civil.Of(time.Now().In(china))}
	if _, err := demo.Seed(ctx, s.DB, s.Register, demo.Options{Today: w.today, People: o.People}); err != nil {
		return nil, err
	}
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		err := tx.Each(ctx, func(rows *db.Rows) error {
			var p insured
			err := rows.Scan(&p.id, &p.scheme)
			w.people = append(w.people, p)
			return err
		}, `SELECT p.id, MIN(i.scheme) FROM person p JOIN insurance i ON i.person = p.id WHERE i.status = 0 AND i.to_day = 0 AND i.benefits_from = 0 AND p.region = '990100' GROUP BY p.id ORDER BY p.id`)
		if err != nil {
			return err
		}
		for i := range w.people {
			p, _, err := s.Register.ByID(ctx, tx, w.people[i].id)
			if err != nil {
				return err
			}
			w.people[i].citizenID = p.CitizenID
		}
		return tx.Each(ctx, func(rows *db.Rows) error {
			var code string
			var kind policy.ProviderKind
			if err := rows.Scan(&code, &kind); err != nil {
				return err
			}
			if kind == policy.Pharmacy {
				w.pharmacies = append(w.pharmacies, code)
			} else {
				w.hospitals = append(w.hospitals, code)
			}
			return nil
		}, `SELECT code, kind FROM provider WHERE region = '990100' AND designated = 1 ORDER BY code`)
	})
	if err == nil && len(w.people) == 0 {
		err = errors.New("nobody in the store is insured")
	}
	w.zipf = rand.New(rand.NewPCG(o.Seed, 1)).Perm(len(w.people))
	if err == nil {
		w.before, err = held(ctx, s.DB)
	}
	return w, err
}

var china = time.FixedZone("CST", 8*60*60)

// A plan is one visit to be made.
type plan struct {
	Mix
	person   insured
	provider string
	lines    []line
	total    money.Fen
	firstPay money.Fen // own pay of class 乙, as the catalogue divides it
}

type line struct {
	item   string
	amount money.Fen
}

// planner makes visits for one client.
type planner struct {
	w    *world
	r    *rand.Rand
	zipf *rand.Zipf
}

func (w *world) planner(client int) *planner {
	r := rand.New(rand.NewPCG(w.options.Seed, uint64(client)+2))
	return &planner{w, r, rand.NewZipf(r, 1.1, 10, uint64(len(w.people)-1))}
}

// next is a visit with ten lines on average.
func (p *planner) next() plan {
	v := plan{person: p.w.people[p.w.zipf[p.zipf.Uint64()]]}
	n := p.r.IntN(100)
	for _, m := range mixes {
		if n < m.Percent {
			v.Mix = m
			break
		}
		n -= m.Percent
	}
	v.provider = p.w.hospitals[p.r.IntN(len(p.w.hospitals))]
	if v.Kind == policy.PharmacyVisit {
		v.provider = p.w.pharmacies[p.r.IntN(len(p.w.pharmacies))]
	}
	for range 5 + p.r.IntN(11) {
		l := line{"SVC990000001", money.Fen(100 + p.r.IntN(20_000))}
		switch p.r.IntN(3) {
		case 0:
			l.item = "DRG990000001"
		case 1:
			l.item = "DRG990000002"
			v.firstPay += l.amount.Mul(money.Percent(10))
		}
		v.lines = append(v.lines, l)
		v.total += l.amount
	}
	return v
}

// stopwatch collects what clients measured.
type stopwatch struct {
	begun  time.Time
	cpu    time.Duration
	memory runtime.MemStats
}

func begin() *stopwatch {
	s := &stopwatch{}
	runtime.GC()
	runtime.ReadMemStats(&s.memory)
	s.cpu, s.begun = processTime(), time.Now()
	return s
}

func (s *stopwatch) end(latencies [][]time.Duration) Figures {
	took, cpu := time.Since(s.begun), processTime()-s.cpu
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	all := slices.Concat(latencies...)
	slices.Sort(all)
	f := Figures{Settlements: len(all), Seconds: took.Seconds(), PerSecond: float64(len(all)) / took.Seconds(), Clients: len(latencies)}
	if n := len(all); n > 0 {
		f.P50, f.P99, f.P999 = all[n/2], all[n*99/100], all[n*999/1000]
		f.CPUPer = cpu / time.Duration(n)
		f.AllocsPer = float64(after.Mallocs-s.memory.Mallocs) / float64(n)
		f.BytesPer = float64(after.TotalAlloc-s.memory.TotalAlloc) / float64(n)
	}
	return f
}

// Store measures the store alone: visits with their fees are written first,
// then settled from all clients, each settlement a transaction of its own with
// its lines, sums, postings, audit record and remembered reply.
func Store(ctx context.Context, s *server.Server, o Options) (Figures, error) {
	w, err := open(ctx, s, o)
	if err != nil {
		return Figures{}, err
	}
	each := max(50, int(o.Duration.Seconds()*1500)/o.Clients*4)
	ready := make([][]settlement.SettleRequest, o.Clients)
	if err := w.prepare(ctx, ready, each); err != nil {
		return Figures{}, err
	}
	latencies := make([][]time.Duration, o.Clients)
	var total, fund atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, o.Clients)
	watch := begin()
	until := watch.begun.Add(o.Duration)
	settling := db.Concurrent(ctx)
	reply := make([]byte, 1100) // about what the interface remembers, packed and sealed
	for i := range reply {
		reply[i] = byte(rand.Uint32())
	}
	digest := make([]byte, 32)
	for c := range o.Clients {
		wg.Go(func() {
			for _, q := range ready[c] {
				from := time.Now()
				if from.After(until) {
					return
				}
				var st *settlement.Settlement
				err := s.DB.Update(settling, func(tx *db.Tx) (err error) {
					if st, err = s.Settlement.Settle(ctx, tx, q); err != nil {
						return err
					}
					return tx.Remember(ctx, "bench", q.Visit, digest, reply)
				})
				if err != nil {
					errs <- err
					return
				}
				latencies[c] = append(latencies[c], time.Since(from))
				total.Add(int64(st.Result.Total))
				fund.Add(int64(st.Result.FundTotal))
			}
			errs <- fmt.Errorf("client %d ran out of visits: the store is faster than was thought", c)
		})
	}
	wg.Wait()
	f := watch.end(latencies)
	f.Total, f.Fund = money.Fen(total.Load()), money.Fen(fund.Load())
	select {
	case err := <-errs:
		return f, err
	default:
	}
	return f, w.conserved(ctx, f)
}

// prepare writes visits with fees, each for each client.
func (w *world) prepare(ctx context.Context, ready [][]settlement.SettleRequest, each int) error {
	var wg sync.WaitGroup
	errs := make(chan error, len(ready))
	now := time.Now()
	for c := range ready {
		wg.Go(func() {
			p := w.planner(c)
			for len(ready[c]) < each {
				v := p.next()
				var q settlement.SettleRequest
				err := w.DB.Update(ctx, func(tx *db.Tx) error {
					visit, err := w.Settlement.Open(ctx, tx, settlement.OpenRequest{Person: v.person.id, Provider: v.provider, Scheme: v.person.scheme, Kind: v.openAs(), Begun: now, Actor: "bench"})
					if err != nil {
						return err
					}
					fees := make([]settlement.Fee, len(v.lines))
					for i, l := range v.lines {
						fees[i] = settlement.Fee{Serial: fmt.Sprint(i + 1), Batch: "1", Item: l.item, ProviderItem: l.item, Time: now, Quantity: catalogue.Quantity(10_000), Price: int64(l.amount) * 10_000, Amount: l.amount}
					}
					if _, err := w.Settlement.AddFees(ctx, tx, visit.ID, v.provider, fees, "bench"); err != nil {
						return err
					}
					q = settlement.SettleRequest{Visit: visit.ID, Person: v.person.id, Provider: v.provider, Total: v.total, UseAccount: settlement.OwnAccount, Actor: "bench"}
					return nil
				})
				ready[c] = append(ready[c], q)
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

// openAs is the kind a visit is opened as. Stays are settled one at a time by a
// provider, so that visits prepared beforehand are none.
func (v *plan) openAs() policy.VisitKind {
	if v.Kind == policy.Inpatient {
		return policy.Outpatient
	}
	return v.Kind
}

// sums is what the settlements of a store come to.
type sums struct {
	settlements int
	total, fund money.Fen
}

func held(ctx context.Context, d *db.DB) (h sums, err error) {
	err = d.View(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*), COALESCE(SUM(total), 0), COALESCE(SUM(fund), 0) FROM settlement`).Scan(&h.settlements, &h.total, &h.fund)
	})
	return h, err
}

// conserved proves that no money was lost or made: the store holds what the
// clients were told beside what it held before, and, if that was not made up,
// all its records agree.
func (w *world) conserved(ctx context.Context, f Figures) error {
	now, err := held(ctx, w.DB)
	if err != nil {
		return err
	}
	made := sums{now.settlements - w.before.settlements, now.total - w.before.total, now.fund - w.before.fund}
	if told := (sums{f.Settlements, f.Total, f.Fund}); made != told {
		return fmt.Errorf("the store made %d settlements of %s, of which funds pay %s; the clients were told of %d, %s and %s",
			made.settlements, made.total, made.fund, told.settlements, told.total, told.fund)
	}
	if w.options.History > 0 {
		return nil
	}
	return w.DB.View(ctx, func(tx *db.Tx) error { return w.Settlement.Verify(ctx, tx) })
}
