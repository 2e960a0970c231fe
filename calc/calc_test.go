package calc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

var packages = sync.OnceValues(func() (*policy.Store, error) { return policy.Load(policies.FS) })

func store(t testing.TB) *policy.Store {
	t.Helper()
	s, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const plain = `{"region":"990100","date":"2025-06-01","visit":{"kind":"inpatient"},"lines":[{"class":"甲","amount":"1000.00"}]}`

func single(s *policy.Store, in string) (string, error) {
	var c policy.Case
	if err := NewDecoder(s).Decode([]byte(in), &c); err != nil {
		return "", err
	}
	var r policy.Result
	var t policy.Trace
	if err := Settle(s, &c, &r, &t); err != nil {
		return "", err
	}
	return string(AppendResult(nil, &r, t.Steps)), nil
}

// TestDefaults: a field left out takes the first value listed.
func TestDefaults(t *testing.T) {
	s := store(t)
	short, err := single(s, `{"region":"990100","date":"2025-06-01","lines":[{"amount":100}]}`)
	if err != nil {
		t.Fatal(err)
	}
	long, err := single(s, `{"region":"990100","care_region":"990100","date":"2025-06-01",
	 "person":{"scheme":"employee","retired":false,"sex":"M","classes":[],"birth":null,"insured":{"status":"normal"}},
	 "provider":{"level":"primary","kind":"hospital","designated":true,"private":false},
	 "visit":{"kind":"outpatient","disease":"","nth_this_year":1,"filing":"none","cause":"illness"},
	 "lines":[{"name":"","class":"甲","amount":"100.00","first_pay":"","ceiling":""}],
	 "year_to_date":{"deductible":"0.00"},"account_balance":"0.00","use_account":true}`)
	if err != nil || long != short {
		t.Errorf("%v\n%s\n%s", err, short, long)
	}
}

// TestBadInput: each fault names its field and place, and nothing is decided.
func TestBadInput(t *testing.T) {
	s := store(t)
	for _, x := range []struct{ name, in, field, message string }{
		{"unknown field", strings.Replace(plain, `"lines"`, `"colour":1,"lines"`, 1), "colour", "不认识这个字段"},
		{"unknown person field", strings.Replace(plain, `"lines"`, `"person":{"height":1},"lines"`, 1), "person.height", "允许 scheme, retired"},
		{"unknown line field", strings.Replace(plain, `"amount"`, `"amuont":"1","amount"`, 1), "lines[0].amuont", "允许 name, class"},
		{"unknown sum", strings.Replace(plain, `"lines"`, `"year_to_date":{"x":"1"},"lines"`, 1), "year_to_date.x", "允许 deductible, in_scope"},
		{"unknown fact", strings.Replace(plain, `"lines"`, `"facts":{"x":"1"},"lines"`, 1), "facts.x", "wage, flexible"},
		{"negative", strings.Replace(plain, "1000.00", "-0.01", 1), "lines[0].amount", "为负"},
		{"not a number", strings.Replace(plain, "1000.00", "一千", 1), "lines[0].amount", "不是金额"},
		{"three decimals", strings.Replace(plain, "1000.00", "1000.001", 1), "lines[0].amount", "两位小数"},
		{"exponent", strings.Replace(plain, `"1000.00"`, "1e3", 1), "lines[0].amount", "不是金额"},
		{"too large", strings.Replace(plain, "1000.00", "1000000000000.01", 1), "lines[0].amount", "太大"},
		{"far too large", strings.Replace(plain, "1000.00", strings.Repeat("9", 400), 1), "lines[0].amount", "太大"},
		{"sum too large", strings.Replace(plain, `"lines":[`, `"lines":[{"amount":"1000000000000"},`, 1), "lines[1].amount", "合计超过"},
		{"no amount", strings.Replace(plain, `"amount":"1000.00"`, `"name":"x"`, 1), "lines[0].amount", "没有给出"},
		{"null amount", strings.Replace(plain, `"1000.00"`, `null`, 1), "lines[0].amount", "不是金额"},
		{"unknown region", strings.Replace(plain, "990100", "123456", 1), "region", "没有这个统筹区"},
		{"no region", strings.Replace(plain, `"region":"990100",`, "", 1), "region", "没有给出"},
		{"no package that day", strings.Replace(plain, "2025-06-01", "2001-06-01", 1), "date", "没有政策包"},
		{"no date", strings.Replace(plain, `"date":"2025-06-01",`, "", 1), "date", "没有给出"},
		{"bad date", strings.Replace(plain, "2025-06-01", "2025-06-31", 1), "date", "不是日期"},
		{"bad care region", strings.Replace(plain, `"lines"`, `"care_region":"9x","lines"`, 1), "care_region", "六位数字"},
		{"level", strings.Replace(plain, `"lines"`, `"provider":{"level":"4"},"lines"`, 1), "provider.level", "primary、1、2、3"},
		{"class", strings.Replace(plain, "甲", "丁", 1), "lines[0].class", "甲、乙、丙"},
		{"person class", strings.Replace(plain, `"lines"`, `"person":{"classes":["富人"]},"lines"`, 1), "person.classes[0]", "特困"},
		{"visit kind", strings.Replace(plain, "inpatient", "spa", 1), "visit.kind", "outpatient"},
		{"cause", strings.Replace(plain, `"kind"`, `"cause":"fate","kind"`, 1), "visit.cause", "third_party"},
		{"nth", strings.Replace(plain, `"kind"`, `"nth_this_year":0,"kind"`, 1), "visit.nth_this_year", "整数"},
		{"not boolean", strings.Replace(plain, `"lines"`, `"use_account":"yes","lines"`, 1), "use_account", "true 或 false"},
		{"first pay of 甲", strings.Replace(plain, `"amount"`, `"first_pay":"0.1","amount"`, 1), "lines[0].first_pay", "甲类没有先行自付"},
		{"first pay too high", strings.Replace(plain, `"class":"甲",`, `"class":"乙","first_pay":"1.1",`, 1), "lines[0].first_pay", "0 到 1"},
		{"negative sum", strings.Replace(plain, `"lines"`, `"year_to_date":{"in_scope":"-1"},"lines"`, 1), "year_to_date.in_scope", "为负"},
		{"born later", strings.Replace(plain, `"lines"`, `"person":{"birth":"2025-06-02"},"lines"`, 1), "person.birth", "晚于"},
		{"admitted later", strings.Replace(plain, `"kind"`, `"admitted":"2025-06-02","kind"`, 1), "visit.admitted", "晚于"},
		{"fee after discharge", strings.Replace(plain, `"amount"`, `"date":"2025-06-02","amount"`, 1), "lines[0].date", "就诊期间"},
		{"no lines", strings.Replace(plain, `{"class":"甲","amount":"1000.00"}`, "", 1), "lines", "至少一行"},
		{"lines left out", `{"region":"990100","date":"2025-06-01"}`, "lines", "至少一行"},
		{"duplicate key", strings.Replace(plain, `"region"`, `"region":"990200","region"`, 1), "region", "写了两次"},
		{"duplicate key inside", strings.Replace(plain, `"amount"`, `"amount":"1","amount"`, 1), "lines[0].amount", "写了两次"},
		{"line is a text", strings.Replace(plain, `{"class":"甲","amount":"1000.00"}`, `"x"`, 1), "lines", "应为一个对象"},
		{"person is a list", strings.Replace(plain, `"lines"`, `"person":[],"lines"`, 1), "person", "应为一个对象"},
		{"amount is an object", strings.Replace(plain, `"1000.00"`, `{}`, 1), "lines", "应为一个值"},
		{"broken UTF-8", strings.Replace(plain, "甲", "\xff", 1), "lines[0].class", "不是正确的 JSON"},
		{"truncated", plain[:len(plain)-5], "lines[0].amount", "不是正确的 JSON"},
		{"two values", plain + plain, "", "还有别的内容"},
		{"not an object", `[1]`, "", "应为一个对象"},
		{"empty", "", "", "是空的"},
		{"ten megabytes of nesting", strings.Replace(plain, `"lines"`, `"person":`+strings.Repeat("[", 10<<20)+`,"lines"`, 1), "", "字节"},
		{"a megabyte of nesting", strings.Replace(plain, `"lines"`, `"person":`+strings.Repeat("[", 1<<20)+`,"lines"`, 1), "person", "应为一个对象"},
		{"nested sums", strings.Replace(plain, `"lines"`, `"year_to_date":{"in_scope":`+strings.Repeat(`{"a":`, 20_000)+`}`, 1), "year_to_date.in_scope." + strings.Repeat("a.", 29) + "a…", "不是正确的 JSON"},
		{"too many lines", strings.Replace(plain, `"lines":[`, `"lines":[`+strings.Repeat(`{"amount":"1"},`, MaxLines), 1), "lines", "超过"},
	} {
		t.Run(x.name, func(t *testing.T) {
			out, err := single(s, x.in)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("answered %.200s, %v", out, err)
			}
			if e.Field != x.field || !strings.Contains(e.Message, x.message) || e.Line < 1 || e.Col < 1 {
				t.Errorf("got %d:%d %q %q, want field %q and message with %q", e.Line, e.Col, e.Field, e.Message, x.field, x.message)
			}
			if len(e.Error()) > 1000 {
				t.Errorf("the error is %d bytes long", len(e.Error()))
			}
		})
	}
}

