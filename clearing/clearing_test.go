package clearing_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/clearing"
	"github.com/anji-platform/anji/db"
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
	d, err := db.Open(ctx, filepath.Join(t.TempDir(), "anji.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
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
	r := &st.Result
	m := made{clearing.Line{Settlement: st.ID, Visit: v.ID, Person: p.ID, Total: r.Total, Fund: r.FundTotal, Account: r.Account},
		w.now, provider, st.Provider.Region, p.Region, st.Case.Scheme, st.Case.Visit, r.Cash, r.InScope, false}
	w.made = append(w.made, m)
	return m
}

// reverse writes the reversal of a settlement as the settlement room does: a
// settlement of its own with every amount negative.
func (w *world) reverse(tx *db.Tx, i int) made {
	w.Helper()
	m := w.made[i]
	w.made[i].reversed = true
	id, of := m.Settlement+"R", m.Settlement
	var stored string
	w.must(tx.QueryRow(w.ctx, `SELECT result FROM settlement WHERE id = ?`, of).Scan(&stored))
	var answer map[string]any
	w.must(json.Unmarshal([]byte(stored), &answer))
	answer["in_scope"] = (-m.inScope).String()
	result, err := json.Marshal(answer)
	w.must(err)
	w.must(tx.Exec(w.ctx, `INSERT INTO settlement (id, visit, person, provider, n, at, region, scheme, kind, day, year_start, package, refused, total, fund, account, cash, invoice, kase, result)
		SELECT ?, visit, person, provider, (SELECT MAX(n) + 1 FROM settlement), ?, region, scheme, kind, day, year_start, package, refused, -total, -fund, -account, -cash, invoice, kase, ?
		FROM settlement WHERE id = ?`, id, w.now.Format(time.RFC3339Nano), string(result), of))
	w.must(tx.Exec(w.ctx, `INSERT INTO settlement_stage (settlement, n, stage, title, fund, fund_title, category, code, base, deductible, payable, paid)
		SELECT ?, n, stage, title, fund, fund_title, category, code, -base, -deductible, -payable, -paid FROM settlement_stage WHERE settlement = ?`, id, of))
	var back []fund.Posting
	w.must(tx.Each(w.ctx, func(rows *db.Rows) error {
		var p fund.Posting
		err := rows.Scan(&p.Account, &p.Amount)
		p.Amount = -p.Amount
		back = append(back, p)
		return err
	}, `SELECT p.account, p.amount FROM posting p JOIN entry e ON e.id = p.entry WHERE e.ref = ? ORDER BY p.n`, of))
	w.must(fund.Post(w.ctx, tx, fund.Entry{At: w.now, Kind: "settlement", Ref: id, Postings: back}))
	m.Settlement, m.Reversal, m.at = id, true, w.now
	m.Total, m.Fund, m.Account, m.cash, m.inScope = -m.Total, -m.Fund, -m.Account, -m.cash, -m.inScope
	w.made = append(w.made, m)
	return m
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

func TestMonth(t *testing.T) {
	for text, want := range map[string]clearing.Period{
		"2026-11": {From: 20261101, To: 20261130}, "2024-02": {From: 20240201, To: 20240229}, "2025-12": {From: 20251201, To: 20251231},
	} {
		m, err := clearing.ParseMonth(text)
		if err != nil || m.Period() != want || m.String() != text {
			t.Errorf("%s: %s is %v, %v", text, m, m.Period(), err)
		}
	}
	for _, bad := range []string{"", "2026-13", "2026-1", "202611", "2026-11-01", "2026-00"} {
		if _, err := clearing.ParseMonth(bad); err == nil {
			t.Errorf("%q is a month", bad)
		}
	}
	last := time.Date(2025, 6, 30, 23, 59, 59, 0, china)
	if clearing.Month(202506).Over(last) || !clearing.Month(202506).Over(last.Add(time.Second).UTC()) {
		t.Error("a month is over with its last second in China")
	}
}

// TestSum counts by the time of settlement in China, to the second, by scheme,
// kind and side, whatever zone the clock is in.
func TestSum(t *testing.T) {
	w := open(t)
	at := func(s string) time.Time {
		at, err := time.ParseInLocation(time.DateTime, s, china)
		w.must(err)
		return at
	}
	w.update(func(tx *db.Tx) error {
		for i, s := range []string{"2025-05-31 23:59:59", "2025-06-01 00:00:00", "2025-06-30 23:59:59", "2025-07-01 00:00:00"} {
			if w.now = at(s); i%2 == 1 {
				w.now = w.now.UTC()
			}
			w.settle(tx, 1, city, policy.Outpatient, int64(1000+i))
		}
		w.now = at("2025-06-15 08:00:00").Add(time.Millisecond)
		w.settle(tx, 2, city, policy.Inpatient, 5000)
		w.settle(tx, 1, away, policy.Outpatient, 700)
		w.now = w.now.Add(time.Hour)
		w.reverse(tx, 1)
		return nil
	})
	june := clearing.Period{From: 20250601, To: 20250630}
	for _, x := range []struct {
		name  string
		scope clearing.Scope
		rows  []int // of w.made
	}{
		{"all", clearing.Scope{Provider: city, Period: june}, []int{1, 2, 4, 6}},
		{"employees", clearing.Scope{Provider: city, Period: june, Schemes: []policy.Scheme{policy.Employee}}, []int{1, 2, 6}},
		{"stays", clearing.Scope{Provider: city, Period: june, Kinds: []policy.VisitKind{policy.Inpatient, policy.DaySurgery}}, []int{4}},
		{"settlements", clearing.Scope{Provider: city, Period: june, Side: clearing.Settlements}, []int{1, 2, 4}},
		{"reversals", clearing.Scope{Provider: city, Period: june, Side: clearing.Reversals}, []int{6}},
		{"one day", clearing.Scope{Provider: city, Period: clearing.Period{From: 20250630, To: 20250630}}, []int{2}},
		{"elsewhere", clearing.Scope{Provider: away, Period: june}, []int{5}},
		{"nothing", clearing.Scope{Provider: county, Period: june}, nil},
	} {
		var got clearing.Totals
		w.view(func(tx *db.Tx) (err error) {
			got, err = clearing.Sum(w.ctx, tx, x.scope)
			return err
		})
		var want clearing.Totals
		for _, i := range x.rows {
			want.Add(w.made[i].totals())
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", x.name, got, want)
		}
	}
}

func (m *made) totals() clearing.Totals {
	t := clearing.Totals{Count: 1, Visits: 1, Total: m.Total, InScope: m.inScope, Fund: m.Fund, Account: m.Account, Cash: m.cash}
	if m.Reversal {
		t.Visits = -1
	}
	return t
}

func TestGaps(t *testing.T) {
	ours := clearing.Totals{Count: 2, Visits: 1, Total: 10000, Fund: 6000, Account: 1000, Cash: 3000, InScope: 9000}
	if gaps := ours.Gaps(clearing.Amount{Figure: clearing.Count, Value: 2}, clearing.Amount{Figure: clearing.Total, Value: 10000}, clearing.Amount{Figure: clearing.Visits, Value: 1},
		clearing.Amount{Figure: clearing.InScope, Value: 9000}, clearing.Amount{Figure: clearing.Fund, Value: 6000}, clearing.Amount{Figure: clearing.Account, Value: 1000}, clearing.Amount{Figure: clearing.Cash, Value: 3000}); gaps != nil {
		t.Errorf("equal figures differ: %v", gaps)
	}
	err := &clearing.Disagreement{Gaps: ours.Gaps(clearing.Amount{Figure: clearing.Count, Value: 3}, clearing.Amount{Figure: clearing.Fund, Value: 5990})}
	if want := "结算笔数：机构 3，经办 2，差 1；基金支付总额：机构 59.90，经办 60.00，差 -0.10"; err.Error() != want {
		t.Errorf("%s, want %s", err, want)
	}
}

// TestPlantedDifferences writes the provider's own list of many settlements,
// plants differences of every kind in it, and wants each found and named, and
// nothing else.
func TestPlantedDifferences(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { planted(t, rand.New(rand.NewPCG(seed, 3202))) })
	}
}

