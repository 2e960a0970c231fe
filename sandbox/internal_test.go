package sandbox

import (
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/his"
)

func newTest(t *testing.T) *Sandbox {
	t.Helper()
	spec, err := his.LoadSpec()
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{Spec: spec})
}

// flowMessages are, for every flow, messages that complete it when all come.
var flowMessages = map[string][]his.Exchange{
	"sign":           {{Number: "9001"}, {Number: "9002"}},
	"catalogue":      {{Number: "1307", FileNo: "f"}, {Number: "9102", FileNo: "f"}},
	"outpatient":     visit("11", "2201", "2203", "2204", "2206", "2207"),
	"chronic":        visit("14", "2201", "2203", "2204", "2206", "2207"),
	"pharmacy":       visit("41", "2201", "2203", "2204", "2206", "2207"),
	"emergency":      visit("13", "2201", "2203", "2204", "2206", "2207"),
	"inpatient":      visit("21", "2401", "2301", "2303", "2304", "2402"),
	"reversal":       visit("21", "2305"),
	"repeat":         {{Number: "2207", Msgid: "m", Repeated: true}},
	"recovery":       {{Number: "2207", Msgid: "m", Forced: his.ForceLost}, {Number: "2601", Msgid: "n", Reversed: "m"}},
	"abstract":       {{Number: "4101"}, {Number: "4102"}},
	"reconciliation": {{Number: "3201"}, {Number: "3202"}},
	"away":           {{Number: "2303", Visit: "v", Insured: "990100", Region: "500000"}, {Number: "2304", Visit: "v", Insured: "990100", Region: "500000"}},
}

// visit are the messages of a visit; that it is of the kind comes with the
// second.
func visit(care string, numbers ...string) []his.Exchange {
	var out []his.Exchange
	for i, n := range numbers {
		e := his.Exchange{Number: n, Visit: "v"}
		if i == 1 {
			e.Care = care
		}
		out = append(out, e)
	}
	return out
}

func (s *Sandbox) state(id string) FlowReport {
	for _, f := range s.conformance.report("H1").Flows {
		if f.ID == id {
			return f
		}
	}
	return FlowReport{}
}

func (s *Sandbox) observe(e his.Exchange) {
	e.Provider, e.Status = "H1", 200
	s.Observe(e)
}

// TestFlows completes every flow, and shows that it is not complete while any
// message is missing, refused or unanswered.
func TestFlows(t *testing.T) {
	for i := range flows {
		f := &flows[i]
		messages := flowMessages[f.ID]
		if len(messages) == 0 {
			t.Errorf("%s has no messages here", f.ID)
			continue
		}
		s := newTest(t)
		if got := s.state(f.ID); got.State != Never || got.Hint == "" || len(got.Steps) != len(f.Steps) {
			t.Errorf("%s before: %+v", f.ID, got)
		}
		for n, e := range messages {
			if got := s.state(f.ID); got.State == Completed {
				t.Errorf("%s is completed by the first %d messages", f.ID, n)
			}
			e.Done = true
			s.observe(e)
		}
		if got := s.state(f.ID); got.State != Completed || got.Completed != 1 {
			t.Errorf("%s: %+v", f.ID, got)
		}
		s.observe(his.Exchange{Number: messages[0].Number, Visit: "v", Done: true})
		if got := s.state(f.ID); got.Completed != 1 {
			t.Errorf("%s is completed again by one more message: %+v", f.ID, got)
		}
		for spoilt := range messages {
			if f.ID == "repeat" || f.ID == "recovery" && spoilt == 0 {
				continue // these are about messages that went wrong
			}
			for _, how := range []string{"refused", "unanswered", "elsewhere"} {
				if how == "elsewhere" && len(messages) == 1 {
					continue
				}
				s := newTest(t)
				for n, e := range messages {
					e.Done = true
					switch {
					case n != spoilt:
					case how == "refused":
						e.Done = false
					case how == "unanswered":
						e.Forced = his.ForceLost
					case f.By == byProvider:
						continue // to leave it out is all that can be done
					default:
						e.Visit, e.Msgid, e.FileNo, e.Reversed = "other", "other", "other", ""
					}
					s.observe(e)
				}
				if got := s.state(f.ID); got.State != Tried {
					t.Errorf("%s with %s %s: %+v", f.ID, messages[spoilt].Number, how, got)
				}
			}
		}
	}
}

// TestUnanswered checks that what went unanswered counts once it was repeated.
func TestUnanswered(t *testing.T) {
	s := newTest(t)
	for _, e := range flowMessages["outpatient"] {
		e.Done, e.Msgid = true, e.Number
		if e.Number == "2207" {
			e.Forced = his.ForceLost
			s.observe(e)
			e.Forced, e.Repeated = his.NotForced, true
		}
		s.observe(e)
	}
	for _, id := range []string{"outpatient", "repeat"} {
		if got := s.state(id); got.State != Completed {
			t.Errorf("%s: %+v", id, got)
		}
	}
	if got := s.state("recovery"); got.State != Tried || !got.Steps[0].Done || got.Steps[1].Done {
		t.Errorf("recovery: %+v", got)
	}
}

