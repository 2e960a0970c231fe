package portal

import (
	"context"
	"errors"
	"html/template"
	"strings"

	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/web"
)

// choice is what care would cost at one kind of provider (试算).
type choice struct {
	Title      string
	Total      money.Fen
	Deductible money.Fen
	Ratio      money.Rate
	Fund, Own  money.Fen
	Account    money.Fen
	Least      bool
	Why        string // it cannot be said, or nothing is paid
	Bill       *bill.Bill
	Waterfall  template.HTML
}

type estimateData struct {
	Regions []estimateRegion
	Region  string
	Kind    string
	Scheme  string
	Retired bool
	A, B, C string
	Share   string // the first own pay of class 乙 that was filled in, in percent
	Stated  string // that which the package states, "" if it states none
	Ground  string // where it stands
	Asked   bool
	Choices []choice
	Own     bool // it is about the person who is signed in
	Spread  money.Fen
	Stay    bool
}

type estimateRegion struct{ Code, Name string }

// levels are compared side by side (问题二十一：选县院还是市院).
var levels = []policy.Level{policy.Primary, policy.Level1, policy.Level2, policy.Level3}

var estimateKinds = map[string]policy.VisitKind{"outpatient": policy.Outpatient, "inpatient": policy.Inpatient}

// estimate says what care would cost, at each level of provider, by the engine
// that settles it: for who is signed in with their own insurance, classes and
// sums, for others as an ordinary insured person of a region. It writes nothing,
// so it is asked for by an address that can be kept.
func (h *handler) estimate(v *web.Visit) error {
	q := v.URL.Query()
	d := estimateData{Region: q.Get("region"), Kind: q.Get("kind"), Scheme: q.Get("scheme"), Retired: q.Get("retired") == "1", A: q.Get("a"), B: q.Get("b"), C: q.Get("c"), Share: strings.TrimSpace(q.Get("share")),
		Own: v.Who != nil && v.Who.Operator == nil}
	if d.Kind == "" {
		d.Kind = "inpatient"
	}
	if d.Scheme == "" {
		d.Scheme = "employee"
	}
	d.Regions = h.regions()
	if d.Region == "" {
		d.Region = h.region(v)
	}
	if err := h.stated(v, &d); err != nil {
		return err
	}
	if d.A+d.B+d.C == "" {
		return v.Show("estimate.html", v.Say("要花多少钱", "What would I pay"), d)
	}
	d.Asked = true
	kind, ok := estimateKinds[d.Kind]
	base, err := h.estimateCase(v, &d, kind)
	if err == nil && !ok {
		err = &web.Fault{Field: "kind", Want: v.Say("请选择门诊或住院", "choose outpatient or inpatient")}
	}
	if err == nil {
		d.Stay = kind == policy.Inpatient
		err = h.compare(v, &d, base, kind)
	}
	if field, text, ok := web.Refusal(err); ok {
		v.Field, v.Fault, err = field, text, nil
		d.Asked = false
	}
	if err != nil {
		return err
	}
	return v.Show("estimate.html", v.Say("要花多少钱", "What would I pay"), d)
}

// stated fills in the first own pay of class 乙 that the package of the region
// states.
func (h *handler) stated(v *web.Visit, d *estimateData) error {
	c := &policy.Case{Region: d.Region, Date: h.Today()}
	if d.Own {
		c.Region = v.Who.Acting.Region
	}
	if d.Scheme == "resident" {
		c.Scheme = policy.Resident
	}
	rate, sources, ok, err := h.Policies.FirstPay(c)
	if missing := (*policy.InputError)(nil); errors.As(err, &missing) {
		return nil // said when it is asked for
	}
	if err != nil || !ok {
		return err
	}
	d.Stated = rate.Percent()
	if len(sources) > 0 {
		d.Ground = sources[0].String()
	}
	return nil
}

// share reads the first own pay of class 乙 that was filled in; without one the
// package's holds, which must then state one.
func share(v *web.Visit, d *estimateData) (money.Rate, error) {
	if d.Share == "" {
		if d.Stated == "" {
			return 0, &web.Fault{Field: "share", Want: v.Say("这个统筹区没有写明乙类先自付比例，请填写单子上的比例", "this region states no first own pay of class B; fill in that of your bill")}
		}
		return policy.FirstPayUnstated, nil
	}
	text := strings.TrimSpace(strings.TrimRight(d.Share, "%％ "))
	rate, err := money.ParseRate(text + "%")
	if err != nil || rate < 0 || rate > money.One {
		return 0, &web.Fault{Field: "share", Want: v.Say("「"+d.Share+"」不是比例：应为 0 至 100 的数，如 10", "not a ratio of 0 to 100, such as 10")}
	}
	return rate, nil
}

