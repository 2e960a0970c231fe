// Package provider is the register of hospitals and pharmacies (定点医药机构).
package provider

import (
	"context"

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
}

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
	return tx.Later(ctx, func(rows *db.Rows) error {
		p.Code = code
		return rows.Scan(&p.Name, &p.Region, &p.Level, &p.Kind, &p.Designated, &p.Private)
	}, `SELECT name, region, level, kind, designated, private FROM provider WHERE code = ?`, code)
}

// Add registers a provider.
func Add(ctx context.Context, tx *db.Tx, p Provider) error {
	tx.Keep(key(p.Code), nil)
	return tx.Exec(ctx, `INSERT INTO provider (code, name, region, level, kind, designated, private) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		p.Code, p.Name, p.Region, p.Level, p.Kind, p.Designated, p.Private)
}
