// Package place knows the names of provinces and cities by their codes of six
// digits (行政区划代码, GB/T 2260), as of the year that regions.csv says.
package place

import (
	_ "embed"
	"encoding/csv"
	"strings"

	"github.com/anji-platform/anji/ident"
)

//go:embed regions.csv
var data string

// Place is a province or a city.
type Place struct {
	Code string
	Name string
}

// Province is a province with its cities.
type Province struct {
	Place
	Cities []Place // none of Beijing and the like, which have districts only
}

var provinces, names = func() ([]Province, map[string]string) {
	rows, err := csv.NewReader(strings.NewReader(data)).ReadAll()
	if err != nil {
		panic(err) // a fault of the build
	}
	var all []Province
	names := map[string]string{}
	for _, r := range rows[1:] {
		p := Place{r[0], r[1]}
		names[p.Code] = p.Name
		if strings.HasSuffix(p.Code, "0000") {
			all = append(all, Province{Place: p})
			continue
		}
		last := &all[len(all)-1]
		last.Cities = append(last.Cities, p)
	}
	return all, names
}()

// Provinces lists all provinces with their cities, in order of their codes.
func Provinces() []Province { return provinces }

// Name is what a region is called, as far as it is known: 江苏省苏州市 for a city or
// a county in it; the code itself for what is not known.
func Name(code string) string {
	r, err := ident.ParseRegion(code)
	if err != nil {
		return code
	}
	province := names[string(r.Province())]
	if city := names[string(r.City())]; city != "" && city != province {
		return province + city
	}
	if province == "" {
		return code
	}
	return province
}
