package fund

import (
	"context"
	"maps"
	"slices"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
)

// Sums are what a fund took in and paid (基金收支).
type Sums struct {
	Brought money.Fen // 期初转入: balances taken over from before Anji
	Income  money.Fen // 收入
	Payment money.Fen // 支出, positive
}

// Surplus is what is left of a period (当期结余).
func (s Sums) Surplus() money.Fen { return s.Income - s.Payment }

func (s *Sums) add(t Sums) {
	s.Brought += t.Brought
	s.Income += t.Income
	s.Payment += t.Payment
}

// sums divides what entries of a kind moved into a fund, in, and out of it, out,
// which is negative. A reversal is a payment that was taken back, and no income; a
// refund is an income that was given back, and no payment. A fund that pays
// contributions for others (资助参保) pays.
func sums(kind string, in, out money.Fen) Sums {
	switch kind {
	case "opening":
		return Sums{Brought: in + out}
	case "settlement", "reversal", "allotment":
		return Sums{Payment: -(in + out)}
	case "contribution_refund":
		return Sums{Income: out, Payment: -in}
	}
	return Sums{Income: in, Payment: -out}
}

// Line is one fund over a period.
type Line struct {
	Fund    string // in the region's package
	Opening money.Fen
	Sums
	Closing money.Fen
}

// KindSum is what entries of one kind moved in a period.
type KindSum struct {
	Kind string // of the entries
	Sums
}

// MonthSum is one month of all funds.
type MonthSum struct {
	Month civil.Date // its first day
	Sums
	Closing money.Fen
}

// Cover is for how many months the balance pays (可支付月数).
type Cover struct {
	Tenths  int64     // of a month; 12 is 1.2 months
	Average money.Fen // paid in a month
	From    civil.Date
	To      civil.Date // the months that the average is of
	Unknown string     // why it cannot be said, in Chinese; "" where it can
}

// Report is how the funds of a region did in a period (基金运行情况).
type Report struct {
	Region string
	Period Period
	Funds  []Line // by name
	Total  Line
	Kinds  []KindSum  // by kind
	Months []MonthSum // twelve, the last of them that of the period's end, or today's
	Cover  Cover
	Fiscal money.Fen // of the income: what the budget granted (财政补助)
}

// between bounds the names that begin with a prefix.
func between(prefix string) (from, to string) { return prefix, prefix + "\U0010ffff" }

// monthOf is the first day of a month.
func monthOf(d civil.Date) civil.Date { return d.AddDays(1 - d.Day()) }

