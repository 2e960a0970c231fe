package catalogue

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// upkeep changes a catalogue over a store, with a clock.
type upkeep struct {
	*testing.T
	*Upkeep
	db *db.DB
	at time.Time
}

// openUpkeep has one drug, in all regions and from June in one, and a service.
func openUpkeep(t *testing.T) *upkeep {
	t.Helper()
	u := &upkeep{T: t, db: dbtest.Open(t), at: time.Date(2025, 6, 20, 2, 0, 0, 0, time.UTC)}
	u.Upkeep = NewUpkeep(func() time.Time { return u.at })
	u.must(func(ctx context.Context, tx *db.Tx) error {
		if _, err := Publish(ctx, tx, WesternDrugs, 20250101, "t", Entry{Code: "D1", Name: "药", From: 20250101, Details: map[string]string{"药品规格": "1g", classColumn: "乙类"}}); err != nil {
			return err
		}
		for _, it := range []Item{
			{Code: "D1", From: 20250101, Name: "药", Kind: Drug, Class: policy.ClassB, FirstPay: money.Percent(10), UnitCeiling: policy.NoCeiling, Charge: "09"},
			{Code: "D1", Region: "990200", From: 20250601, Name: "药", Kind: Drug, Class: policy.ClassB, FirstPay: money.Percent(20), UnitCeiling: 2000, Charge: "09"},
			{Code: "S1", From: 20250101, Name: "诊", Kind: Service, Class: policy.ClassA, UnitCeiling: policy.NoCeiling, Charge: "02"},
		} {
			if err := Add(ctx, tx, it); err != nil {
				return err
			}
		}
		return nil
	})
	return u
}

func (u *upkeep) do(f func(context.Context, *db.Tx) error) error {
	ctx := context.Background()
	return u.db.Update(ctx, func(tx *db.Tx) error { return f(ctx, tx) })
}

func (u *upkeep) must(f func(context.Context, *db.Tx) error) {
	u.Helper()
	if err := u.do(f); err != nil {
		u.Fatal(err)
	}
}

func (u *upkeep) propose(region string, rows ...Row) (id string, err error) {
	err = u.do(func(ctx context.Context, tx *db.Tx) error {
		v, err := u.Propose(ctx, tx, region, "按新版目录调整", rows, "甲")
		if err == nil {
			id = v.ID
		}
		return err
	})
	return id, err
}

func (u *upkeep) approve(id, actor string) error {
	return u.do(func(ctx context.Context, tx *db.Tx) error { _, err := u.Approve(ctx, tx, id, actor); return err })
}

// finds wants what a region's catalogue holds on days: class, first own pay and
// ceiling; "" nothing.
func (u *upkeep) finds(region, code string, days map[civil.Date]string) {
	u.Helper()
	for day, want := range days {
		u.must(func(ctx context.Context, tx *db.Tx) error {
			it, ok, err := Find(ctx, tx, region, day, code)
			got := ""
			if ok {
				got = it.Class.String() + " " + it.FirstPay.String() + " " + it.UnitCeiling.String()
			}
			if got != want {
				u.Errorf("%s in %s on %s: %q, want %q", code, region, day, got, want)
			}
			return err
		})
	}
}

func (u *upkeep) version(list List, want int64) {
	u.Helper()
	u.must(func(ctx context.Context, tx *db.Tx) error {
		got, err := Latest(ctx, tx, list)
		if got != want {
			u.Errorf("%s is at version %d, want %d", list, got, want)
		}
		return err
	})
}

