package sandbox

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/anji-platform/anji/his"
)

// Bounds of what is kept of one provider, and of how many.
const (
	maxProviders = 200
	maxKinds     = 300 // different faults, refusals or warnings
	maxTracks    = 500 // of each kind, visits, messages and files under way
)

// A Report says how far the HIS of a provider has come (对接报告).
type Report struct {
	Provider     string             `json:"provider"`
	Name         string             `json:"name,omitempty"`
	Since        time.Time          `json:"since"` // the first message
	Last         time.Time          `json:"last"`
	Messages     int                `json:"messages"`
	Flows        []FlowReport       `json:"flows"`
	Transactions []TransactionCount `json:"transactions"`
	Faults       []FaultCount       `json:"faults"`
	Refusals     []TextCount        `json:"refusals"`
	Warnings     []TextCount        `json:"warnings"` // kinds of warn_msg: what was repaired, or is to be known
}

// FlowReport says how far a flow was done.
type FlowReport struct {
	ID        string `json:"id"`
	Title     string `json:"title"`
	State     State  `json:"state"`
	Completed int    `json:"completed"` // how often from end to end
	Steps     []Step `json:"steps"`     // of the try that came furthest
	Hint      string `json:"hint"`
}

// Step is one step of a flow.
type Step struct {
	Step string `json:"step"` // numbers of transactions of which one will do
	Done bool   `json:"done"`
}

// State is how far a flow was done at best.
type State string

// The states.
const (
	Never     State = "never"
	Tried     State = "tried"
	Completed State = "completed"
)

// Title is the state in Chinese.
func (s State) Title() string {
	return map[State]string{Never: "没有试过", Tried: "没有走完", Completed: "已走通"}[s]
}

// TransactionCount says how often a transaction was sent.
type TransactionCount struct {
	Number   string `json:"number"`
	Name     string `json:"name"`
	Sent     int    `json:"sent"`
	Done     int    `json:"done"`
	Repeated int    `json:"repeated"` // of those done
}

// FaultCount says how often a field was wrong in one way.
type FaultCount struct {
	Transaction string `json:"transaction"`
	Node        string `json:"node,omitempty"`
	Field       string `json:"field,omitempty"`
	Title       string `json:"title,omitempty"`
	Value       string `json:"value,omitempty"` // masked: 0 for a digit, a for a letter, 字 for a Chinese one; codes of a dictionary as they are
	Rule        string `json:"rule"`
	Count       int    `json:"count"`
}

// TextCount says how often a text of the platform was given, with what it
// quotes and counts left out.
type TextCount struct {
	Transaction string `json:"transaction"`
	Text        string `json:"text"`
	Count       int    `json:"count"`
}

// conformance keeps what every provider's HIS did.
type conformance struct {
	spec *his.Spec
	mu   sync.Mutex
	of   map[string]*standing
}

// standing is what one provider's HIS did.
type standing struct {
	since, last time.Time
	messages    int
	counts      map[string]*TransactionCount
	faults      map[FaultCount]int // with a Count of 0
	refusals    map[TextCount]int
	warnings    map[TextCount]int
	reached     []reached // of each flow
	tracks      map[trackKey]*track
	order       []trackKey // the oldest first, without the provider's own
}

type trackKey struct {
	by by
	id string
}