func planted(t *testing.T, r *rand.Rand) {
	w := open(t)
	w.now = time.Date(2025, 6, 10, 8, 0, 0, 0, china)
	w.update(func(tx *db.Tx) error {
		for range 90 {
			w.now = w.now.Add(time.Duration(r.IntN(8)) * time.Hour)
			w.random(tx, r)
			if i := r.IntN(len(w.made)); r.IntN(8) == 0 && !w.made[i].Reversal && !w.made[i].reversed {
				w.reverse(tx, i)
			}
		}
		return nil
	})
	scope := clearing.Scope{Provider: city, Period: clearing.Period{From: 20250612, To: 20250620}, Kinds: []policy.VisitKind{policy.Outpatient, policy.Inpatient}}
	in := func(m *made) bool {
		day := civil.Of(m.at)
		return m.provider == scope.Provider && scope.From <= day && day <= scope.To && slices.Contains(scope.Kinds, m.kind)
	}
	var lines []clearing.Line
	var want [][]clearing.Difference // of lines
	var missing []string
	say := func(l clearing.Line, ds ...clearing.Difference) {
		lines, want = append(lines, l), append(want, ds)
	}
	one := func(k clearing.DifferenceKind) clearing.Difference { return clearing.Difference{Kind: k} }
	tried := map[clearing.DifferenceKind]bool{}
	for i := range w.made {
		m := &w.made[i]
		l := m.Line
		if !in(m) {
			if r.IntN(3) > 0 {
				continue
			}
			switch {
			case m.provider != scope.Provider:
				say(l, one(clearing.OtherProvider))
			case !(scope.From <= civil.Of(m.at) && civil.Of(m.at) <= scope.To):
				say(l, clearing.Difference{Kind: clearing.OtherPeriod, At: m.at})
			default:
				say(l, one(clearing.OtherKind))
			}
			continue
		}
		switch r.IntN(12) {
		case 0:
			kind := clearing.NotThere
			if m.Reversal {
				kind = clearing.ReversedHere
			}
			tried[kind] = true
			missing = append(missing, fmt.Sprint(m.Settlement, kind))
		case 1:
			l.Total += money.Fen(1 + r.IntN(100))
			say(l, clearing.Difference{Kind: clearing.OtherAmount, Gap: clearing.Gap{Figure: clearing.Total, Stated: int64(l.Total), Ledger: int64(m.Total)}})
		case 2:
			l.Fund++
			l.Account--
			say(l, clearing.Difference{Kind: clearing.OtherAmount, Gap: clearing.Gap{Figure: clearing.Fund, Stated: int64(l.Fund), Ledger: int64(m.Fund)}},
				clearing.Difference{Kind: clearing.OtherAmount, Gap: clearing.Gap{Figure: clearing.Account, Stated: int64(l.Account), Ledger: int64(m.Account)}})
		case 3:
			l.Visit += "x"
			say(l, one(clearing.OtherVisit))
		case 4:
			l.Person += "x"
			l.Reversal = !l.Reversal
			say(l, one(clearing.OtherPerson), one(clearing.OtherMark))
		case 5:
			l.Visit, l.Person, l.Unmarked, l.Reversal = "", "", true, false
			say(l)
		default:
			say(l)
		}
	}
	// Lines of nothing, reversals of nothing, and repetitions.
	say(clearing.Line{Settlement: "S-none", Total: 100}, one(clearing.NotHere))
	say(clearing.Line{Settlement: "S-none-back", Total: -100, Unmarked: true}, one(clearing.NotReversedHere))
	say(clearing.Line{Settlement: "S-none-marked", Reversal: true}, one(clearing.NotReversedHere))
	r.Shuffle(len(lines), func(i, j int) {
		lines[i], lines[j] = lines[j], lines[i]
		want[i], want[j] = want[j], want[i]
	})
	for range 3 {
		row := r.IntN(len(lines))
		for want[row] != nil && want[row][0].Kind == clearing.Duplicate {
			row--
		}
		l := lines[row]
		l.Total++ // a repetition is named so, and not compared
		say(l, clearing.Difference{Kind: clearing.Duplicate, Row: row + 1})
	}
	var found []clearing.Finding
	w.view(func(tx *db.Tx) (err error) {
		found, err = clearing.Reconcile(w.ctx, tx, scope, lines)
		return err
	})
	for i, ds := range want {
		f := found[i]
		if f.Line != lines[i] || f.Row != i+1 {
			t.Fatalf("finding %d is of row %d, %+v", i, f.Row, f.Line)
		}
		if !slices.EqualFunc(f.Differences, ds, func(a, b clearing.Difference) bool {
			return a.Kind == b.Kind && a.Gap == b.Gap && a.Row == b.Row && a.At.Equal(b.At)
		}) {
			t.Errorf("row %d %+v: %s, planted %+v", i+1, f.Line, f.Words(), ds)
		}
		for _, d := range ds {
			tried[d.Kind] = true
			if !strings.Contains(f.Words(), d.String()) || d.String() == "" {
				t.Errorf("row %d: %q does not say %q", i+1, f.Words(), d)
			}
		}
	}
	var left []string
	for _, f := range found[len(want):] {
		if f.Row != 0 || len(f.Differences) != 1 {
			t.Errorf("a settlement that is not stated: %+v", f)
		}
		left = append(left, fmt.Sprint(f.Settlement, f.Differences[0].Kind))
	}
	if !slices.Equal(left, missing) {
		t.Errorf("not stated are %v, left out were %v", left, missing)
	}
	if len(tried) < 8 {
		t.Errorf("only %d kinds of differences were planted", len(tried))
	}
}

