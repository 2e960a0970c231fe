// Package clearing reconciles with providers and clears what is owed to them
// (对账、清算): the totals and the details that a provider states are held
// against the settlements, and a whole month is applied for, approved and paid.
// Care given away from home is paid by the agency of the care region, which
// claims it from the insured region.
//
// It decides no benefit: every figure is a sum over settlements. A reversal is
// a settlement with negative amounts, so that sums over rows are right without
// knowing what takes back what. Settlements count by the time they were made,
// in China's time, as the interface for providers has it.
//
// Its functions work inside the caller's transaction. Faults of a request are
// *settlement.Error and *Disagreement.
package clearing

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// zone is the one time of the country (北京时间).
var zone = time.FixedZone("CST", 8*60*60)

// Period is a span of days, both included.
type Period struct{ From, To civil.Date }

func (p Period) holds(at time.Time) bool {
	day := civil.Of(at.In(zone))
	return p.From <= day && day <= p.To
}

// Month is a month written as the number yyyymm (清算年月).
type Month int32

// ParseMonth reads a month written as 2006-01.
func ParseMonth(s string) (Month, error) {
	day, err := civil.Parse(s + "-01")
	if err != nil {
		return 0, fmt.Errorf("%q is not a month written as 2006-01", s)
	}
	return MonthOf(day), nil
}

// MonthOf is the month of a day.
func MonthOf(day civil.Date) Month { return Month(day / 100) }

// Period is the whole month.
func (m Month) Period() Period {
	first := civil.Date(m)*100 + 1
	return Period{first, first.AddMonths(1).AddDays(-1)}
}

// String writes the month as 2006-01.
func (m Month) String() string { return fmt.Sprintf("%04d-%02d", m/100, m%100) }

// MarshalText makes a month a string in JSON.
func (m Month) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Side says which settlements count.
type Side uint8

// The sides.
const (
	Both        Side = iota
	Settlements      // that take nothing back
	Reversals        // that take one back (退费结算)
)

// Scope chooses settlements of a provider.
type Scope struct {
	Provider string
	Period
	Schemes []policy.Scheme    // nil: all
	Kinds   []policy.VisitKind // nil: all
	Side    Side
}

// Totals are sums over settlements.
type Totals struct {
	Count    int       `json:"count"`    // settlements and reversals (笔数)
	Visits   int       `json:"visits"`   // settlements less reversals (人次)
	Total    money.Fen `json:"total"`    // 医疗费总额
	InScope  money.Fen `json:"in_scope"` // within the policy's scope (医保认可费用)
	Fund     money.Fen `json:"fund"`     // all funds, without personal accounts (基金支付)
	Account  money.Fen `json:"account"`  // 个人账户支付
	Cash     money.Fen `json:"cash"`     // 现金支付, received by the provider
	Hospital money.Fen `json:"hospital"` // borne by the provider (医院负担)
}

// Due is what is owed to the provider: what funds and accounts pay.
func (t Totals) Due() money.Fen { return t.Fund + t.Account }

// Add adds the sums of u.
func (t *Totals) Add(u Totals) {
	t.Count += u.Count
	t.Visits += u.Visits
	t.Total += u.Total
	t.InScope += u.InScope
	t.Fund += u.Fund
	t.Account += u.Account
	t.Cash += u.Cash
	t.Hospital += u.Hospital
}

// Figure is one figure of totals.
type Figure uint8

// The figures that a provider states.
const (
	Count Figure = iota
	Visits
	Total
	InScope
	Fund
	Account
	Cash
)

var figureTitles = [...]string{"结算笔数", "人次", "医疗费总额", "医保认可费用总额", "基金支付总额", "个人账户支付", "现金支付"}

func (t *Totals) figure(f Figure) int64 {
	return [...]int64{int64(t.Count), int64(t.Visits), int64(t.Total), int64(t.InScope), int64(t.Fund), int64(t.Account), int64(t.Cash)}[f]
}

// Amount is a figure with its value: in fen, or a number for Count and Visits.
type Amount struct {
	Figure Figure
	Value  int64
}