func (c *conformance) see(e *his.Exchange) {
	if e.Provider == "" || c.spec.Transaction(e.Number) == nil {
		return // no message of the interface
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.of[e.Provider]
	if s == nil {
		if len(c.of) >= maxProviders {
			return
		}
		s = &standing{
			since: e.Time, counts: map[string]*TransactionCount{}, faults: map[FaultCount]int{}, refusals: map[TextCount]int{}, warnings: map[TextCount]int{},
			reached: make([]reached, len(flows)), tracks: map[trackKey]*track{{byProvider, ""}: newTrack()},
		}
		c.of[e.Provider] = s
	}
	s.last = e.Time
	s.messages++
	n := s.counts[e.Number]
	if n == nil {
		n = &TransactionCount{Number: e.Number, Name: c.spec.Transaction(e.Number).Name}
		s.counts[e.Number] = n
	}
	n.Sent++
	if e.Done {
		n.Done++
	}
	if e.Repeated {
		n.Repeated++
	}
	if e.Forced == his.NotForced {
		s.judge(e)
	}
	s.follow(e)
}

// judge counts what was wrong.
func (s *standing) judge(e *his.Exchange) {
	for _, f := range e.Faults {
		k := FaultCount{Transaction: e.Number, Node: f.Node, Rule: unquoted(f.Rule)}
		if f.Field != nil {
			k.Field, k.Title, k.Value, k.Rule = f.Field.Name, f.Field.Title, masked(f.Value), f.Rule
			if f.Field.Dictionary != nil {
				k.Value = f.Value
			}
		}
		count(s.faults, k)
	}
	if e.Refusal != "" && len(e.Faults) == 0 {
		count(s.refusals, TextCount{Transaction: e.Number, Text: unquoted(e.Refusal)})
	}
	for _, w := range e.Warnings {
		count(s.warnings, TextCount{Transaction: e.Number, Text: rowNumber.ReplaceAllString(w, "第 n 行")})
	}
}

func count[K comparable](m map[K]int, k K) {
	if _, ok := m[k]; ok || len(m) < maxKinds {
		m[k]++
	}
}

var (
	rowNumber = regexp.MustCompile(`第 \d+ 行`)
	quoted    = regexp.MustCompile(`“[^”]*”`)
	digits    = regexp.MustCompile(`\d{5,}|\d+\.\d+`)
)

// unquoted leaves out of a text what differs from message to message, and with
// it the values it quotes.
func unquoted(s string) string {
	s = quoted.ReplaceAllString(rowNumber.ReplaceAllString(s, "第 n 行"), "“…”")
	return digits.ReplaceAllString(s, "…")
}

// masked keeps the form of a value and not what it says.
func masked(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsDigit(r):
			return '0'
		case unicode.Is(unicode.Han, r):
			return '字'
		case unicode.IsLetter(r):
			return 'a'
		}
		return r
	}, s)
}

// follow moves the flows on that an exchange is part of.
func (s *standing) follow(e *his.Exchange) {
	keys := []trackKey{{byProvider, ""}, {byVisit, e.Visit}, {byMessage, e.Msgid}, {byFile, e.FileNo}}
	if e.Reversed != "" {
		keys[2].id = e.Reversed // it is about that message
	}
	for _, key := range keys {
		t := s.track(key)
		was := *t
		was.sent, was.done = maps.Clone(t.sent), maps.Clone(t.done)
		t.see(e)
		for i := range flows {
			if f := &flows[i]; f.By == key.by {
				before, _ := f.progress(&was)
				after, tried := f.progress(t)
				s.reached[i].reach(f, before, after, tried)
			}
		}
	}
}

// track finds or begins a track. What names nothing is a track of its own.
func (s *standing) track(key trackKey) *track {
	if t := s.tracks[key]; t != nil {
		return t
	}
	t := newTrack()
	if key.id == "" {
		return t
	}
	if len(s.order) >= 3*maxTracks {
		delete(s.tracks, s.order[0])
		s.order = s.order[1:]
	}
	s.tracks[key] = t
	s.order = append(s.order, key)
	return t
}

// providers are those that sent messages, by code.
func (c *conformance) providers() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.of))
}

// report is how far a provider has come. One that sent nothing has tried
// nothing.
func (c *conformance) report(provider string) *Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := &Report{Provider: provider, Flows: []FlowReport{}, Transactions: []TransactionCount{}, Faults: []FaultCount{}, Refusals: []TextCount{}, Warnings: []TextCount{}}
	s := c.of[provider]
	if s == nil {
		s = &standing{reached: make([]reached, len(flows))}
	}
	out.Since, out.Last, out.Messages = s.since, s.last, s.messages
	for i := range flows {
		out.Flows = append(out.Flows, flows[i].report(&s.reached[i]))
	}
	for _, number := range slices.Sorted(maps.Keys(s.counts)) {
		out.Transactions = append(out.Transactions, *s.counts[number])
	}
	for k, n := range s.faults {
		k.Count = n
		out.Faults = append(out.Faults, k)
	}
	slices.SortFunc(out.Faults, func(a, b FaultCount) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), cmp.Compare(a.Transaction, b.Transaction), cmp.Compare(a.Node, b.Node), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Value, b.Value))
	})
	out.Refusals, out.Warnings = texts(s.refusals), texts(s.warnings)
	return out
}

func texts(m map[TextCount]int) []TextCount {
	out := []TextCount{}
	for k, n := range m {
		k.Count = n
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b TextCount) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), cmp.Compare(a.Transaction, b.Transaction), cmp.Compare(a.Text, b.Text))
	})
	return out
}

func (f *flow) report(r *reached) FlowReport {
	out := FlowReport{ID: f.ID, Title: f.Title, State: Never, Completed: r.completed, Hint: f.Hint}
	switch {
	case r.completed > 0:
		out.State = Completed
	case r.tried:
		out.State = Tried
	}
	for i, s := range f.Steps {
		out.Steps = append(out.Steps, Step{s, r.steps&(1<<i) != 0})
	}
	return out
}