// TestRevision changes a drug, ends a service and adds one, from days to come.
func TestRevision(t *testing.T) {
	u := openUpkeep(t)
	id, err := u.propose("",
		Row{Act: Set, Code: "D1", Class: policy.ClassA, UnitCeiling: 1550, Restriction: "限二线用药", From: 20250701},
		Row{Act: End, Code: "S1", From: 20250801},
		Row{Act: Set, Code: "S2", Name: "新诊疗", Kind: Service, Class: policy.ClassB, FirstPay: money.Percent(5), UnitCeiling: policy.NoCeiling, Charge: "05", From: 20250701, To: 20251231})
	if err != nil {
		t.Fatal(err)
	}
	u.version(WesternDrugs, 1)
	u.finds("990100", "D1", map[civil.Date]string{20250701: "乙 0.1 -0.01"})
	if err := u.approve(id, "甲"); err == nil || !strings.Contains(err.Error(), "须由另一人批准") {
		t.Errorf("approved by who proposed it: %v", err)
	}
	if err := u.approve(id, "乙"); err != nil {
		t.Fatal(err)
	}
	u.finds("990100", "D1", map[civil.Date]string{20250101: "乙 0.1 -0.01", 20250630: "乙 0.1 -0.01", 20250701: "甲 0 15.50", 20300101: "甲 0 15.50"})
	u.finds("990200", "D1", map[civil.Date]string{20250531: "乙 0.1 -0.01", 20250701: "乙 0.2 20.00"}) // its own goes first
	u.finds("990100", "S1", map[civil.Date]string{20250731: "甲 0 -0.01", 20250801: ""})
	u.finds("990100", "S2", map[civil.Date]string{20250630: "", 20250701: "乙 0.05 -0.01", 20251231: "乙 0.05 -0.01", 20260101: ""})
	u.version(WesternDrugs, 2)
	u.version(Services, 1)
	u.must(func(ctx context.Context, tx *db.Tx) error {
		e, ok, err := FindEntry(ctx, tx, WesternDrugs, "D1")
		if err != nil || !ok || e.Version != 2 || e.Details["药品规格"] != "1g" || e.Details[classColumn] != "甲类" {
			t.Errorf("the list: %+v, %t, %v", e, ok, err)
		}
		it, _, err := Find(ctx, tx, "990100", 20250701, "D1")
		if it.Restriction != "限二线用药" || it.Name != "药" || it.Charge != "09" || it.List != WesternDrugs {
			t.Errorf("%+v", it)
		}
		return errors.Join(err, audit.Verify(ctx, tx))
	})

	// Of a region: its own row ends and another begins, the others' stay.
	if id, err = u.propose("990200", Row{Act: Set, Code: "D1", Class: policy.ClassB, FirstPay: policy.FirstPayUnstated, UnitCeiling: policy.NoCeiling, From: 20250710}); err != nil {
		t.Fatal(err)
	}
	if err := u.approve(id, "乙"); err != nil {
		t.Fatal(err)
	}
	u.finds("990200", "D1", map[civil.Date]string{20250709: "乙 0.2 20.00", 20250710: "乙 -0.00000001 -0.01"})
	u.finds("990100", "D1", map[civil.Date]string{20250710: "甲 0 15.50"})
	u.version(WesternDrugs, 3)
	for name, err := range map[string]error{
		"decided twice": u.approve(id, "丙"),
		"a row changed": u.do(func(ctx context.Context, tx *db.Tx) error {
			return tx.Exec(ctx, `DELETE FROM catalogue_revision_row`)
		}),
	} {
		if err == nil {
			t.Errorf("%s", name)
		}
	}
}

func TestRevisionRefusals(t *testing.T) {
	u := openUpkeep(t)
	ok := Row{Act: Set, Code: "D1", Class: policy.ClassA, UnitCeiling: policy.NoCeiling, From: 20250701}
	with := func(f func(*Row)) Row { r := ok; f(&r); return r }
	for _, x := range []struct {
		region string
		row    Row
		want   string
	}{
		{"", with(func(r *Row) { r.From = 20250620 }), "应为明天（2025-06-21）起一年以内"},
		{"", with(func(r *Row) { r.To = 20250630 }), "不能早于生效日期"},
		{"", with(func(r *Row) { r.Code = "a b" }), "应为 1 至 50 个字母或数字"},
		{"", with(func(r *Row) { r.Kind = Service }), "这个编码的类别是药品"},
		{"", with(func(r *Row) { r.Kind = "x" }), "应为 药品、诊疗项目"},
		{"", with(func(r *Row) { r.FirstPay = money.Percent(5) }), "甲类没有先行自付"},
		{"", with(func(r *Row) { r.Charge = "15" }), "应为 01 至 14"},
		{"", with(func(r *Row) { r.UnitCeiling = maxCeiling + 1 }), "不能超过 10,000,000.00 元"},
		{"", with(func(r *Row) { r.Code = "NEW" }), "新编码须写明名称"},
		{"990100", Row{Act: End, Code: "D1", From: 20250701}, "本区目录没有这个编码"},
	} {
		if _, err := u.propose(x.region, x.row); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%+v: %v, want %q", x.row, err, x.want)
		}
	}
	if _, err := u.propose("", ok, ok); err == nil || !strings.Contains(err.Error(), "同一编码写了两行") {
		t.Errorf("one code twice: %v", err)
	}
	if _, err := u.propose(""); err == nil {
		t.Error("nothing is proposed")
	}
	// What was right when it was proposed may not be when it is approved.
	first, err := u.propose("", ok)
	if err != nil {
		t.Fatal(err)
	}
	second, err := u.propose("", with(func(r *Row) { r.From = 20250710 }))
	if err != nil {
		t.Fatal(err)
	}
	if err := u.approve(second, "乙"); err != nil {
		t.Fatal(err)
	}
	if err := u.approve(first, "乙"); err == nil || !strings.Contains(err.Error(), "已定有 2025-07-10 起的内容") {
		t.Errorf("approved after a later one: %v", err)
	}
	for name, x := range map[string]struct {
		do   func(ctx context.Context, tx *db.Tx) (*Revision, error)
		want string
	}{
		"declined by who proposed": {func(ctx context.Context, tx *db.Tx) (*Revision, error) {
			return u.Decline(ctx, tx, first, "甲", "不再需要了")
		}, "须由另一人"},
		"declined without reason": {func(ctx context.Context, tx *db.Tx) (*Revision, error) { return u.Decline(ctx, tx, first, "乙", "") }, "请写明"},
		"revoked by another":      {func(ctx context.Context, tx *db.Tx) (*Revision, error) { return u.Revoke(ctx, tx, first, "乙") }, "只能由提出的人"},
	} {
		if err := u.do(func(ctx context.Context, tx *db.Tx) error { _, err := x.do(ctx, tx); return err }); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	u.must(func(ctx context.Context, tx *db.Tx) error { _, err := u.Revoke(ctx, tx, first, "甲"); return err })
}

