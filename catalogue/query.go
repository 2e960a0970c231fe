package catalogue

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
)

// Listed is an item with its place in the insurance catalogue.
type Listed struct {
	Item
	Record  string     // a number of its own, at most 32 characters
	Updated civil.Date // day on which it was last written
}

// Filter says which items a query is for. A field at its zero value asks for
// nothing.
type Filter struct {
	Code         string
	NameHas      string // part of the name
	Has          string // part of the name, the code or the mnemonics
	Kind         Kind
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
	WithCeiling  bool   // has a ceiling price
	WithFirstPay bool   // its first own pay is stated, or it is class 丙
	Wubi, Pinyin string // 助记码
	Typed        string // part of the name, or what the code or a 助记码 begins with
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
	add(f.Code != "", `i.code = ?`, f.Code)
	add(f.NameHas != "", `LOWER(i.name) LIKE LOWER(?) ESCAPE '!'`, Contains(f.NameHas))
	add(f.Has != "", `(LOWER(i.name) LIKE LOWER(?) ESCAPE '!' OR LOWER(i.code) LIKE LOWER(?) ESCAPE '!' OR LOWER(e.attributes) LIKE LOWER(?) ESCAPE '!')`,
		Contains(f.Has), Contains(f.Has), Contains(`助记码":"`+f.Has))
	add(f.Kind != "", `i.kind = ?`, string(f.Kind))
	add(f.Record != "", `i.record = ?`, f.Record)
	add(f.List != "", `i.list = ?`, string(f.List))
	if f.Region != nil {
		add(true, `i.region IN (?, '')`, *f.Region)
	}
	add(f.Charge != "", `i.charge = ?`, f.Charge)
	if f.Class != nil {
		add(true, `i.class = ?`, int(*f.Class))
	}
	add(f.On != 0, `i.from_day <= ? AND (i.to_day = 0 OR i.to_day >= ?)`, int(f.On), int(f.On))
	add(f.BeginsFrom != 0, `i.from_day >= ?`, int(f.BeginsFrom))
	add(f.EndsBy != 0, `i.to_day <> 0 AND i.to_day <= ?`, int(f.EndsBy))
	add(f.UpdatedSince != 0, `i.updated >= ?`, int(f.UpdatedSince))
	if f.Ended != nil {
		add(*f.Ended, `i.to_day <> 0 AND i.to_day < ?`, int(f.Today))
		add(!*f.Ended, `(i.to_day = 0 OR i.to_day >= ?)`, int(f.Today))
	}
	add(f.WithCeiling, `i.unit_ceiling >= 0`)
	add(f.WithFirstPay, `(i.first_pay >= 0 OR i.class = ?)`, int(policy.ClassC))
	const says = `LOWER(e.attributes) LIKE LOWER(?) ESCAPE '!'`
	add(f.Wubi != "", says, Contains(column("五笔助记码", f.Wubi)))
	add(f.Pinyin != "", says, Contains(column("拼音助记码", f.Pinyin)))
	if f.Typed != "" {
		begins := func(title string) string { return Contains(strings.TrimSuffix(column(title, f.Typed), `"`)) }
		add(true, `(LOWER(i.name) LIKE LOWER(?) ESCAPE '!' OR LOWER(i.code) LIKE LOWER(?) ESCAPE '!' OR `+says+` OR `+says+`)`,
			Contains(f.Typed), Contains(f.Typed)[1:], begins("拼音助记码"), begins("五笔助记码"))
	}
	query := `SELECT ` + itemColumns + `, i.record, i.updated FROM ` + itemTables
	if len(where) > 0 {
		query += ` WHERE ` + strings.Join(where, ` AND `)
	}
	return tx.Each(ctx, func(rows *db.Rows) error {
		var it Listed
		err := rows.Scan(append(it.columns(), &it.Record, &it.Updated)...)
		if err != nil {
			return err
		}
		return each(it)
	}, query+` ORDER BY i.code, i.region, i.from_day LIMIT ? OFFSET ?`, append(args, p.Limit, p.Offset)...)
}

// column is what the attributes of an entry say of one column, as they are
// written.
func column(title, text string) string {
	b, _ := json.Marshal(map[string]string{title: text}) // it cannot fail
	return string(b[1 : len(b)-1])
}

// Contains is a pattern of LIKE … ESCAPE '!' for texts that contain s.
func Contains(s string) string {
	return "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(s) + "%"
}