func names(err error) string {
	var e *settlement.Error
	if errors.As(err, &e) {
		return e.Field
	}
	return fmt.Sprint(err)
}

// TestApplication follows one application through its states.
func TestApplication(t *testing.T) {
	w := open(t)
	june := clearing.Month(202506)
	w.update(func(tx *db.Tx) error {
		w.now = w.now.Add(24 * time.Hour)
		w.settle(tx, 1, city, policy.Outpatient, 1000)
		w.settle(tx, 2, city, policy.Inpatient, 9000)
		w.settle(tx, 5, city, policy.Inpatient, 8000) // insured in 990200
		return nil
	})
	stays, visits := []policy.VisitKind{policy.Inpatient}, []policy.VisitKind{policy.Outpatient}
	total := int64(w.made[1].Total + w.made[2].Total)
	apply := func(kinds []policy.VisitKind, month clearing.Month, at time.Time, stated ...clearing.Amount) (a *clearing.Application, err error) {
		err = w.db.Update(w.ctx, func(tx *db.Tx) (err error) {
			a, err = clearing.Apply(w.ctx, tx, clearing.ApplyRequest{Provider: city, Month: month, Kinds: kinds, Stated: stated, At: at, Actor: "hospital"})
			return err
		})
		return a, err
	}
	july := time.Date(2025, 7, 1, 0, 0, 0, 0, china)
	if _, err := apply(stays, june, july.Add(-time.Second)); names(err) != "month" {
		t.Errorf("before the month is over: %v", err)
	}
	var gaps *clearing.Disagreement
	if _, err := apply(stays, june, july, clearing.Amount{Figure: clearing.Visits, Value: 2}, clearing.Amount{Figure: clearing.Total, Value: total + 1}); !errors.As(err, &gaps) ||
		!reflect.DeepEqual(gaps.Gaps, []clearing.Gap{{Figure: clearing.Total, Stated: total + 1, Ledger: total}}) {
		t.Errorf("another total: %v", err)
	}
	if _, err := apply([]policy.VisitKind{policy.Maternity}, june, july); names(err) != "month" {
		t.Errorf("a month without such settlements: %v", err)
	}
	a, err := apply(stays, june, july, clearing.Amount{Figure: clearing.Total, Value: total})
	w.must(err)
	if len(a.Parts) != 2 || a.Parts[0].Region != "990100" || a.Parts[1].Region != "990200" || a.Total.Due() != w.made[1].Fund+w.made[2].Fund+w.made[1].Account+w.made[2].Account {
		t.Errorf("filed: %+v", a)
	}
	if _, err := apply(stays, june, july); names(err) != "kinds" || !strings.Contains(err.Error(), a.ID) {
		t.Errorf("twice: %v", err)
	}
	if _, err := apply(visits, june, july); err != nil {
		t.Errorf("another kind: %v", err)
	}
	do := func(f func(context.Context, *db.Tx, string, clearing.Act) (*clearing.Application, error), id, by string) error {
		return w.db.Update(w.ctx, func(tx *db.Tx) error { _, err := f(w.ctx, tx, id, clearing.Act{At: july, By: by}); return err })
	}
	withdraw := func(reason string) func(context.Context, *db.Tx, string, clearing.Act) (*clearing.Application, error) {
		return func(ctx context.Context, tx *db.Tx, id string, act clearing.Act) (*clearing.Application, error) {
			return clearing.Withdraw(ctx, tx, id, reason, act)
		}
	}
	owed := w.balance(fund.Payable(city))
	for _, x := range []struct {
		name string
		err  error
		want string
	}{
		{"paid before it is approved", do(clearing.Pay, a.ID, "b"), "clearing"},
		{"unknown", do(clearing.Approve, "C0", "a"), "clearing"},
		{"by nobody", do(clearing.Approve, a.ID, ""), "actor"},
		{"without a reason", do(withdraw(" "), a.ID, "a"), "reason"},
		{"withdrawn", do(withdraw("材料不全"), a.ID, "a"), "<nil>"},
		{"withdrawn twice", do(withdraw("材料不全"), a.ID, "a"), "clearing"},
		{"approved when withdrawn", do(clearing.Approve, a.ID, "a"), "clearing"},
	} {
		if names(x.err) != x.want {
			t.Errorf("%s: %v", x.name, x.err)
		}
	}
	again, err := apply(stays, june, july)
	w.must(err)
	if again.ID == a.ID {
		t.Error("the new application has the id of the withdrawn one")
	}
	w.must(do(clearing.Approve, again.ID, "审核员"))
	if err := do(clearing.Pay, again.ID, "审核员"); names(err) != "actor" {
		t.Errorf("paid by who approved: %v", err)
	}
	if w.balance(fund.Payable(city)) != owed {
		t.Error("what is not paid moved what is owed")
	}
	w.must(do(clearing.Pay, again.ID, "出纳"))
	for name, err := range map[string]error{"twice": do(clearing.Pay, again.ID, "出纳"), "withdrawn": do(withdraw("x"), again.ID, "a")} {
		if names(err) != "clearing" {
			t.Errorf("paid, then %s: %v", name, err)
		}
	}
	due, abroad := again.Total.Due(), w.made[2].Fund+w.made[2].Account
	for account, want := range map[string]money.Fen{
		fund.Payable(city): owed - due, fund.Bank("990100"): due,
		fund.Receivable("990100", "990200"): -abroad, fund.Owed("990200", "990100"): abroad,
	} {
		if got := w.balance(account); got != want {
			t.Errorf("%s is %s, want %s", account, got, want)
		}
	}
	w.view(func(tx *db.Tx) error {
		s, err := clearing.MonthlySheet(w.ctx, tx, city, june)
		if err != nil {
			return err
		}
		var states []clearing.State
		for _, a := range s.Applications {
			states = append(states, a.State)
		}
		if !slices.Equal(states, []clearing.State{clearing.Withdrawn, clearing.Filed, clearing.Paid}) || s.Applications[0].Reason != "材料不全" ||
			s.Applications[2].Paid.By != "出纳" || !s.Applications[2].Paid.At.Equal(july) || !reflect.DeepEqual(s.Applications[2].Parts, again.Parts) {
			t.Errorf("applications: %+v", s.Applications)
		}
		if len(s.Parts) != 3 || s.Total.Count != 3 || s.Total.Total != w.made[0].Total+w.made[1].Total+w.made[2].Total {
			t.Errorf("sheet: %+v", s)
		}
		_, err = clearing.MonthlySheet(w.ctx, tx, "X", june)
		if names(err) != "provider" {
			t.Errorf("a sheet of nobody: %v", err)
		}
		return nil
	})
	w.sound()
}