func TestErrorPlace(t *testing.T) {
	in := "{\n  \"region\": \"990100\",\n  \"date\": \"2025-06-01\",\n  \"lines\": [\n    {\"class\": \"甲\", \"amount\": \"x\"}\n  ]\n}"
	var e *Error
	if _, err := single(store(t), in); !errors.As(err, &e) || e.Line != 5 || e.Col != 30 {
		t.Errorf("%+v", e)
	}
	yaml := "region: \"990100\"\ndate: 2025-06-01\nlines:\n  - class: 甲\n    amount: x\n"
	var c policy.Case
	if err := NewDecoder(store(t)).DecodeYAML([]byte(yaml), &c); !errors.As(err, &e) || e.Line != 5 || e.Col != 13 || e.Field != "lines[0].amount" {
		t.Errorf("%+v", e)
	}
	for _, bad := range []string{"region: [", "a: &x 1\nb: *x", strings.Repeat("[", 1<<20), strings.Repeat("- ", 1<<19), "region: \"990100\"\nregion: \"990100\"", "\xff", ""} {
		if err := NewDecoder(store(t)).DecodeYAML([]byte(bad), &c); err == nil {
			t.Errorf("%.40q is taken", bad)
		}
	}
}

// randomLine makes a line of input, mostly good.
func randomLine(r *rand.Rand) string {
	regions := []string{"990100", "990200", "320400", "500000", "321000"}
	kinds := policy.Names("visit")
	in := fmt.Sprintf(`{"region":"%s","date":"2025-%02d-%02d","person":{"scheme":"%s","retired":%t,"birth":"%d-01-01"},"provider":{"level":"%s"},"visit":{"kind":"%s","nth_this_year":%d},"lines":[`,
		regions[r.IntN(len(regions))], 1+r.IntN(12), 1+r.IntN(28), []string{"employee", "resident"}[r.IntN(2)], r.IntN(2) == 0, 1930+r.IntN(90), policy.Names("level")[r.IntN(4)], kinds[r.IntN(len(kinds))], 1+r.IntN(3))
	for i := range 1 + r.IntN(5) {
		if i > 0 {
			in += ","
		}
		in += fmt.Sprintf(`{"class":"%s","first_pay":"%s","amount":"%d.%02d"}`, []string{"甲", "丙"}[r.IntN(2)], "", r.IntN(100000), r.IntN(100))
	}
	in += `]}`
	switch r.IntN(12) {
	case 0:
		return in[:r.IntN(len(in))]
	case 1:
		return ""
	case 2:
		return strings.Replace(in, "990100", "990199", 1)
	}
	return in
}

