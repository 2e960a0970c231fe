package catalogue

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// Error is a fault of the request: which field, what it holds, what is allowed.
type Error struct {
	Field string
	Value string
	Want  string // in Chinese
}

func (e *Error) Error() string {
	if e.Value == "" {
		return e.Field + "：" + e.Want
	}
	return e.Field + "「" + e.Value + "」：" + e.Want
}

// Refusal says what of the request is refused, and why.
func (e *Error) Refusal() (field, value, want string) { return e.Field, e.Value, e.Want }

// Act says what a row of a revision does.
type Act string

// The acts.
const (
	Set Act = "set" // 设定: the item is as the row says from its first day on
	End Act = "end" // 停用: the item holds no more from that day on
)

// Title is the act in Chinese.
func (a Act) Title() string {
	if a == End {
		return "停用"
	}
	return "设定"
}

// Row is one row of a revision: an item as it is to be from a day on.
type Row struct {
	Act         Act
	Code        string
	Name        string // "": as it was
	Kind        Kind   // "": as it was
	Class       policy.LineClass
	FirstPay    money.Rate
	UnitCeiling money.Fen
	Charge      string // "": as it was
	Restriction string
	From, To    civil.Date

	at [numColumns]string // cells of the sheet that it was read from, "" for those of a form
}

// RowFault is what is wrong with a cell of a row.
type RowFault struct {
	Cell   string // such as D5; "" for a field of a form
	Field  string
	Column string // in Chinese
	Value  string
	Want   string // in Chinese
}

// RowFaults refuse rows: every fault of every row, at most maxFaults.
type RowFaults []RowFault

// maxFaults bounds the faults that are told.
const maxFaults = 200

func (f RowFaults) Error() string {
	var all []string
	for _, x := range f {
		all = append(all, strings.TrimSpace(x.Cell+" "+x.Column)+"「"+x.Value+"」："+x.Want)
	}
	return strings.Join(all, "\n")
}

// Refusal says what is wrong: of a form, the first field; of a sheet, how much.
func (f RowFaults) Refusal() (field, value, want string) {
	if f[0].Cell == "" {
		return f[0].Field, f[0].Value, f[0].Want
	}
	return "file", "", fmt.Sprintf("有 %d 处要改，一行也没有保存；请按单元格改好再上传", len(f))
}

// State is how a revision stands.
type State string

// The states of a revision.
const (
	Proposed State = "proposed" // 待批准
	Approved State = "approved" // 已批准
	Declined State = "declined" // 未批准
	Revoked  State = "revoked"  // 已撤回
)

// Title is the state in Chinese.
func (s State) Title() string {
	return map[State]string{Proposed: "待批准", Approved: "已批准", Declined: "未批准", Revoked: "已撤回"}[s]
}

// Revision is what somebody wants to change of the catalogue, and another decides
// (目录调整).
type Revision struct {
	ID     string
	Region string // whose items, "" for those of all regions
	N      int    // of rows
	First  civil.Date
	Rows   []Row // not those of a list
	Reason string

	State     State
	At        time.Time
	Actor     string
	DecidedAt time.Time
	DecidedBy string
	Answer    string // why it was declined
}

// Upkeep changes the catalogue.
type Upkeep struct{ now func() time.Time }

// NewUpkeep returns it. now tells the time; nil is time.Now.
func NewUpkeep(now func() time.Time) *Upkeep {
	if now == nil {
		now = time.Now
	}
	return &Upkeep{now}
}

// zone is the one time of the country (北京时间).
var zone = time.FixedZone("CST", 8*60*60)

func (u *Upkeep) today() civil.Date { return civil.Of(u.now().In(zone)) }

// MaxRows bounds the rows of a revision.
const MaxRows = 5000