// TestApprovalSeesChange makes a settlement in a month that was applied for,
// as an import could, and wants the approval refused.
func TestApprovalSeesChange(t *testing.T) {
	w := open(t)
	w.update(func(tx *db.Tx) error {
		w.settle(tx, 1, city, policy.Outpatient, 1000)
		a, err := clearing.Apply(w.ctx, tx, clearing.ApplyRequest{Provider: city, Month: 202506, Kinds: []policy.VisitKind{policy.Outpatient, policy.Emergency},
			At: w.now.AddDate(0, 1, 0), Actor: "hospital"})
		w.must(err)
		w.settle(tx, 2, city, policy.Emergency, 1000)
		if _, err := clearing.Approve(w.ctx, tx, a.ID, clearing.Act{At: w.now, By: "a"}); names(err) != "clearing" || !strings.Contains(err.Error(), "有变动") {
			t.Errorf("approved: %v", err)
		}
		return nil
	})
}

// TestPayFailsWhole makes every write of a payment fail in turn.
func TestPayFailsWhole(t *testing.T) {
	w := open(t)
	var id string
	w.update(func(tx *db.Tx) error {
		w.settle(tx, 5, city, policy.Inpatient, 8000)
		a, err := clearing.Apply(w.ctx, tx, clearing.ApplyRequest{Provider: city, Month: 202506, Kinds: []policy.VisitKind{policy.Inpatient}, At: w.now.AddDate(0, 1, 0), Actor: "hospital"})
		w.must(err)
		id = a.ID
		_, err = clearing.Approve(w.ctx, tx, id, clearing.Act{At: w.now, By: "a"})
		return err
	})
	owed := w.balance(fund.Payable(city))
	boom := errors.New("disk full")
	for n := 0; ; n++ {
		count := 0
		ctx := db.WithFailure(w.ctx, func(string) error {
			if count++; count > n {
				return boom
			}
			return nil
		})
		err := w.db.Update(ctx, func(tx *db.Tx) error {
			_, err := clearing.Pay(ctx, tx, id, clearing.Act{At: w.now, By: "b"})
			return err
		})
		if err == nil {
			if n < 8 {
				t.Errorf("only %d writes were tried", n)
			}
			break
		}
		if !errors.Is(err, boom) {
			t.Fatal(err)
		}
		if w.balance(fund.Payable(city)) != owed || w.balance(fund.Bank("990100")) != 0 {
			t.Fatalf("a failure at write %d leaves something", n)
		}
	}
	w.sound()
}