// TestStreamEqualsSingle: N cases as JSON Lines give what N single runs give,
// in order, and bad lines are answered in their place.
func TestStreamEqualsSingle(t *testing.T) {
	s := store(t)
	r := rand.New(rand.NewPCG(7, 7))
	var in, want bytes.Buffer
	bad := 0
	for n := 1; n <= 4000; n++ {
		line := randomLine(r)
		in.WriteString(line + "\n")
		out, err := single(s, line)
		if err != nil {
			bad++
			want.Write(AppendError(nil, n, asError(err)))
		} else {
			want.WriteString(out)
		}
		want.WriteByte('\n')
	}
	for range 2 { // the same input, the same bytes
		var out bytes.Buffer
		good, gotBad, err := Stream(context.Background(), s, bytes.NewReader(in.Bytes()), &out)
		if err != nil || good+gotBad != 4000 || gotBad != bad {
			t.Fatalf("%d good, %d bad, want %d bad: %v", good, gotBad, bad, err)
		}
		if !bytes.Equal(out.Bytes(), want.Bytes()) {
			a, b := strings.Split(out.String(), "\n"), strings.Split(want.String(), "\n")
			for i := range a {
				if a[i] != b[i] {
					t.Fatalf("line %d:\n%.500s\n%.500s", i+1, a[i], b[i])
				}
			}
		}
	}
	for i, line := range bytes.Split(bytes.TrimSpace(want.Bytes()), []byte("\n")) {
		if !json.Valid(line) {
			t.Fatalf("line %d is not JSON: %s", i+1, line)
		}
	}
}

