package provider

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/gm"
)

// Mapping says which catalogue code stands for an item of a provider's own
// (目录对照) over some days.
type Mapping struct {
	Provider  string
	Code      string         // the provider's own (定点医药机构目录编号)
	Name      string         // the provider's own
	List      catalogue.List // of Item
	Item      string         // 医疗目录编码
	From, To  civil.Date
	Approval  string // 批准文号
	Form      string // 剂型
	Excluded  string // 除外内容
	Content   string // 项目内涵
	Unit      string // 计价单位
	Spec      string // 规格
	Packaging string // 包装规格
	Note      string // 备注

	// Set by the register.
	Record    string // a number of its own, of 32 characters
	Withdrawn bool
	Created   civil.Date
	Updated   civil.Date
}

// A MappingError refuses a mapping.
type MappingError struct {
	Row   int    // of the request, from 1
	Field string // "item", "code" or "days"
	Value string
	Want  string // in Chinese
}

func (e *MappingError) Error() string {
	return fmt.Sprintf("mapping %d: %s「%s」：%s", e.Row, e.Field, e.Value, e.Want)
}

// Map adds mappings of one provider, or changes those that it has of the same
// code, list and item. It refuses, with a *MappingError, an item that the list
// does not hold over any of the days, and days on which the provider's code
// already stands for another item.
func Map(ctx context.Context, tx *db.Tx, all []Mapping, at time.Time, actor string) error {
	for i, m := range all {
		refused := func(field, value, want string) error { return &MappingError{i + 1, field, value, want} }
		if m.To < m.From {
			return refused("days", m.From.String()+" 至 "+m.To.String(), "结束日期不能早于开始日期")
		}
		e, ok, err := catalogue.FindEntry(ctx, tx, m.List, m.Item)
		switch {
		case err != nil:
			return err
		case !ok:
			return refused("item", m.Item, "所填目录类别的目录中没有这个编码")
		case e.Withdrawn:
			return refused("item", m.Item, "目录中这个编码已作废")
		case m.To < e.From || e.To != 0 && e.To < m.From:
			return refused("item", m.Item, fmt.Sprintf("目录中这个编码的有效期是 %s，与对照的日期没有重叠", span(e.From, e.To)))
		}
		var other string
		err = tx.QueryRow(ctx, `SELECT item FROM provider_item WHERE provider = ? AND code = ? AND NOT (list = ? AND item = ?)
			AND withdrawn = 0 AND from_day <= ? AND to_day >= ? ORDER BY item LIMIT 1`,
			m.Provider, m.Code, string(m.List), m.Item, int(m.To), int(m.From)).Scan(&other)
		if err == nil {
			return refused("code", m.Code, "同一时期已对照到医疗目录编码 "+other+"，请先撤销")
		}
		if !db.IsNotFound(err) {
			return err
		}
		today := int(civil.Of(at))
		record := hex.EncodeToString(gm.Digest([]byte(strings.Join([]string{m.Provider, m.Code, string(m.List), m.Item}, "\t"))))[:32]
		err = tx.Exec(ctx, `INSERT INTO provider_item (provider, code, list, item, name, from_day, to_day, approval, form, excluded, content, unit, specification, packaging, note, record, withdrawn, created, updated)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)
			ON CONFLICT (provider, code, list, item) DO UPDATE SET name = excluded.name, from_day = excluded.from_day, to_day = excluded.to_day,
			approval = excluded.approval, form = excluded.form, excluded = excluded.excluded, content = excluded.content, unit = excluded.unit,
			specification = excluded.specification, packaging = excluded.packaging, note = excluded.note, withdrawn = 0, updated = excluded.updated`,
			m.Provider, m.Code, string(m.List), m.Item, m.Name, int(m.From), int(m.To), m.Approval, m.Form, m.Excluded, m.Content, m.Unit, m.Spec, m.Packaging, m.Note, record, today, today)
		if err != nil {
			return err
		}
	}
	return remember(ctx, tx, "map_items", all, at, actor)
}

