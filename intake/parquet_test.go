package intake_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/intake"
	"github.com/anji-platform/anji/policy"
)

// person is a row of a Parquet file, with the types that other systems write.
type person struct {
	Name      string  `parquet:"姓名"`
	CitizenID string  `parquet:"公民身份号码"`
	Region    string  `parquet:"统筹区"`
	Scheme    *string `parquet:"险种,optional"`
	From      int32   `parquet:"起始日,date"`
	Retired   bool    `parquet:"退休"`
	Balance   int64   `parquet:"个人账户余额,decimal(2:18)"`
}

func written[T any](t testing.TB, rows []T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, parquet.MaxRowsPerRowGroup(3))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestParquet takes in the same people as from CSV.
func TestParquet(t *testing.T) {
	w := open(t)
	employee, odd := "职工", "别的"
	day := int32(20089) // 2025-01-01
	data := written(t, []person{
		{"张三", "990100198503120014", "990100", &employee, day, true, 12345},
		{"李四", "990100199001010119", "990100", nil, 20089, false, 0},
		{"王五", "990100197108150227", "990100", &odd, day, false, 0},
		{"赵六", "990100196611110236", "990100", &employee, day, false, -1},
		{"钱七", "990100198002290314", "990100", &employee, day, false, 5},
	})
	ctx := context.Background()
	run, err := intake.Import(ctx, w.db, w.register, bytes.NewReader(data), intake.Options{Name: "people.parquet", Actor: "test"})
	if err != nil || run.Rows != 5 || run.People != 2 || run.Balances != 2 || run.Rejected != 3 {
		t.Fatalf("%+v, %v", run, err)
	}
	for i, want := range []string{"险种", "险种", "个人账户余额"} { // 李四 has a first day and no scheme
		if r := w.rejected(run)[i]; r.Field != want || r.Line != i+3 {
			t.Errorf("%+v, want %s of row %d", r, want, i+3)
		}
	}
	if err := w.db.View(ctx, func(tx *db.Tx) error {
		p, ok, err := w.register.ByCitizenID(ctx, tx, "990100198503120014")
		if !ok {
			t.Error("not registered")
		}
		i, err2 := enrolment.StatusOn(ctx, tx, p.ID, 20250101)
		if i.Scheme != policy.Employee || !i.Retired || i.From != 20250101 {
			t.Errorf("%+v", i)
		}
		if b, e := fund.Balance(ctx, tx, fund.PersonAccount(p.ID)); b != 12345 || e != nil {
			t.Errorf("%s, %v", b, e)
		}
		return orElse(err, err2)
	}); err != nil {
		t.Fatal(err)
	}
	again, err := intake.Import(ctx, w.db, w.register, bytes.NewReader(data), intake.Options{Name: "people.parquet", Actor: "test"})
	if err != nil || again.People != 2 || !again.Done {
		t.Errorf("again: %+v, %v", again, err)
	}
	for name, bad := range map[string][]byte{
		"half": data[:len(data)/2], "magic alone": []byte("PAR1"), "no columns": written(t, []struct {
			X string `parquet:"x"`
		}{{"y"}}), "a list": written(t, []struct {
			X []string `parquet:"姓名"`
		}{{[]string{"y"}}}),
	} {
		if _, err := intake.Import(ctx, w.db, w.register, bytes.NewReader(bad), intake.Options{Name: name, Actor: "test"}); err == nil {
			t.Errorf("%s is taken in", name)
		} else if strings.Contains(err.Error(), "goroutine") {
			t.Error(err)
		}
	}
}

func orElse(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func FuzzParquet(f *testing.F) {
	w := open(f)
	employee := "职工"
	f.Add(written(f, []person{{"张三", "990100198503120014", "990100", &employee, 20089, true, 12345}}))
	f.Add([]byte("PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if !bytes.HasPrefix(data, []byte("PAR1")) || len(data) > 1<<16 {
			return
		}
		_, _ = intake.Import(context.Background(), w.db, w.register, bytes.NewReader(data), intake.Options{Name: "x", Actor: "test"})
	})
}

// TestMerged reads spells in the schemes of before the residents' was one.
func TestMerged(t *testing.T) {
	w := open(t)
	r, err := w.take(w.ctx, "姓名,公民身份号码,统筹区,险种,起始日,终止日,变更原因\n"+
		"田老,990100195503120022,990100,新农合,2010-01-01,2016-12-31,\n田老,990100195503120022,990100,居民,2017-01-01,,整合\n李四,990100199001010119,990100,新农合,2010-01-01,,\n")
	if err != nil || r.Spells != 2 || r.Rejected != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if bad := w.rejected(r)[0]; bad.Field != "终止日" || !strings.Contains(bad.Why, "已并入居民医保") {
		t.Errorf("%+v", bad)
	}
	if err := w.db.View(w.ctx, func(tx *db.Tx) error {
		p, _, err := w.register.ByCitizenID(w.ctx, tx, "990100195503120022")
		i, err2 := enrolment.StatusOn(w.ctx, tx, p.ID, 20150601)
		if i.Scheme != policy.Resident || i.To != 20161231 || i.Reason != "新农合" {
			t.Errorf("%+v", i)
		}
		return orElse(err, err2)
	}); err != nil {
		t.Fatal(err)
	}
}