func TestStreamEnds(t *testing.T) {
	s := store(t)
	var out bytes.Buffer
	if good, bad, err := Stream(context.Background(), s, strings.NewReader(""), &out); good+bad != 0 || err != nil || out.Len() > 0 {
		t.Error(good, bad, err)
	}
	// No newline at the end; carriage returns.
	if good, bad, err := Stream(context.Background(), s, strings.NewReader(plain+"\r\n"+plain), &out); good != 2 || bad != 0 || err != nil {
		t.Error(good, bad, err)
	}
	if _, _, err := Stream(context.Background(), s, strings.NewReader(strings.Repeat(plain+"\n", 20_000)), failingWriter{}); !errors.Is(err, errFull) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := Stream(ctx, s, endless{}, io.Discard); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

var errFull = errors.New("full")

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errFull }

// endless is input without end.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return copy(b, plain+"\n"), nil }

// TestLongLine: a line of hundreds of megabytes is refused in its place and
// does not fill the memory.
func TestLongLine(t *testing.T) {
	in := io.MultiReader(strings.NewReader(plain+"\n"), io.LimitReader(zeros{}, 200<<20), strings.NewReader("\n"+plain+"\n"))
	var out bytes.Buffer
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	good, bad, err := Stream(context.Background(), store(t), in, &out)
	runtime.ReadMemStats(&after)
	if good != 2 || bad != 1 || err != nil {
		t.Error(good, bad, err)
	}
	if grown := after.Sys - before.Sys; after.Sys > before.Sys && grown > 128<<20 {
		t.Errorf("the memory grew by %d MiB", grown>>20)
	}
	if lines := strings.Split(out.String(), "\n"); len(lines) != 4 || !strings.Contains(lines[1], `"line":2`) || lines[0] != lines[2] {
		t.Errorf("%d lines", len(lines))
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '0'
	}
	return len(b), nil
}

// TestCaseRoundTrip: a case written out reads back to the same case.
func TestCaseRoundTrip(t *testing.T) {
	s := store(t)
	r := rand.New(rand.NewPCG(3, 9))
	d := NewDecoder(s)
	for i := range 3000 {
		in := randomLine(r)
		var c policy.Case
		if d.Decode([]byte(in), &c) != nil {
			continue
		}
		c.Lines = append([]policy.Line(nil), c.Lines...)
		p, err := s.At(c.Region, c.Date)
		if err != nil {
			t.Fatal(err)
		}
		c.YearToDate[0], c.NextYear[1], c.Account = 5, 7, -100
		text := AppendCase(nil, s, p, &c)
		var again policy.Case
		if err := d.Decode(text, &again); err != nil {
			t.Fatalf("%d: %v\n%s", i, err, text)
		}
		if a, b := fmt.Sprintf("%+v", c), fmt.Sprintf("%+v", again); a != b {
			t.Fatalf("%d:\n%s\n%s", i, a, b)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(plain))
	f.Add([]byte(`{"region":"990100","date":"2025-06-01","lines":[{"class":"乙","amount":1.5,"first_pay":"0.2","ceiling":"1"}],"year_to_date":{"in_scope":"1"},"facts":{"wage":"1"}}`))
	f.Add([]byte("region: \"990100\"\ndate: 2025-06-01\nlines: [{amount: 1}]\n"))
	f.Add([]byte(plain + "\n\n" + plain + "\n{"))
	s, err := packages()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var c policy.Case
		for _, decode := range []func([]byte, *policy.Case) error{NewDecoder(s).Decode, NewDecoder(s).DecodeYAML} {
			err := decode(data, &c)
			var e *Error
			if err != nil && !errors.As(err, &e) {
				t.Fatalf("an error without a place: %v", err)
			}
			if err != nil {
				continue
			}
			var r policy.Result
			var tr policy.Trace
			if err := Settle(s, &c, &r, &tr); err != nil {
				continue
			}
			if r.Total != r.FundTotal+r.Person || r.Person != r.Account+r.Cash || r.Cash < 0 || r.FundTotal < 0 {
				t.Fatalf("the identities do not hold: %+v", r)
			}
			if out := AppendResult(nil, &r, tr.Steps); !json.Valid(out) {
				t.Fatalf("not JSON: %s", out)
			}
		}
		var out bytes.Buffer
		good, bad, err := Stream(context.Background(), s, bytes.NewReader(data), &out)
		if err != nil || bytes.Count(out.Bytes(), []byte("\n")) != good+bad {
			t.Fatal(good, bad, err)
		}
	})
}
