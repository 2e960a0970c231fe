// Package provider is the register of hospitals and pharmacies (定点医药机构).
package provider

import (
	"context"
	"strings"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
)

// Provider is a hospital or pharmacy.
type Provider struct {
	Code       string // 机构编号, twelve characters
	Name       string
	Region     string // where it stands (就医地)
	Level      policy.Level
	Kind       policy.ProviderKind
	Designated bool // has an agreement (定点)
	Private    bool
	CreditCode string // 统一社会信用代码, may be ""
	District   string // 区县 where it stands, may be ""
	Address    string // may be ""
	Position   Point  // zero: not known
	Away       Answer // settles people from elsewhere at once (跨省直接结算)

	// Level and Designated are those of before anything was decided of its
	// agreement; On says how it stands on a day.
	changes *changes
}

// Answer is yes or no, or not known.
type Answer uint8

// The answers.
const (
	Unknown Answer = iota
	Yes
	No
)

const columns = `SELECT code, name, region, level, kind, designated, private, credit_code, district, address, COALESCE(lat, 0), COALESCE(lon, 0), COALESCE(away, 0) FROM provider `

// Get finds a provider; ok is false if there is none of that code.
func Get(ctx context.Context, tx *db.Tx, code string) (p Provider, ok bool, err error) {
	found, ok := tx.Kept(key(code)).(*Provider)
	if !ok {
		if err := Expect(ctx, tx, code); err != nil {
			return Provider{}, false, err
		}
		found = tx.Kept(key(code)).(*Provider)
	}
	if err := tx.Flush(ctx); err != nil {
		return Provider{}, false, err
	}
	return *found, found.Code != "", nil
}

type key string

// Expect makes ready for Get: it reads the provider together with what else
// the transaction reads.
func Expect(ctx context.Context, tx *db.Tx, code string) error {
	p := &Provider{}
	tx.Keep(key(code), p)
	if err := tx.Later(ctx, func(rows *db.Rows) (err error) {
		*p, err = scan(rows)
		return err
	}, columns+`WHERE code = ?`, code); err != nil {
		return err
	}
	return tx.Later(ctx, func(rows *db.Rows) error { return p.change(rows) },
		`SELECT `+changeColumns+` FROM agreement_change WHERE provider = ? ORDER BY from_day, n`, code)
}

// Named finds the providers of a name, by code, at most limit.
func Named(ctx context.Context, tx *db.Tx, name string, limit int) (all []Provider, err error) {
	return list(ctx, tx, columns+`WHERE name = ? ORDER BY code LIMIT ?`, name, limit)
}

// list reads providers with what changes of them.
func list(ctx context.Context, tx *db.Tx, query string, args ...any) (all []Provider, err error) {
	at := map[string]int{}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		p, err := scan(rows)
		at[p.Code] = len(all)
		all = append(all, p)
		return err
	}, query, args...)
	if err != nil || len(all) == 0 {
		return all, err
	}
	// Few providers have changes; one that the list has not is passed over.
	first, last := all[0].Code, all[0].Code
	for _, p := range all {
		first, last = min(first, p.Code), max(last, p.Code)
	}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var code string
		c, err := scanChange(rows, &code)
		if i, ok := at[code]; ok {
			all[i].add(c)
		}
		return err
	}, `SELECT `+changeColumns+`, provider FROM agreement_change WHERE provider >= ? AND provider <= ? ORDER BY provider, from_day, n`, first, last)
	return all, err
}

// Within lists the providers of a kind that stand in a region and are designated
// on a day, by a part of their name or all of them, by name, at most limit.
func Within(ctx context.Context, tx *db.Tx, region string, kind policy.ProviderKind, day civil.Date, part string, limit int) (all []Provider, err error) {
	first, last := region, strings.TrimRight(region, "0")
	if len(last)%2 == 1 {
		last += "0"
	}
	last += "999999"[:6-len(last)]
	found, err := list(ctx, tx, columns+`WHERE region >= ? AND region <= ? AND kind = ? AND name LIKE ? ESCAPE '!' ORDER BY name, code LIMIT ?`,
		first, last, kind, contains(part), 4*limit)
	for _, p := range found {
		if p = p.On(day); p.Designated && len(all) < limit {
			all = append(all, p)
		}
	}
	return all, err
}