// sheetOf is an Excel file of rows.
func sheetOf(t *testing.T, rows ...[]any) *bytes.Buffer {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	for i, r := range rows {
		cell, err := excelize.CoordinatesToCellName(1, i+1)
		if err == nil {
			err = f.SetSheetRow("Sheet1", cell, &r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return &b
}

var titles = []any{"医疗目录编码", "办理", "名称", "类别", "甲乙丙", "先行自付比例", "支付标准（元）", "收费项目类别", "限制使用", "生效日期", "失效日期"}

func TestReadSheet(t *testing.T) {
	rows, err := ReadSheet(sheetOf(t, titles,
		[]any{"D1", "设定", "", "", "乙类", "10%", "1,234.5", 9, "限住院", "2025-07-01", ""},
		[]any{},
		[]any{"S1", "停用", "", "", "", "", "", "", "", 45839, ""}))
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 {
		t.Fatalf("%d rows", len(rows))
	}
	a, b := rows[0], rows[1]
	if a.Act != Set || a.Class != policy.ClassB || a.FirstPay != money.Percent(10) || a.UnitCeiling != 123450 || a.Charge != "09" || a.From != 20250701 || a.at[colClass] != "E2" {
		t.Errorf("%+v", a)
	}
	if b.Act != End || b.Code != "S1" || b.From != 20250701 {
		t.Errorf("%+v", b)
	}
	_, err = ReadSheet(sheetOf(t, titles,
		[]any{"D1", "改", "", "", "丁", "10", "-1", "", "", "明天", ""},
		[]any{"D2", "设定", "", "", "甲", "", "", "", "", "", ""}))
	var faults RowFaults
	if !errors.As(err, &faults) {
		t.Fatal(err)
	}
	var cells []string
	for _, f := range faults {
		cells = append(cells, f.Cell)
	}
	if got := strings.Join(cells, " "); got != "B2 J2 J3" {
		t.Errorf("faults in %s: %v", got, err)
	}
	_, err = ReadSheet(sheetOf(t, titles, []any{"D1", "设定", "", "", "丁", "10", "x", "", "", "2025-07-01", ""}))
	if !errors.As(err, &faults) || len(faults) != 3 || faults[1].Cell != "F2" || faults[1].Want != "应为 0 到 1 的小数或百分数，如 10%" {
		t.Errorf("%v", err)
	}
	for name, x := range map[string]*bytes.Buffer{"no sheet": bytes.NewBufferString("x"), "other titles": sheetOf(t, []any{"编码"})} {
		if _, err := ReadSheet(x); err == nil {
			t.Errorf("%s is read", name)
		}
	}
	// The template itself is read: its hints are no rows, its example is one.
	var b2 bytes.Buffer
	if err := Template(&b2, 20250621); err != nil {
		t.Fatal(err)
	}
	if rows, err := ReadSheet(&b2); err != nil || len(rows) != 1 || rows[0].UnitCeiling != 2000 {
		t.Errorf("the template: %+v, %v", rows, err)
	}
}