// Run reports how the funds of a region did in a period, both days of which are
// set, as it is known today.
func Run(ctx context.Context, tx *db.Tx, region string, p Period, today civil.Date) (*Report, error) {
	r := &Report{Region: region, Period: p}
	last := monthOf(min(p.To, today))
	cover := Period{To: last.AddDays(-1)} // twelve months that are over
	if end := last.AddMonths(1).AddDays(-1); end <= p.To && end < today {
		cover.To = end
	}
	cover.From = monthOf(cover.To).AddMonths(-11)
	first := min(p.From, cover.From, last.AddMonths(-11))

	prefix := FundAccount(region, "")
	before, err := Balances(ctx, tx, prefix, first.AddDays(-1))
	if err != nil {
		return nil, err
	}
	lines := map[string]*Line{}
	line := func(account string) *Line {
		name := account[len(prefix):]
		if lines[name] == nil {
			lines[name] = &Line{Fund: name}
		}
		return lines[name]
	}
	var all money.Fen
	for account, b := range before {
		line(account).Opening = b
		all += b
	}
	kinds, months := map[string]*KindSum{}, map[civil.Date]*Sums{}
	var covered Sums
	present, err := Balances(ctx, tx, prefix, p.To)
	if err != nil {
		return nil, err
	}
	for account := range present {
		l := line(account)
		err := tx.Each(ctx, func(rows *db.Rows) error {
			var kind string
			var month, inside int
			var in, out money.Fen
			if err := rows.Scan(&month, &kind, &inside, &in, &out); err != nil {
				return err
			}
			s, day := sums(kind, in, out), civil.Date(month*100+1)
			if inside == 1 {
				l.add(s)
				if kinds[kind] == nil {
					kinds[kind] = &KindSum{Kind: kind}
				}
				kinds[kind].add(s)
			} else {
				l.Opening += s.Brought + s.Surplus()
			}
			if months[day] == nil {
				months[day] = &Sums{}
			}
			months[day].add(s)
			if cover.From <= day && day <= cover.To {
				covered.add(s)
			}
			return nil
		}, `SELECT p.day / 100, e.kind, CASE WHEN p.day >= ? THEN 1 ELSE 0 END,
				SUM(CASE WHEN p.amount > 0 THEN p.amount ELSE 0 END), SUM(CASE WHEN p.amount < 0 THEN p.amount ELSE 0 END)
			FROM posting p JOIN entry e ON e.id = p.entry
			WHERE p.account = ? AND p.day >= ? AND p.day <= ?
			GROUP BY 1, 2, 3`, int(p.From), account, int(first), int(p.To))
		if err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		l := lines[name]
		l.Closing = l.Opening + l.Brought + l.Surplus()
		r.Funds = append(r.Funds, *l)
		r.Total.Opening += l.Opening
		r.Total.add(l.Sums)
		r.Total.Closing += l.Closing
	}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		r.Kinds = append(r.Kinds, *kinds[k])
	}
	begin := last.AddMonths(-11)
	for m := first; m <= last; m = m.AddMonths(1) {
		x := MonthSum{Month: m}
		if s := months[m]; s != nil {
			x.Sums = *s
		}
		all += x.Brought + x.Surplus()
		x.Closing = all
		if m >= begin {
			r.Months = append(r.Months, x)
		}
	}
	if r.Fiscal, err = moved(ctx, tx, Fiscal(region), p); err != nil {
		return nil, err
	}
	r.Fiscal = -r.Fiscal
	r.Cover, err = coverOf(ctx, tx, region, cover, covered, r.Total.Closing, slices.Sorted(maps.Keys(lines)))
	return r, err
}

// coverOf says for how many months a balance pays, by the average of twelve months
// that are over.
func coverOf(ctx context.Context, tx *db.Tx, region string, of Period, paid Sums, balance money.Fen, funds []string) (Cover, error) {
	c := Cover{From: of.From, To: of.To, Average: paid.Payment / 12}
	begun := lastDay
	for _, f := range funds {
		var day civil.Date
		if err := tx.QueryRow(ctx, `SELECT COALESCE(MIN(day), 99991231) FROM posting WHERE account = ?`, FundAccount(region, f)).Scan(&day); err != nil {
			return c, err
		}
		begun = min(begun, day)
	}
	switch {
	case begun == lastDay:
		c.Unknown = "还没有基金分录"
	case monthOf(begun) > of.From:
		c.Unknown = "账上的分录从 " + begun.String() + " 起，不足 12 个整月，月均支出还算不出"
	case c.Average <= 0:
		c.Unknown = "最近 12 个整月没有支出"
	case balance < 0:
		c.Unknown = "结余为负：收不抵支，或期初余额没有录入"
	default:
		c.Tenths = (int64(balance)*10 + int64(c.Average)/2) / int64(c.Average)
	}
	return c, nil
}

// moved is what moved an account in a period.
func moved(ctx context.Context, tx *db.Tx, account string, p Period) (sum money.Fen, err error) {
	err = tx.QueryRow(ctx, `SELECT COALESCE(SUM(amount), 0) FROM posting WHERE account = ? AND day >= ? AND day <= ?`, account, int(p.From), int(p.To)).Scan(&sum)
	return sum, err
}

// Regions are the regions that have fund accounts.
func Regions(ctx context.Context, tx *db.Tx) (out []string, err error) {
	// One step for each region, however many postings it has.
	for at := string(OfFund) + ":"; ; {
		var account string
		err := tx.QueryRow(ctx, `SELECT account FROM posting WHERE account >= ? AND account < ? ORDER BY account LIMIT 1`, at, string(OfFund)+";").Scan(&account)
		if db.IsNotFound(err) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		n, ok := ParseName(account)
		if !ok {
			return out, nil
		}
		out = append(out, n.Of)
		_, at = between(FundAccount(n.Of, ""))
	}
}