// Wanted is what people look for. A field at its zero value asks for nothing.
type Wanted struct {
	NameHas    string // part of the name
	Region     string
	District   string
	Kind       *policy.ProviderKind
	Level      *policy.Level // of hospitals
	Designated bool          // those that are
	Away       bool          // those that settle people from elsewhere at once
	Near       Point         // the nearest first, then those whose position is not known
	On         civil.Date    // how they stand: on this day
}

// read is how many providers Find reads at once.
const read = 200

// Find lists providers as they stand on the day, in order of their codes or, near
// a point, of their distance from it.
func Find(ctx context.Context, tx *db.Tx, f Wanted, p catalogue.Page) (out []Provider, err error) {
	where, args := `WHERE name LIKE ? ESCAPE '!'`, []any{contains(f.NameHas)}
	add := func(asked bool, condition string, with ...any) {
		if asked {
			where += ` AND ` + condition
			args = append(args, with...)
		}
	}
	add(f.Region != "", `region = ?`, f.Region)
	add(f.District != "", `district = ?`, f.District)
	if f.Kind != nil {
		add(true, `kind = ?`, int(*f.Kind))
	}
	add(f.Level != nil, `kind = ?`, int(policy.Hospital))
	add(f.Away, `away = ?`, int(Yes))
	order := `ORDER BY code`
	if f.Near != (Point{}) {
		// Within a city the earth is flat enough to put distances in order; counted in
		// 10⁻⁴ degrees, some ten metres, the squares fit.
		order = `ORDER BY CASE WHEN lat IS NULL OR lon IS NULL THEN 1 ELSE 0 END, ((lat - ?) / 100) * ((lat - ?) / 100) * 1000 + ((lon - ?) / 100) * ((lon - ?) / 100) * ?, code`
		args = append(args, f.Near.Lat, f.Near.Lat, f.Near.Lon, f.Near.Lon, f.Near.shrink())
	}
	passed := int64(0)
	for offset := 0; offset < maxListed; offset += read {
		some, err := list(ctx, tx, columns+where+` `+order+` LIMIT ? OFFSET ?`, append(args[:len(args):len(args)], read, offset)...)
		if err != nil {
			return nil, err
		}
		for _, x := range some {
			x = x.On(f.On)
			if f.Designated && !x.Designated || f.Level != nil && x.Level != *f.Level {
				continue
			}
			if passed++; passed <= p.Offset {
				continue
			}
			if out = append(out, x); int64(len(out)) >= p.Limit {
				return out, nil
			}
		}
		if len(some) < read {
			break
		}
	}
	return out, nil
}

// Districts lists the districts of a region in which providers stand.
func Districts(ctx context.Context, tx *db.Tx, region string) (all []string, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var d string
		err := rows.Scan(&d)
		all = append(all, d)
		return err
	}, `SELECT DISTINCT district FROM provider WHERE region = ? AND district <> '' ORDER BY district LIMIT 200`, region)
	return all, err
}

func contains(part string) string { return catalogue.Contains(part) }

func scan(row interface{ Scan(...any) error }) (p Provider, err error) {
	err = row.Scan(&p.Code, &p.Name, &p.Region, &p.Level, &p.Kind, &p.Designated, &p.Private, &p.CreditCode, &p.District, &p.Address, &p.Position.Lat, &p.Position.Lon, &p.Away)
	return p, err
}

// Add registers a provider.
func Add(ctx context.Context, tx *db.Tx, p Provider) error {
	tx.Keep(key(p.Code), nil)
	var lat, lon, away any
	if p.Position != (Point{}) {
		lat, lon = p.Position.Lat, p.Position.Lon
	}
	if p.Away != Unknown {
		away = int(p.Away)
	}
	return tx.Exec(ctx, `INSERT INTO provider (code, name, region, level, kind, designated, private, credit_code, district, address, lat, lon, away) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		p.Code, p.Name, p.Region, p.Level, p.Kind, p.Designated, p.Private, p.CreditCode, p.District, p.Address, lat, lon, away)
}