// Withdraw takes mappings back; of each, the provider, code, list and item
// count. It refuses, with a *MappingError, one that is not there or was
// withdrawn before.
func Withdraw(ctx context.Context, tx *db.Tx, all []Mapping, at time.Time, actor string) error {
	for i, m := range all {
		n, err := tx.ExecCount(ctx, `UPDATE provider_item SET withdrawn = 1, updated = ? WHERE provider = ? AND code = ? AND list = ? AND item = ? AND withdrawn = 0`,
			int(civil.Of(at)), m.Provider, m.Code, string(m.List), m.Item)
		if err != nil {
			return err
		}
		if n == 0 {
			return &MappingError{i + 1, "code", m.Code, "没有到医疗目录编码 " + m.Item + " 的有效对照"}
		}
	}
	return remember(ctx, tx, "withdraw_items", all, at, actor)
}

// remember appends what was done with mappings to the audit record.
func remember(ctx context.Context, tx *db.Tx, action string, all []Mapping, at time.Time, actor string) error {
	if len(all) == 0 {
		return nil
	}
	codes := make([][2]string, len(all))
	for i, m := range all {
		codes[i] = [2]string{m.Code, m.Item}
	}
	return audit.Append(ctx, tx, audit.Record{At: at, Actor: actor, Action: action, Subject: all[0].Provider, Details: codes})
}

func span(from, to civil.Date) string {
	if to == 0 {
		return from.String() + " 起"
	}
	return from.String() + " 至 " + to.String()
}

// MappingFilter says which of a provider's mappings a query is for. A field at
// its zero value asks for nothing.
type MappingFilter struct {
	Provider     string // needed
	Code         string
	NameHas      string // part of the name
	List         catalogue.List
	Item         string
	On           civil.Date // holds on the day
	BeginsFrom   civil.Date
	UpdatedSince civil.Date
	Valid        *bool // neither withdrawn nor ended before Today
	Today        civil.Date
}

// Mappings calls each for the mappings of the filter in the page, by code, list
// and item. each runs no statement.
func Mappings(ctx context.Context, tx *db.Tx, f MappingFilter, p catalogue.Page, each func(Mapping) error) error {
	where, args := []string{`provider = ?`}, []any{f.Provider}
	add := func(asked bool, condition string, with ...any) {
		if asked {
			where = append(where, condition)
			args = append(args, with...)
		}
	}
	add(f.Code != "", `code = ?`, f.Code)
	add(f.NameHas != "", `LOWER(name) LIKE LOWER(?) ESCAPE '!'`, catalogue.Contains(f.NameHas))
	add(f.List != "", `list = ?`, string(f.List))
	add(f.Item != "", `item = ?`, f.Item)
	add(f.On != 0, `from_day <= ? AND to_day >= ?`, int(f.On), int(f.On))
	add(f.BeginsFrom != 0, `from_day >= ?`, int(f.BeginsFrom))
	add(f.UpdatedSince != 0, `updated >= ?`, int(f.UpdatedSince))
	if f.Valid != nil {
		add(*f.Valid, `withdrawn = 0 AND to_day >= ?`, int(f.Today))
		add(!*f.Valid, `(withdrawn = 1 OR to_day < ?)`, int(f.Today))
	}
	return tx.Each(ctx, func(rows *db.Rows) error {
		var m Mapping
		err := rows.Scan(&m.Provider, &m.Code, &m.List, &m.Item, &m.Name, &m.From, &m.To, &m.Approval, &m.Form, &m.Excluded, &m.Content, &m.Unit,
			&m.Spec, &m.Packaging, &m.Note, &m.Record, &m.Withdrawn, &m.Created, &m.Updated)
		if err != nil {
			return err
		}
		return each(m)
	}, `SELECT provider, code, list, item, name, from_day, to_day, approval, form, excluded, content, unit, specification, packaging, note, record, withdrawn, created, updated
		FROM provider_item WHERE `+strings.Join(where, ` AND `)+` ORDER BY code, list, item LIMIT ? OFFSET ?`, append(args, p.Limit, p.Offset)...)
}