var (
	codePattern   = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]{0,49}$`)
	chargePattern = regexp.MustCompile(`^(0[1-9]|1[0-4])$`)
)

// maxCeiling bounds the ceiling price of one unit: ten million yuan.
const maxCeiling = money.Fen(10_000_000_00)

// check says what of a row is wrong in itself, whatever the catalogue holds.
func (u *Upkeep) check(r *Row) (faults RowFaults) {
	bad := func(column int, value, want string) { faults = append(faults, r.fault(column, value, want)) }
	if r.Act != Set && r.Act != End {
		bad(colAct, string(r.Act), "应为 设定 或 停用")
	}
	if !codePattern.MatchString(r.Code) {
		bad(colCode, r.Code, "应为 1 至 50 个字母或数字")
	}
	switch first := u.today().AddDays(1); {
	case r.From < first || r.From > first.AddMonths(12):
		bad(colFrom, day(r.From), "应为明天（"+first.String()+"）起一年以内的一天：已经过去的日子不能改")
	case r.To != 0 && r.To < r.From:
		bad(colTo, day(r.To), "不能早于生效日期 "+r.From.String())
	}
	if r.Act == End {
		return faults
	}
	if utf8.RuneCountInString(r.Name) > 200 {
		bad(colName, r.Name[:20]+"…", "不能超过 200 个字")
	}
	if r.Kind != "" && !slices.Contains(Kinds(), r.Kind) {
		bad(colKind, string(r.Kind), "应为 药品、诊疗项目、服务设施 或 医用耗材")
	}
	switch {
	case r.Class == policy.ClassA && r.FirstPay > 0:
		bad(colFirstPay, r.FirstPay.String(), "甲类没有先行自付，应为 0 或空")
	case r.Class == policy.ClassC && r.FirstPay != policy.FirstPayUnstated:
		bad(colFirstPay, r.FirstPay.String(), "丙类全部自费，应为空")
	case r.FirstPay > money.One:
		bad(colFirstPay, r.FirstPay.String(), "应为 0 到 1 的小数或百分数，如 10%")
	}
	if r.UnitCeiling > maxCeiling {
		bad(colCeiling, r.UnitCeiling.String(), "不能超过 "+maxCeiling.Grouped()+" 元")
	}
	if r.Charge != "" && !chargePattern.MatchString(r.Charge) {
		bad(colCharge, r.Charge, "应为 01 至 14 的收费项目类别，如 09 西药费")
	}
	if utf8.RuneCountInString(r.Restriction) > 500 {
		bad(colRestriction, "", "不能超过 500 个字")
	}
	return faults
}

func day(d civil.Date) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// Kinds are the kinds of item.
func Kinds() []Kind { return []Kind{Drug, Service, Facility, Consumable} }

// Title is the kind in Chinese.
func (k Kind) Title() string {
	return map[Kind]string{Drug: "药品", Service: "诊疗项目", Facility: "服务设施", Consumable: "医用耗材"}[k]
}

// fit says what of a row does not fit the catalogue of the region, and fills in
// what stays as it was. was is the item that the row ends or changes.
func (u *Upkeep) fit(ctx context.Context, tx *db.Tx, region string, r *Row) (faults RowFaults, was *Item, err error) {
	bad := func(column int, value, want string) { faults = append(faults, r.fault(column, value, want)) }
	history, err := History(ctx, tx, r.Code)
	if err != nil {
		return nil, nil, err
	}
	var like *Item // of all regions, or of this
	for i := range history {
		it := &history[i].Item
		if it.Region != "" && it.Region != region {
			continue
		}
		if like == nil || it.Region == region {
			like = it
		}
		if it.Region != region {
			continue
		}
		if it.From >= r.From {
			bad(colFrom, r.From.String(), "已定有 "+it.From.String()+" 起的内容，请选更晚的日期")
			return faults, nil, nil
		}
		if it.To == 0 || it.To >= r.From {
			was = it
		}
	}
	if r.Act == End {
		if was == nil {
			bad(colCode, r.Code, r.From.String()+" 本区目录没有这个编码，不用停用")
		}
		return faults, was, nil
	}
	if like == nil {
		if r.Name == "" {
			bad(colName, "", "新编码须写明名称")
		}
		if r.Kind == "" {
			bad(colKind, "", "新编码须写明类别")
		}
		if r.Charge == "" {
			bad(colCharge, "", "新编码须写明收费项目类别")
		}
		return faults, nil, nil
	}
	if r.Kind != "" && r.Kind != like.Kind {
		bad(colKind, r.Kind.Title(), "这个编码的类别是"+like.Kind.Title()+"，不能改")
	}
	r.Name, r.Kind, r.Charge = cmp.Or(r.Name, like.Name), like.Kind, cmp.Or(r.Charge, like.Charge)
	return faults, was, nil
}

// examine checks all rows.
func (u *Upkeep) examine(ctx context.Context, tx *db.Tx, region string, rows []Row) error {
	var faults RowFaults
	seen := map[string]bool{}
	for i := range rows {
		r := &rows[i]
		more := u.check(r)
		if seen[r.Code] {
			more = append(more, r.fault(colCode, r.Code, "同一编码写了两行"))
		}
		seen[r.Code] = true
		if len(more) == 0 {
			var err error
			if more, _, err = u.fit(ctx, tx, region, r); err != nil {
				return err
			}
		}
		if faults = append(faults, more...); len(faults) >= maxFaults {
			return faults[:maxFaults]
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// Propose writes a revision down. It changes nothing until another approves it,
// and is not written if a row has a fault (RowFaults).
func (u *Upkeep) Propose(ctx context.Context, tx *db.Tx, region, reason string, rows []Row, actor string) (*Revision, error) {
	switch n := utf8.RuneCountInString(reason); {
	case n < 4 || n > 500:
		return nil, &Error{"reason", "", "请写明依据或事由，4 至 500 个字"}
	case len(rows) == 0:
		return nil, &Error{"file", "", "没有要调整的行"}
	case len(rows) > MaxRows:
		return nil, &Error{"file", "", fmt.Sprintf("一次最多 %d 行", MaxRows)}
	}
	if err := tx.Lock(ctx, "catalogue"); err != nil {
		return nil, err
	}
	rows = slices.Clone(rows)
	if err := u.examine(ctx, tx, region, rows); err != nil {
		return nil, err
	}
	b := make([]byte, 4)
	rand.Read(b)
	v := &Revision{Region: region, N: len(rows), Rows: rows, Reason: reason, State: Proposed, At: u.now(), Actor: actor}
	v.ID = v.At.In(zone).Format("20060102150405") + hex.EncodeToString(b)
	v.First = rows[0].From
	stored := make([][]any, len(rows))
	for i, r := range rows {
		v.First = min(v.First, r.From)
		stored[i] = []any{v.ID, i + 1, string(r.Act), r.Code, r.Name, string(r.Kind), int(r.Class), int64(r.FirstPay), int64(r.UnitCeiling), r.Charge, r.Restriction, int(r.From), int(r.To)}
	}
	if err := tx.Exec(ctx, `INSERT INTO catalogue_revision (id, region, n, first_day, reason, state, at, actor, decided_at, decided_by, answer) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', '', '')`,
		v.ID, v.Region, v.N, int(v.First), v.Reason, string(v.State), v.At.UTC().Format(time.RFC3339), v.Actor); err != nil {
		return nil, err
	}
	if err := tx.Insert(ctx, "catalogue_revision_row (revision, n, act, code, name, kind, class, first_pay, unit_ceiling, charge, restriction, from_day, to_day)", stored); err != nil {
		return nil, err
	}
	return v, u.remember(ctx, tx, v, actor, reason)
}

