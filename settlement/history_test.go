package settlement_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

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

var (
	operations = flag.Int("operations", 3000, "how many operations TestHistories does in all")
	seed       = flag.Uint64("seed", 20250601, "where TestHistories begins")
)

// packagesWith are the shipped packages with a text of one region's file
// replaced.
func packagesWith(t testing.TB, region, old, new string) *policy.Store {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(policies.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(policies.FS, name)
		if strings.Contains(name, region+"/") && strings.Contains(string(data), old) {
			data = []byte(strings.Replace(string(data), old, new, 1))
			old = ""
		}
		files[name] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil || old != "" {
		t.Fatalf("%q was not replaced: %v", old, err)
	}
	store, err := policy.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// worldOf is a world of the fixed people under the packages of a store.
func worldOf(t *testing.T, store *policy.Store) *world {
	t.Helper()
	sealer, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		t.Fatal(err)
	}
	d, register, ctx := dbtest.Open(t), enrolment.New(sealer), context.Background()
	if _, err := demo.Seed(ctx, d, register, demo.Options{Today: today}); err != nil {
		t.Fatal(err)
	}
	return &world{t, ctx, d, register, settlement.New(store, register, func() time.Time { return noon })}
}

// TestHistories does random things to visits of several people, one after the
// other, and compares the store with the model after each.
func TestHistories(t *testing.T) {
	const length = 150
	shipped, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	replaying := packagesWith(t, "990100", "later: refuse", "later: replay")
	counts := map[string]int{}
	for n := 0; n*length < *operations; n++ {
		store, replays := shipped, map[string]bool{"990200": true}
		if n%2 == 1 {
			store, replays = replaying, map[string]bool{"990100": true, "990200": true}
		}
		t.Run(fmt.Sprint(*seed+uint64(n)), func(t *testing.T) {
			h := newHistory(t, worldOf(t, store), rand.New(rand.NewPCG(*seed+uint64(n), 8)), replays, counts)
			for i := range length {
				what := h.step()
				if t.Failed() {
					t.Fatalf("operation %d of -seed %d: %s", i, *seed+uint64(n), what)
				}
				h.compare(what)
				if i%15 == 0 || i == length-1 {
					h.verify()
				}
			}
		})
	}
	t.Logf("%v", counts)
	for _, what := range []string{"open", "fees", "take back", "settle", "settle a part", "reverse", "reverse with later unchanged",
		"refused: changes later", "replayed", "refused: a later part", "withdraw", "cancel"} {
		if counts[what] == 0 && *operations >= 3000 {
			t.Errorf("no history had: %s (%v)", what, counts)
		}
	}
}

type history struct {
	*world
	r       *rand.Rand
	replays map[string]bool
	counts  map[string]int
	people  []*patient
	visits  []*visited
	start   map[string]money.Fen // the ledger before
}

func newHistory(t *testing.T, w *world, r *rand.Rand, replays map[string]bool, counts map[string]int) *history {
	h := &history{world: w, r: r, replays: replays, counts: counts}
	h.people = []*patient{
		{certno: "990100198503120014", region: "990100"},
		{certno: demo.LiJi, region: "990100", retired: true},
		{certno: "990100199001010119", region: "990100", scheme: policy.Resident},
		{certno: demo.Guo, region: "990200"},
	}
	for _, p := range h.people {
		p.id = w.person(p.certno).ID
		p.account = w.balance(fund.PersonAccount(p.id))
	}
	h.start = h.ledger()
	for _, p := range h.people {
		delete(h.start, fund.PersonAccount(p.id))
	}
	return h
}

func (h *history) ledger() map[string]money.Fen {
	out := map[string]money.Fen{}
	h.must(h.db.View(h.ctx, func(tx *db.Tx) error {
		clear(out)
		return tx.Each(h.ctx, func(rows *db.Rows) error {
			var account string
			var amount money.Fen
			err := rows.Scan(&account, &amount)
			out[account] = amount
			return err
		}, `SELECT account, SUM(amount) FROM posting GROUP BY account HAVING SUM(amount) <> 0`)
	}))
	return out
}

// compare compares the store with the model.
func (h *history) compare(what string) {
	h.Helper()
	ledger, sums := books(h.people)
	for account, amount := range h.start {
		ledger[account] += amount
	}
	maps.DeleteFunc(ledger, func(_ string, a money.Fen) bool { return a == 0 })
	maps.DeleteFunc(sums, func(_ string, a money.Fen) bool { return a == 0 })
	got := h.ledger()
	if !maps.Equal(got, ledger) {
		h.Fatalf("after %s: the ledger is %v, want %v", what, got, ledger)
	}
	var total money.Fen
	for _, a := range got {
		total += a
	}
	if total != 0 {
		h.Fatalf("after %s: the ledger sums to %s", what, total)
	}
	gotSums := map[string]money.Fen{}
	h.must(h.db.View(h.ctx, func(tx *db.Tx) error {
		clear(gotSums)
		return tx.Each(h.ctx, func(rows *db.Rows) error {
			var person, stored string
			if err := rows.Scan(&person, &stored); err != nil {
				return err
			}
			var all map[string]int64
			err := json.Unmarshal([]byte(stored), &all)
			for name, amount := range all {
				if amount != 0 {
					gotSums[person+" "+name] += money.Fen(amount)
				}
			}
			return err
		}, `SELECT person, amounts FROM year_sum`)
	}))
	if !maps.Equal(gotSums, sums) {
		h.Fatalf("after %s: the sums of the year are %v, want %v", what, gotSums, sums)
	}
}

// expect checks that an operation was done or refused as the model says.
func (h *history) expect(what string, err error, refusal string) bool {
	h.Helper()
	var e *settlement.Error
	switch {
	case refusal == "" && err != nil:
		h.Fatalf("%s: %v", what, err)
	case refusal != "" && (!errors.As(err, &e) || !strings.Contains(err.Error(), refusal)):
		h.Fatalf("%s: %v, want a refusal that says %q", what, err, refusal)
	}
	return refusal == ""
}

// step does one thing.
func (h *history) step() string {
	var open []*visited
	for _, v := range h.visits {
		if !v.closed {
			open = append(open, v)
		}
	}
	k := h.r.IntN(100)
	if len(open) == 0 || k < 14 {
		return h.open()
	}
	v := open[h.r.IntN(len(open))]
	switch {
	case k < 40:
		return h.charge(v)
	case k < 44:
		return h.takeBack(v)
	case k < 70:
		return h.settle(v)
	case k < 92:
		return h.reverse()
	case k < 96:
		return h.withdraw(v)
	}
	return h.cancel(v)
}

func (h *history) open() string {
	p := h.people[h.r.IntN(len(h.people))]
	v := &visited{patient: p, provider: "H99010000101", level: policy.Level3, stay: h.r.IntN(2) == 0}
	if h.r.IntN(2) == 0 {
		v.provider, v.level = "H99010000201", policy.Level2
	}
	if p.region == "990200" {
		v.provider, v.level, v.stay = "H99020000101", policy.Level2, true
	}
	refusal := ""
	for _, o := range h.visits {
		if v.stay && o.stay && !o.closed && o.patient == p && o.provider == v.provider {
			refusal = "不能重复入院"
		}
	}
	kind := policy.Outpatient
	if v.stay {
		kind = policy.Inpatient
	}
	err := h.update(func(tx *db.Tx) error {
		made, err := h.service.Open(h.ctx, tx, settlement.OpenRequest{Person: p.id, Provider: v.provider, Scheme: p.scheme, Kind: kind, Number: "1",
			Begun: time.Date(2025, 5, 1, 8, 0, 0, 0, china), Actor: "test"})
		v.id = made.ID
		return err
	})
	if h.expect("open", err, refusal) {
		h.visits = append(h.visits, v)
		h.counts["open"]++
	}
	return "open"
}

func (h *history) charge(v *visited) string {
	var fees []settlement.Fee
	var added []*charged
	for range 1 + h.r.IntN(3) {
		v.serial++
		c := &charged{serials: []string{fmt.Sprint(v.serial)}, amount: money.Fen(1000 + h.r.IntN(150_000)), own: h.r.IntN(5) == 0, day: 1 + h.r.IntN(31)}
		if v.patient.region == "990200" {
			c.amount *= 20
		}
		item := "SVC990000001"
		if c.own {
			item = "DRG990000003"
		}
		fees = append(fees, settlement.Fee{Serial: c.serials[0], Batch: "B", Item: item, Time: time.Date(2025, 5, c.day, 9, 0, 0, 0, china),
			Quantity: 10_000, Price: int64(c.amount) * 10_000, Amount: c.amount})
		added = append(added, c)
	}
	err := h.update(func(tx *db.Tx) error {
		_, err := h.service.AddFees(h.ctx, tx, v.id, v.provider, fees, "test")
		return err
	})
	h.expect("fees", err, "")
	v.fees = append(v.fees, added...)
	h.counts["fees"]++
	return "fees"
}

func (v *visited) unsettled() (out []*charged) {
	for _, c := range v.fees {
		if c.settled == nil {
			out = append(out, c)
		}
	}
	return out
}

// takeBack takes a fee line back by one of negative quantity.
func (h *history) takeBack(v *visited) string {
	all := v.unsettled()
	all = slices.DeleteFunc(all, func(c *charged) bool { return c.taken })
	if len(all) == 0 {
		return "nothing"
	}
	c := all[h.r.IntN(len(all))]
	v.serial++
	item := "SVC990000001"
	if c.own {
		item = "DRG990000003"
	}
	f := settlement.Fee{Serial: fmt.Sprint(v.serial), Original: c.serials[0], Batch: "C", Item: item, Time: time.Date(2025, 5, c.day, 10, 0, 0, 0, china),
		Quantity: -10_000, Price: int64(c.amount) * 10_000, Amount: -c.amount}
	err := h.update(func(tx *db.Tx) error {
		_, err := h.service.AddFees(h.ctx, tx, v.id, v.provider, []settlement.Fee{f}, "test")
		return err
	})
	h.expect("take back", err, "")
	c.serials, c.taken = append(c.serials, f.Serial), true
	h.counts["take back"]++
	return "take back"
}

func (h *history) settle(v *visited) string {
	p := v.patient
	s := &settled{visit: v, useAccount: h.r.IntN(3) > 0, held: p.account}
	q := settlement.SettleRequest{Visit: v.id, Person: p.id, Provider: v.provider, Actor: "test"}
	if s.useAccount {
		q.UseAccount = settlement.OwnAccount
	}
	last := 31
	if q.MidStay = v.stay && h.r.IntN(3) == 0; q.MidStay {
		last = 1 + h.r.IntN(31)
		q.Discharged = today.AddDays(last - 32)
	}
	var marked []*charged
	refusal := "没有未结算的费用明细"
	for _, c := range v.unsettled() {
		if c.day > last {
			continue
		}
		marked = append(marked, c)
		if c.taken {
			continue
		}
		refusal = ""
		q.Total += c.amount
		if c.own {
			s.own += c.amount
		} else {
			s.scope += c.amount
		}
	}
	var st *settlement.Settlement
	err := h.update(func(tx *db.Tx) (err error) {
		st, err = h.service.Settle(h.ctx, tx, q)
		return err
	})
	if !h.expect("settle", err, refusal) {
		return "settle"
	}
	all := append(slices.Clone(p.standing), s)
	s.outcome = p.outcomes(h, all)[len(all)-1]
	s.id = st.ID
	h.agrees(s, &st.Result)
	p.account -= s.account
	p.standing = all
	for _, c := range marked {
		c.settled = s
	}
	v.closed = v.stay && !q.MidStay
	if q.MidStay {
		h.counts["settle a part"]++
	} else {
		h.counts["settle"]++
	}
	return "settle " + s.id
}

// agrees compares a settlement with the model's.
func (h *history) agrees(s *settled, r *policy.Result) {
	h.Helper()
	if r.Refused || r.Deductible != s.deductible || r.Fund[policy.Basic] != s.basic || r.Fund[policy.Catastrophic] != s.large || r.Account != s.account ||
		r.Person != s.person(s.outcome) || r.Total != s.scope+s.own {
		h.Fatalf("settlement %s: deductible %s, basic %s, catastrophic %s, account %s, person %s; the model says %+v", s.id,
			r.Deductible, r.Fund[policy.Basic], r.Fund[policy.Catastrophic], r.Account, r.Person, s.outcome)
	}
}

func (h *history) reverse() string {
	var all []*settled
	for _, p := range h.people {
		all = append(all, p.standing...)
	}
	if len(all) == 0 {
		return "nothing"
	}
	s := all[h.r.IntN(len(all))]
	p := s.visit.patient
	at := slices.Index(p.standing, s)
	rest := slices.Delete(slices.Clone(p.standing), at, at+1)
	after := p.outcomes(h, rest)
	refusal, changed := "", 0
	for i := at; i < len(rest); i++ {
		if after[i] != rest[i].outcome {
			changed++
		}
	}
	if changed > 0 && !h.replays[p.region] {
		refusal = "会改变其后"
	}
	for _, later := range rest[at:] {
		if s.visit.stay && later.visit == s.visit {
			refusal = "这次住院其后还有结算"
		}
	}
	var done *settlement.Reversal
	err := h.update(func(tx *db.Tx) (err error) {
		done, err = h.service.Reverse(h.ctx, tx, settlement.ReverseRequest{Settlement: s.id, Visit: s.visit.id, Person: p.id, Provider: s.visit.provider, Actor: "test"})
		return err
	})
	if !h.expect("reverse", err, refusal) {
		h.counts[map[bool]string{true: "refused: changes later", false: "refused: a later part"}[refusal == "会改变其后"]]++
		return "reverse " + s.id
	}
	back := *s
	back.id, back.scope, back.own = done.Settlement.ID, -s.scope, -s.own
	back.outcome = outcome{deductible: -s.deductible, basic: -s.basic, large: -s.large, account: -s.account}
	h.agrees(&back, &done.Settlement.Result)
	p.account += s.account
	p.standing = rest
	for _, c := range s.visit.fees {
		if c.settled == s {
			c.settled = nil
		}
	}
	s.visit.closed = false
	if len(done.Adjusted) != changed {
		h.Fatalf("%d settlements were made again, want %d", len(done.Adjusted), changed)
	}
	for i := at; i < len(rest); i++ {
		x := rest[i]
		if after[i] == x.outcome {
			continue
		}
		next := done.Adjusted[0]
		done.Adjusted = done.Adjusted[1:]
		if next.Old.ID != x.id {
			h.Fatalf("%s was made again, want %s", next.Old.ID, x.id)
		}
		p.account += x.account
		x.held = min(x.held, p.account)
		x.outcome = p.outcomes(h, rest)[i]
		p.account -= x.account
		x.id = next.New.ID
		h.agrees(x, &next.New.Result)
	}
	switch {
	case changed > 0:
		h.counts["replayed"]++
	case at < len(rest):
		h.counts["reverse with later unchanged"]++
	default:
		h.counts["reverse"]++
	}
	return "reverse " + s.id
}

func (h *history) withdraw(v *visited) string {
	q := settlement.WithdrawRequest{Visit: v.id, Person: v.patient.id, Provider: v.provider, Actor: "test"}
	all := v.unsettled()
	gone := all
	refusal := ""
	if len(all) == 0 {
		refusal = "没有未结算的费用明细"
	} else if h.r.IntN(3) > 0 {
		c := all[h.r.IntN(len(all))]
		gone, q.Serials = []*charged{c}, c.serials
	}
	var n int
	err := h.update(func(tx *db.Tx) (err error) {
		n, err = h.service.WithdrawFees(h.ctx, tx, q)
		return err
	})
	if !h.expect("withdraw", err, refusal) {
		return "withdraw"
	}
	want := 0
	for _, c := range gone {
		want += len(c.serials)
	}
	if n != want {
		h.Fatalf("%d lines were withdrawn, want %d", n, want)
	}
	v.fees = slices.DeleteFunc(v.fees, func(c *charged) bool { return slices.Contains(gone, c) })
	h.counts["withdraw"]++
	return "withdraw"
}

func (h *history) cancel(v *visited) string {
	refusal := ""
	for _, c := range v.fees {
		refusal = "条费用明细"
		if c.settled != nil {
			refusal = "请先撤销结算"
			break
		}
	}
	err := h.update(func(tx *db.Tx) error {
		return h.service.Cancel(h.ctx, tx, settlement.CancelRequest{Visit: v.id, Person: v.patient.id, Provider: v.provider, Actor: "test"})
	})
	if h.expect("cancel", err, refusal) {
		v.closed = true
		h.counts["cancel"]++
	}
	return "cancel"
}
