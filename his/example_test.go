package his

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestExampleRequests sends every example, also those of transactions that are
// not offered, to the checker that hospitals' messages meet.
func TestExampleRequests(t *testing.T) {
	s := New(Config{})
	s.offered = map[string]operation{}
	for _, tr := range s.spec.Transactions {
		s.offered[base(tr.Number)] = operation{do: (*Server).signIn}
	}
	for _, tr := range s.spec.Transactions {
		message := s.spec.ExampleRequest(tr)
		warnings, err := s.Check(message)
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v %q\n%s", tr.Number, err, warnings, message)
		}
	}
	s.offered = nil
	if _, err := s.Check(s.spec.ExampleRequest(s.spec.Transaction("9001"))); err == nil || !strings.Contains(err.Error(), "尚未开通") {
		t.Errorf("a transaction that is not offered: %v", err)
	}
}

// TestExampleReplies reads every example reply by the table, and proves the
// amounts of those that settle.
func TestExampleReplies(t *testing.T) {
	p := &platform{t: t, server: New(Config{})}
	for _, tr := range p.server.spec.Transactions {
		message := p.server.spec.ExampleReply(tr)
		if tr.AnswersFile() {
			if message != nil {
				t.Errorf("%s answers a file and has an example reply", tr.Number)
			}
			continue
		}
		r := p.parse(string(message))
		p.conforms(tr.Number, r)
		if w := warningsOf(t, tr, message); len(w) > 0 {
			t.Errorf("%s: %q", tr.Number, w)
		}
		if r.Infcode != "0" {
			t.Errorf("%s: infcode %s", tr.Number, r.Infcode)
		}
		if n := find(tr.Output, "setlinfo"); n != nil && find(tr.Output, "setldetail") != nil {
			if _, whole := n.byName["psn_cash_pay"]; whole {
				balanced(t, r)
			}
		}
	}
}

// warningsOf is what the checker would repair in an output. A date with its
// time is left: the interface asks for it in some fields.
func warningsOf(t *testing.T, tr *Transaction, message []byte) []string {
	t.Helper()
	v, err := parseJSON(message)
	if err != nil {
		t.Fatal(err)
	}
	var c checker
	for _, n := range tr.Output {
		if at := v.get("output").get(n.Name); at != nil {
			c.node(n, at)
		}
	}
	return slices.DeleteFunc(c.warnings, func(w string) bool { return strings.HasSuffix(w, "只取日期") })
}

// TestReplyEnvelope compares what is written around every output with the
// table.
func TestReplyEnvelope(t *testing.T) {
	s := loadSpec(t)
	v, err := parseJSON(s.ExampleReply(s.Transaction("9001")))
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, m := range v.members {
		got = append(got, m.name)
	}
	for _, f := range s.Reply.Fields {
		want = append(want, f.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("a reply has %q, the table %q", got, want)
	}
}

// Every sample is of a field that is there.
func TestSamples(t *testing.T) {
	s := loadSpec(t)
	names := map[string]bool{}
	collect := func(number, side string, nodes ...*Node) {
		for _, n := range nodes {
			for _, f := range n.Fields {
				for _, of := range []string{number, "*"} {
					names[of+" "+side+" "+f.Name] = true
					names[of+" * "+f.Name] = true
				}
			}
		}
	}
	collect("envelope", "in", s.Envelope)
	collect("envelope", "out", s.Reply)
	for _, tr := range s.Transactions {
		collect(tr.Number, "in", append([]*Node{s.Envelope}, tr.Input...)...)
		collect(tr.Number, "out", tr.Output...)
	}
	for key := range s.samples {
		if !names[key] {
			t.Errorf("samples.tsv has %q, which is no field", key)
		}
	}
}

// exampleFlow asks examples one after the other, as the reference's readers
// do: what stands in braces is what an earlier reply gave.
func exampleFlow(t *testing.T, d *desk, numbers ...string) map[string]reply {
	t.Helper()
	known := map[string]string{"opter": d.operator}
	replies := map[string]reply{}
	for i, number := range numbers {
		tr := d.server.spec.Transaction(number)
		message := string(d.server.spec.ExampleRequest(tr))
		message = strings.Replace(message, "00000001", fmt.Sprintf("%08d", i+1), 1) // the msgid
		message = brace.ReplaceAllStringFunc(message, func(s string) string {
			if v, ok := known[s[1:len(s)-1]]; ok {
				return v
			}
			return s
		})
		r, raw := d.post("/his", "application/json", message)
		if r.Header.Get("Content-Disposition") != "" && tr.AnswersFile() {
			continue
		}
		good := d.parse(raw)
		if good.Infcode != "0" {
			t.Fatalf("%s: %s\n%s", number, good.ErrMsg, message)
		}
		for _, m := range given.FindAllStringSubmatch(raw, -1) {
			known[m[1]] = m[2]
		}
		d.conforms(number, good)
		replies[number] = good
	}
	return replies
}

var (
	brace = regexp.MustCompile(`\{[a-z_]+\}`)
	given = regexp.MustCompile(`"([a-z_]+)":"([^"]+)"`)
)

// TestExampleFlows goes through care, filings and queries by the examples
// alone, on the sandbox's data, and compares the amounts of settlements with
// those of the example replies.
func TestExampleFlows(t *testing.T) {
	for _, numbers := range []string{
		"9001 1101 1201 1301 9102 1312 1316 1317 1318 1319 1901 2001",
		"9001 1101 2201 2203 2204 2206 2207 5201 5202 5203 5204 5205 5206 3201 2208 2205 2202",
		"9001 1101 2401 2403 5303 2301 2303 2304 4101 4102 2305 2302 2404",
		"9001 1101 2401 2402 2405",
		"9001 1101 2501 5304 2502",
		"9001 1101 2503 5301 2504",
		"9001 1101 2505 5302 2506",
		"9001 1101 2507 3301 3302 5101 5102 9101 9102 9002",
	} {
		d := newPlatform(t).desk(ExampleProvider)
		for number, r := range exampleFlow(t, d, strings.Fields(numbers)...) {
			tr := d.server.spec.Transaction(number)
			n := find(tr.Output, "setlinfo")
			if n == nil || *update {
				continue // while coverage.tsv is being written, the examples may lack what is filled
			}
			got := r.object(t, "setlinfo")
			want := d.parse(string(d.server.spec.ExampleReply(tr))).object(t, "setlinfo")
			for _, f := range n.Fields {
				if f.Type == Number && fmt.Sprint(got[f.Name]) != fmt.Sprint(want[f.Name]) {
					t.Errorf("%s: %s is %v, in the example %v", number, f.Name, got[f.Name], want[f.Name])
				}
			}
		}
		d.verify()
	}
}
