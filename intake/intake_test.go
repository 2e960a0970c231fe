package intake_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/intake"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

type world struct {
	testing.TB
	ctx      context.Context
	db       *db.DB
	register *enrolment.Register
}

func register(tb testing.TB) *enrolment.Register {
	tb.Helper()
	sealer, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		tb.Fatal(err)
	}
	return enrolment.New(sealer)
}

func open(tb testing.TB) *world {
	tb.Helper()
	return &world{tb, context.Background(), dbtest.Open(tb), register(tb)}
}

func (w *world) take(ctx context.Context, file string) (intake.Run, error) {
	return intake.Import(ctx, w.db, w.register, strings.NewReader(file), intake.Options{Name: "x.csv", Actor: "test", Now: func() time.Time { return now }})
}

func (w *world) rejected(r intake.Run) (all []intake.Rejected) {
	w.Helper()
	err := w.db.View(w.ctx, func(tx *db.Tx) error {
		return intake.Rejections(w.ctx, tx, r.Digest, func(x intake.Rejected) error { all = append(all, x); return nil })
	})
	if err != nil {
		w.Fatal(err)
	}
	return all
}

func (w *world) count(table string) (n int) {
	w.Helper()
	if err := w.db.View(w.ctx, func(tx *db.Tx) error { return tx.QueryRow(w.ctx, `SELECT COUNT(*) FROM `+table).Scan(&n) }); err != nil {
		w.Fatal(err)
	}
	return n
}

func (w *world) verify() {
	w.Helper()
	err := w.db.View(w.ctx, func(tx *db.Tx) error { return errors.Join(fund.Verify(w.ctx, tx), audit.Verify(w.ctx, tx)) })
	if err != nil {
		w.Fatal(err)
	}
}

const head = "姓名,公民身份号码,统筹区,手机号,险种,起始日,终止日,状态,退休,待遇起始日,变更原因,个人账户余额\n"