// Gap is a figure that two sides state differently.
type Gap struct {
	Figure         Figure
	Stated, Ledger int64
}

// String names the figure, both values and the difference, in Chinese.
func (g Gap) String() string {
	text := func(v int64) string { return money.Fen(v).String() }
	if g.Figure == Count || g.Figure == Visits {
		text = func(v int64) string { return strconv.FormatInt(v, 10) }
	}
	return figureTitles[g.Figure] + "：机构 " + text(g.Stated) + "，经办 " + text(g.Ledger) + "，差 " + text(g.Stated-g.Ledger)
}

// Gaps are the stated figures that differ from the totals, in the order stated.
func (t Totals) Gaps(stated ...Amount) []Gap {
	var out []Gap
	for _, s := range stated {
		if v := t.figure(s.Figure); v != s.Value {
			out = append(out, Gap{s.Figure, s.Value, v})
		}
	}
	return out
}

// Sum sums the settlements of a scope.
func Sum(ctx context.Context, tx *db.Tx, s Scope) (t Totals, err error) {
	err = s.each(ctx, tx, func(r *row) error {
		t.Add(r.totals)
		return nil
	})
	return t, err
}

// row is one settlement of the ledger.
type row struct {
	Line
	at     time.Time
	region string // insured
	care   string
	scheme policy.Scheme
	kind   policy.VisitKind
	totals Totals
}

// within reports whether a settlement of the scope's provider is in the scope.
func (s *Scope) within(r *row) bool {
	return s.holds(r.at) && (s.Schemes == nil || slices.Contains(s.Schemes, r.scheme)) &&
		(s.Kinds == nil || slices.Contains(s.Kinds, r.kind)) && (s.Side == Both || s.Side == r.Side())
}

func (s *Scope) each(ctx context.Context, tx *db.Tx, f func(*row) error) error {
	return between(ctx, tx, s.Period, func(r *row) error {
		if !s.within(r) {
			return nil
		}
		return f(r)
	}, `s.provider = ?`, s.Provider)
}

// around bounds the stored times of a period, with a day to spare on both
// sides: they are compared as texts, and may be written in any zone.
func around(p Period) (from, to any) {
	return p.From.AddDays(-1).String(), p.To.AddDays(2).String()
}

// between calls f with the settlements of a period that the condition holds
// for, in the order they were made.
func between(ctx context.Context, tx *db.Tx, p Period, f func(*row) error, condition string, args ...any) error {
	from, to := around(p)
	return tx.Each(ctx, func(rows *db.Rows) error {
		var r row
		var at string
		t := &r.totals
		if err := rows.Scan(&r.Settlement, &r.Visit, &r.Person, &at, &r.region, &r.care, &r.scheme, &r.kind,
			&t.Total, &t.Fund, &t.Account, &t.Cash, &t.Hospital, &t.InScope); err != nil {
			return err
		}
		var err error
		if r.at, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return err
		}
		if !p.holds(r.at) {
			return nil
		}
		r.Total, r.Fund, r.Account = t.Total, t.Fund, t.Account
		t.Count, t.Visits = 1, 1
		if r.Side() == Reversals {
			t.Visits = -1
		}
		r.Reversal = r.Side() == Reversals
		return f(&r)
	}, `SELECT s.id, s.visit, s.person, s.at, s.region, p.region, s.scheme, s.kind, s.total, s.fund, s.account, s.cash, s.hospital, s.in_scope
		FROM settlement s JOIN provider p ON p.code = s.provider
		WHERE s.claim = '' AND s.at >= ? AND s.at < ? AND `+condition+` ORDER BY s.n`, append([]any{from, to}, args...)...)
}

// Disagreement says that what a provider states is not what the ledger holds.
type Disagreement struct{ Gaps []Gap }

func (e *Disagreement) Error() string {
	texts := make([]string, len(e.Gaps))
	for i, g := range e.Gaps {
		texts[i] = g.String()
	}
	return strings.Join(texts, "；")
}
