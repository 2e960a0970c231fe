package portal

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/settlement"
	"github.com/anji-platform/anji/web"
)

// perPage is how many rows a page of a search has.
const perPage = 20

// maxQuery bounds what is searched for, in bytes.
const maxQuery = 100

type page struct {
	Query      string
	Asked      bool
	Page       int64
	Next, Back string // addresses, "" for none
}

// asked reads what is searched for.
func asked(v *web.Visit) page {
	p := page{Query: strings.TrimSpace(v.URL.Query().Get("q"))}
	if len(p.Query) > maxQuery {
		p.Query = ""
	}
	p.Page, _ = strconv.ParseInt(v.URL.Query().Get("page"), 10, 64)
	p.Page = min(max(p.Page, 1), 1000)
	p.Asked = p.Query != ""
	return p
}

// turn says where the pages before and after are.
func (p *page) turn(v *web.Visit, more bool) {
	at := func(n int64) string {
		q := v.URL.Query()
		q.Set("page", strconv.FormatInt(n, 10))
		return v.URL.Path + "?" + q.Encode()
	}
	if p.Page > 1 {
		p.Back = at(p.Page - 1)
	}
	if more {
		p.Next = at(p.Page + 1)
	}
}

type catalogueData struct {
	page
	Items []catalogue.Item
}

// catalogue finds drugs and services by a part of their names: class, first own
// pay, ceiling.
func (h *handler) catalogue(v *web.Visit) error {
	d := catalogueData{page: asked(v)}
	if d.Asked {
		region := h.region(v)
		if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
			seen := map[string]int{}
			return catalogue.Items(ctx, tx, catalogue.Filter{NameHas: d.Query, On: h.Today()}, catalogue.Page{Offset: (d.Page - 1) * perPage, Limit: perPage + 1}, func(it catalogue.Listed) error {
				if it.Region != "" && region != "" && it.Region != region {
					return nil
				}
				if i, ok := seen[it.Code]; ok && it.Region == region && region != "" { // the region's own entry goes before the country's
					d.Items[i] = it.Item
					return nil
				}
				seen[it.Code] = len(d.Items)
				d.Items = append(d.Items, it.Item)
				return nil
			})
		}); err != nil {
			return err
		}
	}
	more := len(d.Items) > perPage
	if more {
		d.Items = d.Items[:perPage]
	}
	d.turn(v, more)
	v.Public = true
	return v.Show("catalogue.html", v.Say("查药品和诊疗项目", "Drugs and services"), d)
}

// item shows one entry of the catalogue, and how it stood at other times.
func (h *handler) item(v *web.Visit) error {
	code := v.PathValue("item")
	if len(code) > maxQuery {
		return web.ErrNotFound
	}
	d := itemData{Today: h.Today()}
	region := h.region(v)
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		now, ok, err := catalogue.Find(ctx, tx, region, d.Today, code)
		if err != nil {
			return err
		}
		d.Holds = ok
		if err := catalogue.Items(ctx, tx, catalogue.Filter{Code: code, Region: &region}, catalogue.Page{Limit: maxVersions}, func(it catalogue.Listed) error {
			d.Versions = append(d.Versions, version{it.Item, ok && it.From == now.From && it.Region == now.Region})
			return nil
		}); err != nil {
			return err
		}
		if len(d.Versions) == 0 {
			return web.ErrNotFound
		}
		slices.SortStableFunc(d.Versions, func(a, b version) int { return cmp.Compare(b.From, a.From) }) // the newest first
		if d.Item = now; !ok {
			d.Item = d.Versions[0].Item
		}
		if d.Prices, err = settlement.Prices(ctx, tx, code, region, maxPrices); err != nil {
			return err
		}
		d.Says, err = d.Item.Attributes()
		return err
	}); err != nil {
		return err
	}
	if p, err := h.Policies.At(region, d.Today); err == nil {
		d.Region = p.Name
	}
	v.Public = true
	return v.Show("item.html", v.Say(d.Item.Name, "Drug or service"), d)
}

// maxVersions and maxPrices bound how many versions of an item, and how many prices,
// are shown.
const (
	maxVersions = 100
	maxPrices   = 50
)

type version struct {
	catalogue.Item
	Now bool
}

