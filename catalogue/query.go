package catalogue

import (
	"context"
	"strings"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
)

// Listed is an item with its place in the insurance catalogue.
type Listed struct {
	Item
	List    List
	Record  string     // a number of its own, at most 32 characters
	Updated civil.Date // day on which it was last written
}

// Filter says which items a query is for. A field at its zero value asks for
// nothing.
type Filter struct {
	Code         string
	NameHas      string // part of the name
	Record       string
	List         List
	Region       *string // "" for what holds in every region
	Charge       string
	Class        *policy.LineClass
	On           civil.Date // holds on the day
	BeginsFrom   civil.Date // begins on the day or later
	EndsBy       civil.Date // ends on the day or before
	UpdatedSince civil.Date
	Ended        *bool // whether it has ended before Today
	Today        civil.Date
	WithCeiling  bool // has a ceiling price
	WithFirstPay bool // its first own pay is stated, or it is class 丙
}

// Page is a window on the rows of a query.
type Page struct{ Offset, Limit int64 }

// Items calls each for the items of the filter in the page, by code, region and
// first day. each runs no statement.
func Items(ctx context.Context, tx *db.Tx, f Filter, p Page, each func(Listed) error) error {
	var where []string
	var args []any
	add := func(asked bool, condition string, with ...any) {
		if asked {
			where = append(where, condition)
			args = append(args, with...)
		}
	}
	add(f.Code != "", `code = ?`, f.Code)
	add(f.NameHas != "", `LOWER(name) LIKE LOWER(?) ESCAPE '!'`, Contains(f.NameHas))
	add(f.Record != "", `record = ?`, f.Record)
	add(f.List != "", `list = ?`, string(f.List))
	if f.Region != nil {
		add(true, `region IN (?, '')`, *f.Region)
	}
	add(f.Charge != "", `charge = ?`, f.Charge)
	if f.Class != nil {
		add(true, `class = ?`, int(*f.Class))
	}
	add(f.On != 0, `from_day <= ? AND (to_day = 0 OR to_day >= ?)`, int(f.On), int(f.On))
	add(f.BeginsFrom != 0, `from_day >= ?`, int(f.BeginsFrom))
	add(f.EndsBy != 0, `to_day <> 0 AND to_day <= ?`, int(f.EndsBy))
	add(f.UpdatedSince != 0, `updated >= ?`, int(f.UpdatedSince))
	if f.Ended != nil {
		add(*f.Ended, `to_day <> 0 AND to_day < ?`, int(f.Today))
		add(!*f.Ended, `(to_day = 0 OR to_day >= ?)`, int(f.Today))
	}
	add(f.WithCeiling, `unit_ceiling >= 0`)
	add(f.WithFirstPay, `(first_pay >= 0 OR class = ?)`, int(policy.ClassC))
	query := `SELECT code, region, from_day, to_day, name, kind, class, first_pay, unit_ceiling, charge, list, record, updated FROM item`
	if len(where) > 0 {
		query += ` WHERE ` + strings.Join(where, ` AND `)
	}
	return tx.Each(ctx, func(rows *db.Rows) error {
		var it Listed
		err := rows.Scan(&it.Code, &it.Region, &it.From, &it.To, &it.Name, &it.Kind, &it.Class, &it.FirstPay, &it.UnitCeiling, &it.Charge, &it.List, &it.Record, &it.Updated)
		if err != nil {
			return err
		}
		return each(it)
	}, query+` ORDER BY code, region, from_day LIMIT ? OFFSET ?`, append(args, p.Limit, p.Offset)...)
}

// Contains is a pattern of LIKE … ESCAPE '!' for texts that contain s.
func Contains(s string) string {
	return "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(s) + "%"
}
