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
}

const columns = `SELECT code, name, region, level, kind, designated, private, credit_code FROM provider `

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

// Search finds providers by a part of their name, or all of them, in order of
// their codes.
func Search(ctx context.Context, tx *db.Tx, part string, p catalogue.Page) (all []Provider, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		x, err := scan(rows)
		all = append(all, x)
		return err
	}, columns+`WHERE name LIKE ? ESCAPE '!' ORDER BY code LIMIT ? OFFSET ?`, catalogue.Contains(part), p.Limit, p.Offset)
	return all, err
}

// InRegion lists the providers of a region, in order of their codes.
func InRegion(ctx context.Context, tx *db.Tx, region string) (all []Provider, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		x, err := scan(rows)
		all = append(all, x)
		return err
	}, columns+`WHERE region = ? ORDER BY code`, region)
	return all, err
}

func scan(row interface{ Scan(...any) error }) (p Provider, err error) {
	err = row.Scan(&p.Code, &p.Name, &p.Region, &p.Level, &p.Kind, &p.Designated, &p.Private, &p.CreditCode)
	return p, err
}

// Add registers a provider.
func Add(ctx context.Context, tx *db.Tx, p Provider) error {
	tx.Keep(key(p.Code), nil)
	return tx.Exec(ctx, `INSERT INTO provider (code, name, region, level, kind, designated, private, credit_code) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		p.Code, p.Name, p.Region, p.Level, p.Kind, p.Designated, p.Private, p.CreditCode)
}
