package policy

import (
	"slices"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
)

// Terms are what a package promises for the care that a case describes, before
// any bill is known: the stages of the plan that applies (待遇标准), with the
// figures for the person, provider and kind of care.
type Terms struct {
	Package *Package
	Plan    *Plan  // nil: none applies
	Unknown string // why nothing can be said, in Chinese
	Stages  []StageTerms
	Sources []*Source
}

// StageTerms are those of one stage that a fund pays.
type StageTerms struct {
	Stage      *Stage
	Fund       *Fund
	Deductible *Amount // nil: none
	Threshold  *Amount // of the bands (大病起付标准); nil: none
	Bands      []BandTerms
	Limits     []Amount
	Sources    []*Source
}

// Amount is an amount that a package states.
type Amount struct {
	Title   string
	Amount  money.Fen // money.Max or more: unlimited
	Left    money.Fen // after the sums of the year in the case
	Yearly  bool      // of the year, not of the visit or stay
	Unknown string    // the figure is not known, and why
	Sources []*Source
}

// Unlimited reports whether the amount is without end (不限).
func (a *Amount) Unlimited() bool { return int64(a.Amount) >= unlimited }

// BandTerms are those of one band.
type BandTerms struct {
	Over, Upto money.Fen // Upto 0: without end
	Ratio      money.Rate
	Unknown    string
	Sources    []*Source
}

// Terms says what the package of the case promises. Lines, and whether the
// insurance is in order, are not looked at. The only errors are *InputError.
func (s *Store) Terms(c *Case) (*Terms, error) {
	p, err := s.packageOf(c)
	if err != nil {
		return nil, err
	}
	var f frame
	p.enterCase(&f, c)
	p.enterFacets(&f, true)
	t := &Terms{Package: p, Plan: p.choose(&f)}
	if err := p.missingFact(&f); err != nil {
		return nil, err
	}
	switch {
	case t.Plan == nil:
		t.Unknown = "没有适用的待遇方案：" + c.Scheme.Title() + c.Visit.Title()
		return t, nil
	case t.Plan.unknown != "":
		t.Unknown, t.Sources = "待遇数字尚不掌握："+t.Plan.unknown, t.Plan.sources
		return t, nil
	}
	t.Sources = t.Plan.sources
	p.flat.enter(&f)
	for _, st := range t.Plan.stages {
		if st.account || st.when.kind != valAbsent && st.when.get(&f) == 0 {
			continue
		}
		t.Stages = append(t.Stages, st.terms(&f))
	}
	return t, p.missingFact(&f)
}

// known evaluates a value, and says why it is not known.
func (v *val) known(f *frame, title string) (n int64, unknown string) {
	f.unknown = nil
	if v.kind == valUnknown {
		return 0, "「" + title + "」的数字尚不掌握"
	}
	n = v.get(f)
	if f.unknown != nil {
		n, unknown = 0, unknownText(f.unknown, f)
		f.unknown = nil
	}
	return n, unknown
}

func (st *Stage) terms(f *frame) StageTerms {
	t := StageTerms{Stage: st, Fund: st.funds[f.s[slotScheme]], Sources: st.sources}
	if d := st.ded; d != nil {
		a := &Amount{Title: d.title, Yearly: len(d.borne) > 0, Sources: d.sources}
		n, unknown := d.amount.known(f, d.title)
		if a.Amount, a.Unknown = money.Fen(max(0, n)), unknown; unknown == "" {
			a.Left = d.remaining(f, 0)
			f.unknown = nil
		}
		t.Deductible = a
	}
	if v := &st.bands.threshold; v.kind != valAbsent {
		n, unknown := v.known(f, st.Title+"起付标准")
		t.Threshold = &Amount{Title: st.Title + "起付标准", Amount: money.Fen(max(0, n)), Left: money.Fen(max(0, n)), Yearly: st.bands.along >= 0, Unknown: unknown, Sources: v.grounds(st.sources)}
	}
	for i := range st.list {
		b := &st.list[i]
		x := BandTerms{Sources: b.ratio.grounds(st.sources)}
		over, u1 := b.over.known(f, st.Title+"段界")
		rate, u2 := b.ratio.known(f, st.Title+"支付比例")
		x.Over, x.Ratio, x.Unknown = money.Fen(over), clampRate(rate), u2
		if b.upto.kind != valAbsent {
			upto, u3 := b.upto.known(f, st.Title+"段界")
			x.Upto = money.Fen(upto)
			u1 += u3
		}
		if x.Unknown == "" {
			x.Unknown = u1
		}
		t.Bands = append(t.Bands, x)
	}
	for i := range st.limits {
		l := &st.limits[i]
		a := Amount{Title: l.title, Yearly: len(l.used) > 0, Sources: l.sources}
		n, unknown := l.amount.known(f, l.title)
		if a.Amount, a.Unknown = money.Fen(n), unknown; unknown == "" {
			a.Left = l.left(f)
		}
		t.Limits = append(t.Limits, a)
	}
	return t
}

// grounds are those of the parameters that the value names, else fallback.
func (v *val) grounds(fallback []*Source) []*Source {
	var out []*Source
	for _, p := range v.params() {
		for _, s := range p.sources {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	if len(out) == 0 {
		return fallback
	}
	return out
}

// FirstPay is the first own pay of class 乙 (乙类先行自付比例) that holds for the
// case where the line of a bill states none; ok is false if the package does not
// know one.
func (s *Store) FirstPay(c *Case) (rate money.Rate, sources []*Source, ok bool, err error) {
	p, err := s.packageOf(c)
	if err != nil {
		return 0, nil, false, err
	}
	var f frame
	p.enterCase(&f, c)
	rate = p.firstPay(p, &f)
	return rate, p.scopeSources, rate >= 0, nil
}

// Cite finds a document that the package of a region cites, else one of the
// country's, and names an article of it.
func (s *Store) Cite(region string, day civil.Date, document, article string) (*Source, bool) {
	for _, code := range []string{region, National} {
		p, err := s.At(code, day)
		if err != nil {
			continue
		}
		for _, d := range p.Documents {
			if d.ID == document {
				return &Source{Document: d, Article: article}, true
			}
		}
	}
	return nil, false
}

// PayerTitle is who pays an assessment, in Chinese, "" if that is not said.
func (a *Assessment) PayerTitle() string {
	if i := slices.Index(payerNames, a.Payer); i >= 0 {
		return payerTitles[i]
	}
	return ""
}

// PeriodTitle is how often it is due, in Chinese.
func (a *Assessment) PeriodTitle() string { return periodTitles[a.Period] }