// sound proves the ledger and the audit record.
func (w *world) sound() {
	w.Helper()
	w.view(func(tx *db.Tx) error {
		var sum int64
		if err := tx.QueryRow(w.ctx, `SELECT SUM(balance) FROM account`).Scan(&sum); err != nil || sum != 0 {
			w.Errorf("the ledger sums to %s, %v", money.Fen(sum), err)
		}
		return errors.Join(fund.Verify(w.ctx, tx), audit.Verify(w.ctx, tx))
	})
}

// TestConservation plays random histories of settlements, reversals,
// applications, approvals, payments and withdrawals over months, and holds the
// ledger and the sheets against the test's own count.
func TestConservation(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { conserved(t, rand.New(rand.NewPCG(seed, 3203))) })
	}
}

type pair struct{ care, insured string }

func conserved(t *testing.T, r *rand.Rand) {
	w := open(t)
	paid := map[string]money.Fen{} // by provider
	bank := map[string]money.Fen{}
	claims := map[pair]money.Fen{}
	care := map[string]string{city: "990100", county: "990200", away: "500000"}
	live := map[string]clearing.State{}
	act := clearing.Act{By: "a"}
	payments := 0
	for range 150 {
		w.now = w.now.Add(time.Duration(1+r.IntN(60)) * time.Hour)
		act.At = w.now
		w.update(func(tx *db.Tx) error {
			switch r.IntN(8) {
			case 0, 1, 2:
				w.random(tx, r)
			case 3:
				if i := r.IntN(len(w.made) + 1); i < len(w.made) && !w.made[i].Reversal && !w.made[i].reversed {
					w.reverse(tx, i)
				}
			case 4:
				p := []string{city, county, away}[r.IntN(3)]
				m := clearing.MonthOf(civil.Of(w.now).AddMonths(-r.IntN(3)))
				var sheet *clearing.Sheet
				sheet, err := clearing.MonthlySheet(w.ctx, tx, p, m)
				w.must(err)
				kinds := []policy.VisitKind{[]policy.VisitKind{policy.Outpatient, policy.Emergency, policy.Inpatient}[r.IntN(3)]}
				var sum clearing.Totals
				for _, part := range sheet.Parts {
					if part.Kind == kinds[0] {
						sum.Add(part.Totals)
					}
				}
				a, err := clearing.Apply(w.ctx, tx, clearing.ApplyRequest{Provider: p, Month: m, Kinds: kinds, At: w.now, Actor: "hospital",
					Stated: []clearing.Amount{{Figure: clearing.Fund, Value: int64(sum.Fund)}, {Figure: clearing.InScope, Value: int64(sum.InScope)}}})
				if err == nil {
					live[a.ID] = clearing.Filed
				} else if n := names(err); n != "month" && n != "kinds" {
					t.Fatal(err)
				}
			default:
				if len(live) == 0 {
					return nil
				}
				id := slices.Min(slices.Collect(maps.Keys(live)))
				if live[id] == clearing.Filed && r.IntN(5) == 0 {
					delete(live, id)
					_, err := clearing.Withdraw(w.ctx, tx, id, "退回", act)
					return err
				}
				if live[id] == clearing.Filed {
					live[id] = clearing.Approved
					_, err := clearing.Approve(w.ctx, tx, id, act)
					return err
				}
				delete(live, id)
				a, err := clearing.Pay(w.ctx, tx, id, clearing.Act{At: w.now, By: "b"})
				w.must(err)
				payments++
				paid[a.Provider] += a.Total.Due()
				bank[care[a.Provider]] += a.Total.Due()
				for i := range w.made {
					m := &w.made[i]
					if m.provider == a.Provider && clearing.MonthOf(civil.Of(m.at)) == a.Month && m.kind == a.Kinds[0] && m.care != m.insured {
						claims[pair{m.care, m.insured}] += m.Fund + m.Account
					}
				}
			}
			return nil
		})
	}
	if payments == 0 {
		t.Error("nothing was paid")
	}
	owed := map[string]money.Fen{}
	for i := range w.made {
		owed[w.made[i].provider] += w.made[i].Fund + w.made[i].Account
	}
	for p, region := range care {
		if got := w.balance(fund.Payable(p)); got != owed[p]-paid[p] {
			t.Errorf("%s is owed %s, settled is %s and paid %s", p, got, owed[p], paid[p])
		}
		if got := w.balance(fund.Bank(region)); got != bank[region] {
			t.Errorf("the bank of %s is %s, paid was %s", region, got, bank[region])
		}
		for _, other := range care {
			got := w.balance(fund.Receivable(region, other))
			if got != -claims[pair{region, other}] || got != -w.balance(fund.Owed(other, region)) {
				t.Errorf("%s claims %s of %s, paid for it was %s", region, -got, other, claims[pair{region, other}])
			}
		}
	}
	w.sheets(claims)
	w.sound()
}

