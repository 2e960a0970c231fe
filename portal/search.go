package portal

import (
	"context"
	"strconv"
	"strings"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/provider"
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
		region := ""
		if v.Who != nil && v.Who.Operator == nil {
			region = v.Who.Acting.Region
		}
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

type providersData struct {
	page
	Providers []provider.Provider
	Names     map[string]string // of regions
}

// providers finds hospitals and pharmacies by a part of their names.
func (h *handler) providers(v *web.Visit) error {
	d := providersData{page: asked(v), Names: map[string]string{}}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		d.Providers, err = provider.Search(ctx, tx, d.Query, catalogue.Page{Offset: (d.Page - 1) * perPage, Limit: perPage + 1})
		return err
	}); err != nil {
		return err
	}
	more := len(d.Providers) > perPage
	if more {
		d.Providers = d.Providers[:perPage]
	}
	for i, p := range d.Providers {
		d.Providers[i] = p.On(h.Today())
		if pkg, err := h.Policies.At(p.Region, h.Today()); err == nil {
			d.Names[p.Region] = pkg.Name
		}
	}
	d.turn(v, more)
	v.Public = true
	return v.Show("providers.html", v.Say("查医院和药店", "Hospitals and pharmacies"), d)
}