func (u *Upkeep) remember(ctx context.Context, tx *db.Tx, v *Revision, actor, reason string) error {
	return audit.Append(ctx, tx, audit.Record{At: u.now(), Actor: actor, Action: "catalogue." + string(v.State), Subject: v.ID,
		Details: map[string]any{"region": v.Region, "rows": v.N, "from": v.First.String(), "reason": reason}})
}

// Approve makes a revision hold, all of it in one: each item from its day on, and
// the next version of each list that it is of, for providers to fetch. Who proposed
// it cannot. What holds on days that have come stays as it is.
func (u *Upkeep) Approve(ctx context.Context, tx *db.Tx, id, actor string) (*Revision, error) {
	v, err := u.open(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if v.Actor == actor {
		return nil, &Error{"actor", "", "须由另一人批准：提出的人不能自己决定"}
	}
	if err := u.examine(ctx, tx, v.Region, v.Rows); err != nil {
		return nil, err
	}
	entries := map[List][]Entry{}
	for i := range v.Rows {
		r := &v.Rows[i]
		_, was, err := u.fit(ctx, tx, v.Region, r)
		if err != nil {
			return nil, err
		}
		list, err := u.apply(ctx, tx, v.Region, r, was)
		if err != nil {
			return nil, err
		}
		e, err := u.entry(ctx, tx, v.Region, list, r)
		if err != nil {
			return nil, err
		}
		entries[list] = append(entries[list], e)
	}
	lists := make([]List, 0, len(entries))
	for l := range entries {
		lists = append(lists, l)
	}
	slices.Sort(lists)
	for _, l := range lists {
		if _, err := Publish(ctx, tx, l, u.today(), actor, entries[l]...); err != nil {
			return nil, err
		}
	}
	return v, u.decide(ctx, tx, v, Approved, actor, "")
}

// apply writes one row into the catalogue, and says in which list the item stands.
func (u *Upkeep) apply(ctx context.Context, tx *db.Tx, region string, r *Row, was *Item) (List, error) {
	list := r.Kind.list()
	if was != nil {
		list = was.List
		if err := tx.Exec(ctx, `UPDATE item SET to_day = ?, updated = ? WHERE code = ? AND region = ? AND from_day = ?`,
			int(r.From.AddDays(-1)), int(u.today()), was.Code, was.Region, int(was.From)); err != nil {
			return "", err
		}
	}
	if r.Act == End {
		return list, nil
	}
	it := Item{Code: r.Code, Region: region, From: r.From, To: r.To, Name: r.Name, Kind: r.Kind, Class: r.Class, FirstPay: r.FirstPay, UnitCeiling: r.UnitCeiling, Charge: r.Charge, Restriction: r.Restriction}
	if err := Add(ctx, tx, it); err != nil {
		return "", err
	}
	if err := tx.Exec(ctx, `UPDATE item SET updated = ? WHERE code = ? AND region = ? AND from_day = ?`, int(u.today()), r.Code, region, int(r.From)); err != nil {
		return "", err
	}
	var stands string
	err := tx.QueryRow(ctx, `SELECT list FROM item WHERE code = ? AND region = ? AND from_day = ?`, r.Code, region, int(r.From)).Scan(&stands)
	return List(stands), err
}

// classColumn is the column of the list of drugs that says the class.
const classColumn = "国家医保药品目录甲乙类标识"

// entry is the item's entry in its list, as it is to be published: of an item of
// all regions with what the row changes, of a region's as it was, so that a
// provider sees that there is something new of it.
func (u *Upkeep) entry(ctx context.Context, tx *db.Tx, region string, list List, r *Row) (Entry, error) {
	e, ok, err := FindEntry(ctx, tx, list, r.Code)
	if err != nil {
		return Entry{}, err
	}
	if !ok {
		e = Entry{Code: r.Code, Name: r.Name, From: r.From, To: r.To}
	} else if region != "" {
		return e, nil
	}
	if r.Act == End {
		e.To = r.From.AddDays(-1)
		return e, nil
	}
	e.Name, e.To, e.Withdrawn = r.Name, r.To, false
	if r.Kind == Drug {
		if e.Details == nil {
			e.Details = map[string]string{}
		}
		e.Details[classColumn] = map[policy.LineClass]string{policy.ClassA: "甲类", policy.ClassB: "乙类", policy.ClassC: "目录外"}[r.Class]
	}
	return e, nil
}

// Decline declines a revision for a reason. Who proposed it may only revoke it.
func (u *Upkeep) Decline(ctx context.Context, tx *db.Tx, id, actor, answer string) (*Revision, error) {
	v, err := u.open(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if v.Actor == actor {
		return nil, &Error{"actor", "", "须由另一人决定；您可以撤回"}
	}
	if n := utf8.RuneCountInString(answer); n < 4 || n > 500 {
		return nil, &Error{"answer", "", "请写明不批准的原因，4 至 500 个字"}
	}
	return v, u.decide(ctx, tx, v, Declined, actor, answer)
}

// Revoke takes a revision back. Only who proposed it can.
func (u *Upkeep) Revoke(ctx context.Context, tx *db.Tx, id, actor string) (*Revision, error) {
	v, err := u.open(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if v.Actor != actor {
		return nil, &Error{"actor", "", "只能由提出的人撤回"}
	}
	return v, u.decide(ctx, tx, v, Revoked, actor, "")
}

func (u *Upkeep) open(ctx context.Context, tx *db.Tx, id string) (*Revision, error) {
	if err := tx.Lock(ctx, "catalogue"); err != nil {
		return nil, err
	}
	v, ok, err := GetRevision(ctx, tx, id)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, &Error{"revision", id, "没有这次调整"}
	case v.State != Proposed:
		return nil, &Error{"revision", "", "这次调整" + v.State.Title() + "，不能再决定"}
	}
	return v, nil
}

func (u *Upkeep) decide(ctx context.Context, tx *db.Tx, v *Revision, to State, actor, answer string) error {
	v.State, v.DecidedAt, v.DecidedBy, v.Answer = to, u.now(), actor, answer
	if err := tx.Exec(ctx, `UPDATE catalogue_revision SET state = ?, decided_at = ?, decided_by = ?, answer = ? WHERE id = ?`,
		string(to), v.DecidedAt.UTC().Format(time.RFC3339), actor, answer, v.ID); err != nil {
		return err
	}
	return u.remember(ctx, tx, v, actor, answer)
}

const revisionColumns = `SELECT id, region, n, first_day, reason, state, at, actor, decided_at, decided_by, answer FROM catalogue_revision `

func scanRevision(row interface{ Scan(...any) error }) (*Revision, error) {
	v := &Revision{}
	var at, decided string
	err := row.Scan(&v.ID, &v.Region, &v.N, &v.First, &v.Reason, &v.State, &at, &v.Actor, &decided, &v.DecidedBy, &v.Answer)
	if err != nil {
		return nil, err
	}
	if v.At, err = time.Parse(time.RFC3339, at); err == nil && decided != "" {
		v.DecidedAt, err = time.Parse(time.RFC3339, decided)
	}
	return v, err
}

// Revisions lists revisions in a state, of a region and of all regions; region ""
// is every one. The newest is first; rows are left out.
func Revisions(ctx context.Context, tx *db.Tx, region string, state State, limit int) (all []*Revision, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		v, err := scanRevision(rows)
		all = append(all, v)
		return err
	}, revisionColumns+`WHERE state = ? AND (? = '' OR region IN (?, '')) ORDER BY id DESC LIMIT ?`, string(state), region, region, limit)
	return all, err
}