// estimateCase is the case of who asks, without its care.
func (h *handler) estimateCase(v *web.Visit, d *estimateData, kind policy.VisitKind) (*policy.Case, error) {
	today := h.Today()
	if !d.Own {
		c := &policy.Case{Region: d.Region, Date: today, Retired: d.Retired && d.Scheme == "employee"}
		if d.Scheme == "resident" {
			c.Scheme = policy.Resident
		}
		if _, err := h.Policies.At(d.Region, today); err != nil {
			return nil, &web.Fault{Field: "region", Want: v.Say("没有这个统筹区的政策包", "no package of this region")}
		}
		return c, nil
	}
	var c *policy.Case
	err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		p := v.Who.Acting
		made, counts, err := h.ownCase(ctx, tx, p, kind)
		if err != nil {
			return err
		}
		made.Insured, made.BenefitsFrom = counts.Status, counts.BenefitsFrom
		d.Region, c = p.Region, made
		return nil
	})
	if missing := (*policy.InputError)(nil); errors.As(err, &missing) {
		return nil, &web.Fault{Field: "region", Want: missing.Error()}
	}
	return c, err
}

// compare settles the same care at each level.
func (h *handler) compare(v *web.Visit, d *estimateData, base *policy.Case, kind policy.VisitKind) error {
	var lines []policy.Line
	for _, x := range []struct {
		field, text, name string
		class             policy.LineClass
	}{{"a", d.A, "甲类费用", policy.ClassA}, {"b", d.B, "乙类费用", policy.ClassB}, {"c", d.C, "目录外费用", policy.ClassC}} {
		if x.text == "" {
			continue
		}
		a, err := money.Parse(x.text)
		if err != nil || a < 0 || a > 1_000_000_000 {
			return &web.Fault{Field: x.field, Want: v.Say("「"+x.text+"」不是金额：应为 0 至 10,000,000 元，至多两位小数", "not an amount of 0 to 10,000,000 yuan with at most two decimals")}
		}
		if a == 0 {
			continue
		}
		l := policy.Line{Name: x.name, Class: x.class, Amount: a, Ceiling: policy.NoCeiling, FirstPay: policy.FirstPayUnstated}
		if x.class == policy.ClassB {
			if l.FirstPay, err = share(v, d); err != nil {
				return err
			}
		} else if x.class == policy.ClassA {
			l.FirstPay = 0
		}
		lines = append(lines, l)
	}
	if len(lines) == 0 {
		return &web.Fault{Field: "a", Want: v.Say("请至少填一项大于 0 的费用", "fill in at least one amount above 0")}
	}
	least := -1
	for _, level := range levels {
		c := *base
		c.Visit, c.Level, c.Lines = kind, level, lines
		if kind == policy.Inpatient {
			c.Admitted = c.Date
		}
		x := choice{Title: level.Title()}
		var r policy.Result
		var t policy.Trace
		if err := calc.Settle(h.Policies, &c, &r, &t); err != nil {
			var missing *calc.Error
			if !errors.As(err, &missing) {
				return err
			}
			x.Why = missing.Error()
			d.Choices = append(d.Choices, x)
			continue
		}
		x.Total, x.Deductible, x.Ratio, x.Fund, x.Own, x.Account = r.Total, r.Deductible, r.Ratio, r.FundTotal, r.Person, r.Account
		if r.Refused {
			x.Why = r.Reason
		}
		x.Bill = bill.New(v.Lang, &c, &r, t.Steps)
		x.Waterfall = template.HTML(bill.SVG(x.Bill, "waterfall-"+level.String())) // escapes every text it writes
		d.Choices = append(d.Choices, x)
		if n := len(d.Choices) - 1; least < 0 || x.Own < d.Choices[least].Own {
			least = n
		}
		d.Spread = max(d.Spread, x.Own)
	}
	if least >= 0 {
		d.Spread -= d.Choices[least].Own // of what is the most
		for i := range d.Choices {
			d.Choices[i].Least = d.Spread > 0 && d.Choices[i].Bill != nil && d.Choices[i].Own == d.Choices[least].Own
		}
	}
	return nil
}