// sheets holds the sheets of all months against the settlements made.
func (w *world) sheets(claims map[pair]money.Fen) {
	w.Helper()
	w.view(func(tx *db.Tx) error {
		months := map[clearing.Month]bool{}
		for i := range w.made {
			months[clearing.MonthOf(civil.Of(w.made[i].at))] = true
		}
		claimed := map[pair]money.Fen{}
		for m := range months {
			for _, p := range []string{city, county, away} {
				s, err := clearing.MonthlySheet(w.ctx, tx, p, m)
				if err != nil {
					return err
				}
				var want clearing.Totals
				for i := range w.made {
					if x := &w.made[i]; x.provider == p && clearing.MonthOf(civil.Of(x.at)) == m {
						want.Add(x.totals())
					}
				}
				if s.Total != want {
					w.Errorf("%s %s: %+v, want %+v", p, m, s.Total, want)
				}
				for _, part := range s.Parts {
					var funds money.Fen
					for _, f := range part.Funds {
						funds += f.Amount
					}
					if funds != part.Fund || part.Total != part.Due()+part.Cash+part.Hospital {
						w.Errorf("%s %s: funds %s of %+v", p, m, funds, part)
					}
				}
			}
			s, err := clearing.BetweenRegions(w.ctx, tx, m)
			if err != nil {
				return err
			}
			var want, flows clearing.Totals
			for i := range w.made {
				if x := &w.made[i]; x.care != x.insured && clearing.MonthOf(civil.Of(x.at)) == m {
					want.Add(x.totals())
				}
			}
			for _, f := range s.Flows {
				flows.Add(f.Totals)
				claimed[pair{f.Care, f.Insured}] += f.Paid
			}
			var in, out, net money.Fen
			for _, p := range s.Positions {
				in, out, net = in+p.Claims, out+p.Owes, net+p.Net
			}
			if s.Total != want || flows != want || in != want.Due() || out != want.Due() || net != 0 {
				w.Errorf("between regions in %s: %+v, claims %s, owed %s, net %s, want %+v", m, s.Total, in, out, net, want)
			}
		}
		for k := range claimed {
			if claimed[k] != claims[k] {
				w.Errorf("%v: the sheets say that %s was paid, paid was %s", k, claimed[k], claims[k])
			}
		}
		return nil
	})
}
