// Package catalogue holds the three catalogues (三个目录): drugs, services and
// facilities, consumables, each entry with the days on which it holds.
package catalogue

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// Kind is the catalogue that an item belongs to.
type Kind string

// The kinds of item.
const (
	Drug       Kind = "drug"       // 药品
	Service    Kind = "service"    // 医疗服务项目
	Facility   Kind = "facility"   // 医疗服务设施
	Consumable Kind = "consumable" // 医用耗材
)

// Item is one catalogue entry as it holds in a region over some days.
type Item struct {
	Code        string // 医疗目录编码
	Region      string // care region, or "" for all
	From, To    civil.Date
	Name        string
	Kind        Kind
	Class       policy.LineClass
	FirstPay    money.Rate // or policy.FirstPayUnstated
	UnitCeiling money.Fen  // 支付标准 of one unit, or policy.NoCeiling
	Charge      string     // 医疗收费项目类别, e.g. 09 西药费
	Restriction string     // 限制使用, "" for none
	List        List       // the list that it stands in; set by Find and Items

	attributes string // of its entry in the list, as JSON
}

// Attributes are what the lists say of an item beyond what decides its
// payment, as they say it now; "" is what they do not say.
type Attributes struct {
	Brand         string // 商品名
	Form          string // 剂型名称
	Specification string // 规格
	Origin        string // 生产地类别
	Essential     string // 基本药物标志
	Negotiated    string // 医保谈判药品标志
	Paediatric    string // 儿童用药
	Wubi, Pinyin  string // 助记码
	Note          string // 备注
}

// Attributes reads what the item's list says of it; it is empty for what was
// not read from the catalogue.
func (it Item) Attributes() (a Attributes, err error) {
	if it.attributes == "" {
		return a, nil
	}
	// The lists differ in the titles of these columns.
	var c struct {
		Brand         string `json:"药品商品名"`
		Form          string `json:"药品剂型名称"`
		OwnForm       string `json:"剂型名称"`
		Specification string `json:"药品规格"`
		Size          string `json:"规格"`
		Origin        string `json:"生产地类别"`
		Essential     string `json:"基本药物标志"`
		Negotiated    string `json:"医保谈判药品标志"`
		Paediatric    string `json:"儿童用药"`
		Wubi          string `json:"五笔助记码"`
		Pinyin        string `json:"拼音助记码"`
		Note          string `json:"备注"`
	}
	if err := json.Unmarshal([]byte(it.attributes), &c); err != nil {
		return a, fmt.Errorf("entry %s of %s: %w", it.Code, it.List, err)
	}
	a = Attributes{
		Brand: c.Brand, Form: cmp.Or(c.Form, c.OwnForm), Specification: cmp.Or(c.Specification, c.Size), Origin: c.Origin,
		Essential: c.Essential, Negotiated: c.Negotiated, Paediatric: c.Paediatric, Wubi: c.Wubi, Pinyin: c.Pinyin, Note: c.Note,
	}
	if it.List == Preparations { // of which the name is the brand
		a.Brand = it.Name
	}
	return a, nil
}

// The columns that are read of an item, and where they stand: an item need not
// be in a list.
const (
	itemColumns = `i.code, i.region, i.from_day, i.to_day, i.name, i.kind, i.class, i.first_pay, i.unit_ceiling, i.charge, i.restriction, i.list, COALESCE(e.attributes, '')`
	itemTables  = `item i LEFT JOIN catalogue_entry e ON e.list = i.list AND e.code = i.code`
)

// columns are where itemColumns are read into.
func (it *Item) columns() []any {
	return []any{&it.Code, &it.Region, &it.From, &it.To, &it.Name, &it.Kind, &it.Class, &it.FirstPay, &it.UnitCeiling, &it.Charge, &it.Restriction, &it.List, &it.attributes}
}

// Quantity is a quantity in units of 1/10000 (数量, four decimals).
type Quantity int64

// Ceiling is the ceiling of a whole line: unit ceiling × quantity, rounded
// half up to the fen.
func (it Item) Ceiling(q Quantity) money.Fen {
	if it.UnitCeiling < 0 {
		return policy.NoCeiling
	}
	hi, lo := bits.Mul64(uint64(it.UnitCeiling), uint64(max(q, 0)))
	lo, carry := bits.Add64(lo, 5000, 0)
	hi += carry
	if hi >= 10_000 {
		return money.Max
	}
	v, _ := bits.Div64(hi, lo, 10_000)
	return money.Fen(min(v, uint64(money.Max)))
}

// Find looks an item up in the care region's catalogue on a day; ok is false
// if the catalogue does not hold it then, and so no fund pays for it.
func Find(ctx context.Context, tx *db.Tx, region string, day civil.Date, code string) (it Item, ok bool, err error) {
	k := entry{region, day, code}
	found, ok := tx.Kept(k).(*Item)
	if !ok {
		if err := Expect(ctx, tx, region, day, code); err != nil {
			return Item{}, false, err
		}
		found = tx.Kept(k).(*Item)
	}
	if err := tx.Flush(ctx); err != nil {
		return Item{}, false, err
	}
	return *found, found.Code != "", nil
}

type entry struct {
	region string
	day    civil.Date
	code   string
}

// Expect makes ready for Find: it reads the item together with what else the
// transaction reads.
func Expect(ctx context.Context, tx *db.Tx, region string, day civil.Date, code string) error {
	k := entry{region, day, code}
	if tx.Kept(k) != nil {
		return nil
	}
	it := &Item{}
	tx.Keep(k, it)
	return tx.Later(ctx, func(rows *db.Rows) error {
		return rows.Scan(it.columns()...)
	}, `SELECT `+itemColumns+` FROM `+itemTables+`
		WHERE i.code = ? AND i.region IN (?, '') AND i.from_day <= ? AND (i.to_day = 0 OR i.to_day >= ?)
		ORDER BY i.region DESC, i.from_day DESC LIMIT 1`, code, region, int(day), int(day))
}

// Add writes an item. It stands in the list that has its code, or else in the
// list of its kind, and counts as written on its first day.
func Add(ctx context.Context, tx *db.Tx, it Item) error {
	list := it.Kind.list()
	err := tx.QueryRow(ctx, `SELECT list FROM catalogue_entry WHERE code = ? ORDER BY list LIMIT 1`, it.Code).Scan(&list)
	if err != nil && !db.IsNotFound(err) {
		return err
	}
	return tx.Exec(ctx, `INSERT INTO item (code, region, from_day, to_day, name, kind, class, first_pay, unit_ceiling, charge, list, record, updated, restriction) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		it.Code, it.Region, int(it.From), int(it.To), it.Name, string(it.Kind), it.Class, int64(it.FirstPay), int64(it.UnitCeiling), it.Charge, string(list), recordOf(it.Code, it.Region, it.From), int(it.From), it.Restriction)
}

// list is the list that items of the kind stand in for want of a better one.
func (k Kind) list() List {
	switch k {
	case Drug:
		return WesternDrugs
	case Consumable:
		return Consumables
	}
	return Services
}

// String writes the quantity as a decimal.
func (q Quantity) String() string {
	s := ""
	if q < 0 {
		s, q = "-", -q
	}
	whole, part := int64(q)/10_000, int64(q)%10_000
	if part == 0 {
		return s + strconv.FormatInt(whole, 10)
	}
	return s + strconv.FormatInt(whole, 10) + "." + strings.TrimRight(strconv.FormatInt(10_000+part, 10)[1:], "0")
}