// Waiting is how many revisions wait to be approved by who keeps the catalogue of a
// region, "" for that of all.
func Waiting(ctx context.Context, tx *db.Tx, region string) (n int, err error) {
	err = tx.QueryRow(ctx, `SELECT COUNT(*) FROM catalogue_revision WHERE state = ? AND (? = '' OR region = ?)`, string(Proposed), region, region).Scan(&n)
	return n, err
}

// GetRevision finds a revision with its rows; ok is false if there is none.
func GetRevision(ctx context.Context, tx *db.Tx, id string) (v *Revision, ok bool, err error) {
	v, err = scanRevision(tx.QueryRow(ctx, revisionColumns+`WHERE id = ?`, id))
	if db.IsNotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return v, true, tx.Each(ctx, func(rows *db.Rows) error {
		var r Row
		err := rows.Scan(&r.Act, &r.Code, &r.Name, &r.Kind, &r.Class, &r.FirstPay, &r.UnitCeiling, &r.Charge, &r.Restriction, &r.From, &r.To)
		v.Rows = append(v.Rows, r)
		return err
	}, `SELECT act, code, name, kind, class, first_pay, unit_ceiling, charge, restriction, from_day, to_day FROM catalogue_revision_row WHERE revision = ? ORDER BY n`, id)
}

// History lists what is known of a code over all days and regions, by region and
// first day.
func History(ctx context.Context, tx *db.Tx, code string) (all []Listed, err error) {
	err = Items(ctx, tx, Filter{Code: code}, Page{Limit: 1000}, func(it Listed) error {
		all = append(all, it)
		return nil
	})
	return all, err
}

// recordOf is the number of an item's row.
func recordOf(code, region string, from civil.Date) string {
	return hex.EncodeToString(gm.Digest([]byte(code + "\t" + region + "\t" + from.String())))[:32]
}