func TestCounts(t *testing.T) {
	s := newTest(t)
	spec := s.Spec.Transaction("2201").Input[0]
	field := func(name string) *his.Field {
		for _, f := range spec.Fields {
			if f.Name == name {
				return f
			}
		}
		t.Fatalf("2201 has no %s", name)
		return nil
	}
	e := his.Exchange{Number: "2201", Refusal: "共 3 处不对", Warnings: []string{"feedetail 第 12 行 cnt（数量）为空，按 0 处理"}, Faults: []his.FieldFault{
		{Node: "data", Field: field("psn_name"), Value: "王小明a1", Rule: "应为字符"},
		{Node: "data", Field: field("insutype"), Value: "999", Rule: "应为 310"},
		{Rule: "节点 data 有“二”行"},
	}}
	s.observe(e)
	e.Warnings[0] = strings.Replace(e.Warnings[0], "12", "3", 1)
	s.observe(e)
	s.observe(his.Exchange{Number: "2201", Refusal: "人员编号 psn_no“990100198503120014”不存在，余额 12.50"})
	forced := e
	forced.Forced = his.ForceRefusal
	s.observe(forced)
	s.observe(his.Exchange{Number: "999"})               // no transaction
	s.Observe(his.Exchange{Number: "2201", Status: 200}) // of nobody
	s.observe(his.Exchange{Number: "2201", Done: true})  // right at last
	s.observe(his.Exchange{Number: "2201", Done: true, Repeated: true})
	r := s.conformance.report("H1")
	if len(r.Faults) != 3 || r.Faults[0].Count != 2 {
		t.Fatalf("%+v", r.Faults)
	}
	values := map[string]string{}
	for _, f := range r.Faults {
		values[f.Field] = f.Value + "|" + f.Rule
	}
	if values["psn_name"] != "字字字a0|应为字符" || values["insutype"] != "999|应为 310" || values[""] != "|节点 data 有“…”行" {
		t.Errorf("%v", values)
	}
	if len(r.Refusals) != 1 || r.Refusals[0] != (TextCount{"2201", "人员编号 psn_no“…”不存在，余额 …", 1}) {
		t.Errorf("%+v", r.Refusals)
	}
	if len(r.Warnings) != 1 || r.Warnings[0] != (TextCount{"2201", "feedetail 第 n 行 cnt（数量）为空，按 0 处理", 2}) {
		t.Errorf("%+v", r.Warnings)
	}
	if want := (TransactionCount{"2201", "门诊挂号", 6, 2, 1}); len(r.Transactions) != 1 || r.Transactions[0] != want {
		t.Errorf("%+v", r.Transactions)
	}
}

// TestBounds sends more of everything than is kept.
func TestBounds(t *testing.T) {
	s := newTest(t)
	body := make([]byte, 2*maxBody)
	for i := range 10 * maxTracks {
		id := time.Duration(i).String()
		s.observe(his.Exchange{Number: "2201", Provider: "H1", Visit: id, Msgid: id, FileNo: id, Refusal: id + "x", Warnings: []string{id},
			Faults: []his.FieldFault{{Rule: id}}})
	}
	for i := range 2*maxRecords + 7 {
		s.Observe(his.Exchange{Number: "2201", Provider: "H" + time.Duration(i).String(), Request: body[:i*1000%len(body)], Refusal: "第" + strings.Repeat("x", i)})
	}
	j := s.journal
	if len(j.records) > maxRecords || j.bodies > maxBodies || j.get(1) != nil || j.get(j.last) == nil || j.get(j.last+1) != nil || j.get(-1) != nil {
		t.Errorf("%d records, %d bytes", len(j.records), j.bodies)
	}
	var bodies int
	for _, r := range j.records {
		bodies += len(r.Request)
		if len(r.Request) > maxBody || cap(r.Request) > 2*maxBody {
			t.Fatalf("a body of %d", len(r.Request))
		}
		if j.get(r.N) != r {
			t.Fatalf("record %d is not found", r.N)
		}
	}
	if bodies != j.bodies {
		t.Errorf("%d bytes are kept, %d counted", bodies, j.bodies)
	}
	if n := len(s.conformance.of); n != maxProviders {
		t.Errorf("%d providers", n)
	}
	if st := s.conformance.of["H1"]; len(st.faults) != maxKinds || len(st.order) != 3*maxTracks {
		t.Errorf("%d faults, %d tracks: too little was sent", len(st.faults), len(st.order))
	}
	for _, st := range s.conformance.of {
		if len(st.faults) > maxKinds || len(st.refusals) > maxKinds || len(st.warnings) > maxKinds || len(st.tracks) > 3*maxTracks+1 || len(st.order) > 3*maxTracks {
			t.Errorf("%d faults, %d refusals, %d warnings, %d tracks", len(st.faults), len(st.refusals), len(st.warnings), len(st.tracks))
		}
	}
	for range maxArms {
		if err := s.arms.add(arm{Left: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.arms.add(arm{Left: 1}); err == nil {
		t.Error("one more arm than there may be")
	}
}

func TestArms(t *testing.T) {
	var a arms
	lost, late := his.Forced{Kind: his.ForceLost}, his.Forced{Kind: his.ForceLate}
	for _, x := range []arm{{Number: "2207", Provider: "H1", Forced: lost, Left: 1}, {Number: "2207", Forced: late, Left: 2}, {Provider: "H3", Forced: lost, Left: 1}} {
		if err := a.add(x); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range []struct {
		number, provider string
		want             his.Forcing
	}{
		{"2206", "H1", his.NotForced}, {"2207", "H2", his.ForceLate}, {"2207", "H1", his.ForceLost}, {"2207", "H1", his.ForceLate}, {"2207", "H1", his.NotForced},
		{"", "", his.NotForced}, {"", "H3", his.ForceLost}, {"", "H3", his.NotForced},
	} {
		if got := a.take(c.number, c.provider); got.Kind != c.want {
			t.Errorf("%d: %s of %s: %d, want %d", i, c.number, c.provider, got.Kind, c.want)
		}
	}
	if err := a.add(arm{Forced: lost, Left: 1}); err != nil {
		t.Fatal(err)
	}
	a.remove(1)
	a.remove(4)
	if got := a.take("2207", "H1"); got.Kind != his.NotForced {
		t.Error("removed, and yet there")
	}
}
