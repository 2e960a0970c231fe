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
	p.Code = code
	err = tx.QueryRow(ctx, `SELECT name, region, level, kind, designated, private FROM provider WHERE code = ?`, code).
		Scan(&p.Name, &p.Region, &p.Level, &p.Kind, &p.Designated, &p.Private)
	if db.IsNotFound(err) {
		return Provider{}, false, nil
	}
	return p, err == nil, err
}

// Add registers a provider.
func Add(ctx context.Context, tx *db.Tx, p Provider) error {
	return tx.Exec(ctx, `INSERT INTO provider (code, name, region, level, kind, designated, private) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		p.Code, p.Name, p.Region, p.Level, p.Kind, p.Designated, p.Private)
}