func TestImport(t *testing.T) {
	w := open(t)
	file := "\ufeff" + head +
		"甲,990100198503120014,990100,13800000001,职工,2020-01-01,2024-12-31,,,,参保,1234.56\n" +
		"甲,990100198503120014,990100,13800000001,职工,2025-01-01,,正常,是,2025-02-01,退休,\n" +
		"甲,990100198503120014,990100,13800000001,居民,2010-01-01,2010-12-31,,,,,\n" +
		"甲,990100198503120014,990100,13800000001,职工,2010-01-01,2010-12-31,,,,,1.00\n" +
		"乙,990100199001010128,990100,,居民,20250101,2025/12/31,,,,,\n" +
		"丙,990100201509010136,990200,,,,,,,,,\n"
	r, err := w.take(w.ctx, file)
	if err != nil || r.People != 3 || r.Spells != 4 || r.Balances != 1 || r.Rejected != 1 || r.Rows != 6 || !r.Done {
		t.Fatalf("%+v, %v: %+v", r, err, w.rejected(r))
	}
	if x := w.rejected(r); len(x) != 1 || x[0].Field != "个人账户余额" || x[0].Line != 5 {
		t.Errorf("%+v", x)
	}
	again, err := w.take(w.ctx, file)
	if err != nil || again != r {
		t.Errorf("again: %+v, %v", again, err)
	}
	err = w.db.View(w.ctx, func(tx *db.Tx) error {
		p, ok, err := w.register.ByCitizenID(w.ctx, tx, "990100198503120014")
		if err != nil || !ok || p.Name != "甲" || p.Phone != "13800000001" || p.Birth != 19850312 || p.Female || p.Region != "990100" {
			t.Errorf("%+v, %t, %v", p, ok, err)
		}
		all, err := enrolment.Timeline(w.ctx, tx, p.ID)
		if err != nil || len(all) != 3 || !all[2].Retired || all[2].BenefitsFrom != 20250201 || all[2].Reason != "退休" || all[1].To != 20241231 {
			t.Errorf("%+v, %v", all, err)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	w.verify()
}

// TestWays takes the same people from files that are written otherwise.
func TestWays(t *testing.T) {
	gbk, err := simplifiedchinese.GBK.NewEncoder().String(head + "龚䶮,990100198503120014,990100,,职工,2020-01-01,,,,,,10.00\n")
	if err != nil { // the second character is only in GB 18030
		gbk, err = simplifiedchinese.GB18030.NewEncoder().String(head + "龚䶮,990100198503120014,990100,,职工,2020-01-01,,,,,,10.00\n")
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{
		"GB 18030": gbk,
		"English":  "CITIZEN_ID, name ,region,scheme,from,balance\n990100198503120014,龚䶮,990100,employee,2020-01-01,10\n",
		"CRLF":     strings.ReplaceAll(head+"龚䶮,990100198503120014,990100,,职工,2020-01-01,,,,,,10.00\n", "\n", "\r\n"),
		"quoted":   head + "\"龚䶮\",\"990100198503120014\",990100,,职工,2020-01-01,,,,,\"换\n行\",10.00",
	} {
		w := open(t)
		r, err := w.take(w.ctx, file)
		if err != nil || r.People != 1 || r.Spells != 1 || r.Balances != 1 || r.Rejected != 0 {
			t.Errorf("%s: %+v, %v, %+v", name, r, err, w.rejected(r))
			continue
		}
		err = w.db.View(w.ctx, func(tx *db.Tx) error {
			p, _, err := w.register.ByCitizenID(w.ctx, tx, "990100198503120014")
			if p.Name != "龚䶮" {
				t.Errorf("%s: %q", name, p.Name)
			}
			balance, other := fund.Balance(w.ctx, tx, fund.PersonAccount(p.ID))
			if balance != 1000 {
				t.Errorf("%s: %s", name, balance)
			}
			return errors.Join(err, other)
		})
		if err != nil {
			t.Error(err)
		}
		w.verify()
	}
}

// TestRejected names every bad row, says nothing of who it is, and takes the
// others.
func TestRejected(t *testing.T) {
	w := open(t)
	good := "甲,990100198503120014,990100,,职工,2020-01-01,2024-12-31,,,,,"
	for _, x := range []struct{ row, field, why string }{
		{",990100198503120014,990100,,,,,,,,,", "姓名", "须填写"},
		{"甲,,990100,,,,,,,,,", "公民身份号码", "须填写"},
		{"甲,99010019850312001,990100,,,,,,,,,", "公民身份号码", "18 位"},
		{"甲,110101198513120014,990100,,,,,,,,,", "公民身份号码", "日历上的一天"},
		{"甲,110101198503120019,990100,,,,,,,,,", "公民身份号码", "可能有一位写错"},
		{"甲,990100202703120014,990100,,,,,,,,,", "公民身份号码", "晚于今天"},
		{"甲,990100198503120014,9901,,,,,,,,,", "统筹区", "六位"},
		{"甲,990100198503120014,990100,1380000,,,,,,,,", "手机号", "十一位"},
		{"甲,990100198503120014,990100,,商业,2025-01-01,,,,,,", "险种", "职工或居民"},
		{"甲,990100198503120014,990100,,,2025-01-01,,,,,,", "险种", "须填写险种"},
		{"甲,990100198503120014,990100,,职工,,,,,,,", "起始日", "须填写"},
		{"甲,990100198503120014,990100,,职工,2025-02-30,,,,,,", "起始日", "应为日期"},
		{"甲,990100198503120014,990100,,职工,2025-02-01,2025-01-31,,,,,", "终止日", "早于起始日"},
		{"甲,990100198503120014,990100,,职工,1985-01-01,,,,,,", "起始日", "早于出生日"},
		{"甲,990100198503120014,990100,,职工,2025-01-01,,在,,,,", "状态", "正常"},
		{"甲,990100198503120014,990100,,职工,2025-01-01,,,对,,,", "退休", "是或否"},
		{"甲,990100198503120014,990100,,居民,2025-01-01,,,是,,,", "退休", "居民没有退休"},
		{"甲,990100198503120014,990100,,居民,2025-01-01,,,,,,1", "个人账户余额", "只有职工"},
		{"甲,990100198503120014,990100,,职工,2025-01-01,,,,,,-1", "个人账户余额", "不小于零"},
		{"甲,990100198503120014,990100,,职工,2024-06-01,,,,,,", "起始日", "重叠"},
		{"乙,990100198503120014,990100,,居民,2025-01-01,,,,,,", "姓名", "已登记的姓名不同"},
		{"甲,\"990100198503120014\"x,990100,,,,,,,,,", "", "引号"},
	} {
		next := fmt.Sprintf("99010019900101%04d", w.count("person"))
		r, err := w.take(w.ctx, head+good+"\n"+x.row+"\n丁,"+next+",990100,,,,,,,,,\n")
		all := w.rejected(r)
		if err != nil || r.Rejected != 1 || len(all) != 1 || all[0].Line != 3 || all[0].Field != x.field || !strings.Contains(all[0].Why, x.why) || r.Rows != 3 {
			t.Errorf("%s: %+v, %v, %+v; want %s: %s", x.row, r, err, all, x.field, x.why)
		}
		for _, a := range all {
			if s := fmt.Sprint(a); strings.Contains(s, "19850312") || strings.Contains(s, "甲") || strings.Contains(s, "1380000") {
				t.Errorf("%s: it says who it is: %s", x.row, s)
			}
		}
		var out bytes.Buffer
		err = w.db.View(w.ctx, func(tx *db.Tx) error { return intake.Report(w.ctx, tx, r.Digest, &out) })
		if err != nil || strings.Count(out.String(), "\n") != 2 || !strings.HasPrefix(out.String(), "行,列,所填,原因\n3,") {
			t.Errorf("report: %s, %v", &out, err)
		}
	}
	if n := w.count("insurance"); n != 1 {
		t.Errorf("%d spells", n)
	}
	for file, want := range map[string]string{
		"":            "空的",
		"姓名,公民身份号码\n": "缺少必填的列「统筹区」",
		"姓名,公民身份号码,统筹区,生肖\n": "不认识的列「生肖」",
		"\"姓名\n":                   "不是 CSV",
		"name,citizen_id,region\n": "",
	} {
		if _, err := w.take(w.ctx, file); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %s", file, err, want)
		}
	}
	w.verify()
}

// many is a file of people, each with two rows and an account.
func many(n int) string {
	var b strings.Builder
	b.WriteString(head)
	for i := range n {
		id := fmt.Sprintf("990100%04d%02d%02d%04d", 1940+i%70, 1+i/70%12, 1+i/840%28, i/23520)
		fmt.Fprintf(&b, "张三,%s,990100,138%08d,职工,2015-01-01,2024-12-31,,,,参保,%d.50\n张三,%s,990100,,职工,2025-01-01,,,%s,,变更,\n", id, i, i%5000, id, []string{"否", "是"}[i%2])
	}
	return b.String()
}

// TestKilled kills the process (SIGKILL) that takes in a file, again and again,
// and lets it go on: every person is there once, with what was theirs.
func TestKilled(t *testing.T) {
	const people = 30_000
	file := many(people)
	if location := os.Getenv("ANJI_INTAKE_STORE"); location != "" {
		d, err := db.Open(t.Context(), location)
		if err != nil {
			t.Fatal(err)
		}
		writes := 0
		ctx := db.WithFailure(t.Context(), func(string) error {
			if writes++; writes == 11 {
				p, _ := os.FindProcess(os.Getpid())
				_ = p.Kill()
				select {}
			}
			return nil
		})
		w := &world{t, ctx, d, register(t)}
		if _, err := w.take(ctx, file); err != nil {
			t.Fatal(err)
		}
		return
	}
	location := dbtest.Location(t)
	for round := range 4 {
		child := exec.Command(os.Args[0], "-test.run", "^TestKilled$")
		child.Env = append(os.Environ(), "ANJI_INTAKE_STORE="+location)
		if out, err := child.CombinedOutput(); err == nil {
			t.Fatalf("round %d: it was not killed: %s", round, out)
		}
	}
	d, err := db.Open(t.Context(), location)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	w := &world{t, t.Context(), d, register(t)}
	r, err := w.take(w.ctx, file)
	if err != nil || r.People != people || r.Spells != 2*people || r.Rows != 2*people || r.Rejected != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if p, i, a := w.count("person"), w.count("insurance"), w.count("account"); p != people || i != 2*people || a != r.Balances {
		t.Errorf("%d people, %d spells, %d accounts", p, i, a)
	}
	w.verify()
}

// FuzzImport: no file panics, and what is taken stands in the store.
func FuzzImport(f *testing.F) {
	f.Add([]byte(head + "甲,990100198503120014,990100,,职工,2020-01-01,,,,,,1\n"))
	f.Add([]byte("name,citizen_id,region,scheme,from\n\"a\",990100198503120014,990100,390,20200101\n\"\n"))
	f.Add([]byte{0xd0, 0xd5, 0xc3, 0xfb, ',', 0xff})
	w := open(f)
	f.Fuzz(func(t *testing.T, file []byte) {
		w.TB = t
		people, spells := w.count("person"), w.count("insurance")
		r, err := w.take(w.ctx, string(file))
		if err != nil {
			r = intake.Run{}
		}
		if before := w.count("person"); before < people || before > people+r.People {
			t.Errorf("%d people, then %d: %+v", people, before, r)
		}
		if then := w.count("insurance"); then < spells || then > spells+r.Spells {
			t.Errorf("%d spells, then %d: %+v", spells, then, r)
		}
	})
}

// BenchmarkImport takes in a person with two spells and an account each
// iteration.
func BenchmarkImport(b *testing.B) {
	file := many(b.N)
	w := open(b)
	b.ResetTimer()
	r, err := w.take(w.ctx, file)
	if err != nil || r.People != b.N {
		b.Fatal(r, err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "people/s")
}