type itemData struct {
	Item     catalogue.Item
	Says     catalogue.Attributes
	Versions []version
	Prices   []settlement.Price // at providers of the region
	Holds    bool               // it is in the catalogue today
	Region   string
	Today    civil.Date
}

type providersData struct {
	page
	Providers  []found
	Regions    []estimateRegion
	Districts  []string
	Levels     []policy.Level
	Region     string // "all" is every region
	District   string
	Kind       string
	Level      string
	Designated bool
	Away       bool
	Near       string
	Anywhere   string // the same without a place, "" if there is none
}

// found is a provider with how far it is.
type found struct {
	provider.Provider
	RegionName string
	Metres     int // 0: not known
}

// Far writes a distance.
func (f found) Far(v *web.Visit) string {
	switch {
	case f.Metres == 0:
		return ""
	case f.Metres < 950:
		return strconv.Itoa((f.Metres+50)/100*100) + v.Say(" 米", " m")
	}
	return strconv.FormatFloat(float64(f.Metres)/1000, 'f', 1, 64) + v.Say(" 公里", " km")
}

var providerKinds = map[string]policy.ProviderKind{"hospital": policy.Hospital, "pharmacy": policy.Pharmacy}

// providers finds hospitals and pharmacies by a part of their names, place, level
// and what they do; the nearest first, if the browser says where it is.
func (h *handler) providers(v *web.Visit) error {
	q := v.URL.Query()
	d := providersData{page: asked(v), Regions: h.regions(), Levels: levels, Region: q.Get("region"), District: q.Get("district"), Kind: q.Get("kind"), Level: q.Get("level"),
		Designated: q.Get("designated") == "1", Away: q.Get("away") == "1"}
	f := provider.Wanted{On: h.Today(), NameHas: d.Query, District: d.District, Designated: d.Designated, Away: d.Away}
	if d.Region != "all" && !slices.ContainsFunc(d.Regions, func(r estimateRegion) bool { return r.Code == d.Region }) {
		d.Region = h.region(v)
	}
	if d.Region != "all" {
		f.Region = d.Region
	}
	if k, ok := providerKinds[d.Kind]; ok {
		f.Kind = &k
	}
	if i := slices.IndexFunc(levels, func(l policy.Level) bool { return l.String() == d.Level }); i >= 0 && d.Kind != "pharmacy" {
		f.Level = &levels[i]
	}
	if at, err := provider.ParsePoint(q.Get("near")); err == nil {
		f.Near, d.Near = at, q.Get("near")
		q.Del("near")
		q.Del("page")
		d.Anywhere = "/providers?" + q.Encode()
	}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if f.Region != "" {
			if d.Districts, err = provider.Districts(ctx, tx, f.Region); err != nil {
				return err
			}
			if !slices.Contains(d.Districts, d.District) {
				d.District, f.District = "", ""
			}
		}
		all, err := provider.Find(ctx, tx, f, catalogue.Page{Offset: (d.Page - 1) * perPage, Limit: perPage + 1})
		for _, p := range all {
			x := found{Provider: p}
			if pkg, err := h.Policies.At(p.Region, h.Today()); err == nil {
				x.RegionName = pkg.Name
			}
			if f.Near != (provider.Point{}) && p.Position != (provider.Point{}) {
				x.Metres = max(1, provider.Distance(f.Near, p.Position))
			}
			d.Providers = append(d.Providers, x)
		}
		return err
	}); err != nil {
		return err
	}
	more := len(d.Providers) > perPage
	if more {
		d.Providers = d.Providers[:perPage]
	}
	d.turn(v, more)
	v.Public = true
	return v.Show("providers.html", v.Say("查医院和药店", "Hospitals and pharmacies"), d)
}

// provider shows one hospital or pharmacy.
func (h *handler) provider(v *web.Visit) error {
	var d found
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		p, ok, err := provider.Get(ctx, tx, v.PathValue("provider"))
		if err == nil && !ok {
			err = web.ErrNotFound
		}
		d.Provider = p
		return err
	}); err != nil {
		return err
	}
	if pkg, err := h.Policies.At(d.Region, h.Today()); err == nil {
		d.RegionName = pkg.Name
	}
	v.Public = true
	return v.Show("provider.html", v.Say(d.Name, "Hospital or pharmacy"), d)
}
