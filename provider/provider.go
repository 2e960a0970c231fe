// Package provider is the register of hospitals and pharmacies (定点医药机构).
package provider

import (
	"context"

	"github.com/anji-platform/anji/catalogue"
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
	return tx.Later(ctx, func(rows *db.Rows) (err error) {
		*p, err = scan(rows)
		return err
	}, columns+`WHERE code = ?`, code)
}

// Named finds the providers of a name, by code, at most limit.
func Named(ctx context.Context, tx *db.Tx, name string, limit int) (all []Provider, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		p, err := scan(rows)
		all = append(all, p)
		return err
	}, columns+`WHERE name = ? ORDER BY code LIMIT ?`, name, limit)
	return all, err
}

// Filter picks providers. A field at its zero value asks for nothing.
type Filter struct {
	NameHas    string // part of the name
	Region     string
	District   string
	Kind       *policy.ProviderKind
	Level      *policy.Level // of hospitals
	Designated bool          // those that are
	Away       bool          // those that settle people from elsewhere at once
	Near       Point         // the nearest first, then those whose position is not known
}

// Find lists the providers of a filter in order of their codes or, near a point, of
// their distance from it.
func Find(ctx context.Context, tx *db.Tx, f Filter, p catalogue.Page) (all []Provider, err error) {
	where, args := `WHERE name LIKE ? ESCAPE '!'`, []any{catalogue.Contains(f.NameHas)}
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
	if f.Level != nil {
		add(true, `kind = ? AND level = ?`, int(policy.Hospital), int(*f.Level))
	}
	add(f.Designated, `designated = 1`)
	add(f.Away, `away = ?`, int(Yes))
	order := `ORDER BY code`
	if f.Near != (Point{}) {
		// Within a city the earth is flat enough to put distances in order; counted in
		// 10⁻⁴ degrees, some ten metres, the squares fit.
		order = `ORDER BY CASE WHEN lat IS NULL OR lon IS NULL THEN 1 ELSE 0 END, ((lat - ?) / 100) * ((lat - ?) / 100) * 1000 + ((lon - ?) / 100) * ((lon - ?) / 100) * ?, code`
		args = append(args, f.Near.Lat, f.Near.Lat, f.Near.Lon, f.Near.Lon, f.Near.shrink())
	}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		x, err := scan(rows)
		all = append(all, x)
		return err
	}, columns+where+` `+order+` LIMIT ? OFFSET ?`, append(args, p.Limit, p.Offset)...)
	return all, err
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
