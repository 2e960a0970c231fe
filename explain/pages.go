package explain

import (
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/web"
)

// view is what a template sees.
type view struct {
	Lang      bill.Lang
	Title     string
	Synthetic bool
	Notice    string
	Employers string
	Data      any

	path     string
	template string
	public   bool // about no person: may be kept by caches that ask again
}

func newView(h *handler, r *http.Request) *view {
	v := &view{Lang: bill.ParseLang(r.URL.Query().Get("lang")), Synthetic: h.Synthetic, Employers: h.Employers, path: r.URL.Path}
	if h.Notice != nil {
		v.Notice = h.Notice()
	}
	return v
}

// Say picks the text in the language of the page.
func (v *view) Say(zh, en string) string { return v.Lang.Say(zh, en) }

// Money writes an amount for people.
func (v *view) Money(a money.Fen) string { return v.Lang.Money(a) }

// Marked writes a text that holds names in Chinese.
func (v *view) Marked(text string) template.HTML { return web.Mark(v.Lang, text) }

// Number writes an amount without its unit, for a column that names it.
func (v *view) Number(a money.Fen) string { return a.Grouped() }

// Link is a path of the portal in the language of the page.
func (v *view) Link(path string) string {
	if v.Lang == bill.English {
		return path + "?lang=en"
	}
	return path
}

// Switch is this page in the other language.
func (v *view) Switch() string {
	if v.Lang == bill.English {
		return v.path
	}
	return v.path + "?lang=en"
}

// Care is the kind of care in words.
func (v *view) Care(k policy.VisitKind) string { return bill.VisitName(v.Lang, k) }

// Name masks a person's name.
func (v *view) Name(name string) string { return web.MaskName(name) }

// Time writes a moment in the time of China.
func (v *view) Time(t time.Time) string { return t.In(china).Format("2006-01-02 15:04") }

// china is the one time zone of the country (北京时间).
var china = time.FixedZone("CST", 8*60*60)

// Period writes the days a package holds.
func (v *view) Period(p PackageRow) string {
	if p.To == 0 {
		return v.Say(p.From.String()+" 起", "from "+p.From.String())
	}
	return v.Say(p.From.String()+" 至 "+p.To.String(), p.From.String()+" to "+p.To.String())
}

// region is the packages of one region, in the order of their days.
type region struct {
	PackageRow              // the last
	Versions   []PackageRow // all, the last first
}

// byRegion gathers the packages of each region. A version without a last day
// holds until the next one begins.
func byRegion(rows []PackageRow) []region {
	var list []region
	for _, p := range rows {
		n := len(list) - 1
		if n < 0 || list[n].Region != p.Region {
			list = append(list, region{PackageRow: p, Versions: []PackageRow{p}})
			continue
		}
		r := &list[n]
		if last := &r.Versions[0]; last.To == 0 {
			last.To = p.From.AddDays(-1)
		}
		r.PackageRow = p
		r.Versions = append([]PackageRow{p}, r.Versions...)
	}
	return list
}

type homeData struct {
	Rows     []Row
	Packages []region
	HIS      HIS
	Sandbox  string
}

func (h *handler) home(r *http.Request, v *view) error {
	rows, err := h.Settlements.Recent(r.Context(), recentRows)
	if err != nil {
		return fmt.Errorf("recent settlements: %w", err)
	}
	packages, err := h.Packages.List(r.Context())
	if err != nil {
		return fmt.Errorf("policy packages: %w", err)
	}
	v.template, v.Title = "home.html", v.Say("每一分钱都说得清", "Every fen explained")
	v.Data = homeData{rows, byRegion(packages), h.HIS, h.Sandbox}
	return nil
}

func (h *handler) settlement(r *http.Request, v *view) error {
	id := r.PathValue("id")
	if len(id) > maxID {
		return ErrNotFound
	}
	s, err := h.Settlements.Get(r.Context(), id)
	if err != nil {
		return fmt.Errorf("settlement %q: %w", id, err)
	}
	b := web.NewBill(v.Lang, s.Case, s.Result, s.Steps)
	b.ID, b.Name, b.CitizenID, b.Provider, b.Time, b.Reversed = s.ID, web.MaskName(s.Name), maskCitizenID(s.CitizenID), s.Provider, s.Time, s.Reversed
	v.template, v.Title, v.Data = "settlement.html", v.Say("结算说明", "Settlement explained"), b
	return nil
}

func (h *handler) policies(r *http.Request, v *view) error {
	packages, err := h.Packages.List(r.Context())
	if err != nil {
		return fmt.Errorf("policy packages: %w", err)
	}
	v.template, v.Title, v.public = "policies.html", v.Say("政策包", "Policy packages"), true
	v.Data = byRegion(packages)
	return nil
}

func (h *handler) policy(r *http.Request, v *view) error {
	region := r.PathValue("region")
	if len(region) > maxID {
		return ErrNotFound
	}
	p, err := h.Packages.Explain(r.Context(), region, v.Lang)
	if err != nil {
		return fmt.Errorf("policy package %q: %w", region, err)
	}
	v.template, v.Title, v.public = "policy.html", p.Name, true
	v.Data = p
	return nil
}

// panicError is a panic of a page, answered and logged like an error.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprint("panic: ", e.value) }
