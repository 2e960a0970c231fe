package sandbox

import (
	"sync"

	"github.com/anji-platform/anji/his"
)

// Bounds of what is kept in memory.
const (
	maxRecords = 500
	maxBody    = 256 << 10 // of one request or reply
	maxBodies  = 32 << 20  // of all of them
)

// A record is an exchange that is kept.
type record struct {
	his.Exchange
	N     int64  // from 1
	Name  string // of the transaction
	Epoch int64  // how often the store had been reset
	// How long the bodies were before they were cut.
	RequestSize, ReplySize int
}

func (r *record) size() int { return len(r.Request) + len(r.Reply) }

// Outcome is how an exchange ended.
type Outcome string

// The outcomes.
const (
	Done     Outcome = "done"
	Warned   Outcome = "warned"   // done, with warn_msg
	Repeated Outcome = "repeated" // the remembered reply
	Refused  Outcome = "refused"  // infcode -1
	Failed   Outcome = "failed"   // another status than 200
	Forced   Outcome = "forced"   // an answer that was forced
)

// outcomes with their names, in the order of the filter.
var outcomes = []struct {
	Outcome Outcome
	Title   string
}{
	{Done, "成功"}, {Warned, "成功，有提示"}, {Repeated, "重发，原样应答"}, {Refused, "拒绝"}, {Failed, "传输错误"}, {Forced, "强制应答"},
}

// Title is the outcome in Chinese.
func (o Outcome) Title() string {
	for _, x := range outcomes {
		if x.Outcome == o {
			return x.Title
		}
	}
	return string(o)
}

// Outcome is how the exchange ended.
func (r *record) Outcome() Outcome {
	switch {
	case r.Forced != his.NotForced:
		return Forced
	case r.Status != 200:
		return Failed
	case !r.Done:
		return Refused
	case r.Repeated:
		return Repeated
	case len(r.Warnings) > 0:
		return Warned
	}
	return Done
}

// A filter says which records are wanted; "" is any.
type filter struct {
	Provider, Number string
	Outcome          Outcome
}

func (f filter) wants(r *record) bool {
	return (f.Provider == "" || f.Provider == r.Provider) && (f.Number == "" || f.Number == r.Number) && (f.Outcome == "" || f.Outcome == r.Outcome())
}

// A journal keeps the last exchanges and wakes who waits for more.
type journal struct {
	mu      sync.Mutex
	records []*record // oldest first
	bodies  int       // bytes of all of them
	last    int64
	more    chan struct{} // closed when a record comes
}

func newJournal() *journal { return &journal{more: make(chan struct{})} }

func (j *journal) add(e his.Exchange, name string, epoch int64) {
	r := &record{Exchange: e, Name: name, Epoch: epoch, RequestSize: len(e.Request), ReplySize: len(e.Reply)}
	r.Request, r.Reply = cut(e.Request), cut(e.Reply)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	r.N = j.last
	j.records = append(j.records, r)
	j.bodies += r.size()
	for len(j.records) > maxRecords || j.bodies > maxBodies {
		j.bodies -= j.records[0].size()
		j.records[0] = nil
		j.records = j.records[1:]
	}
	close(j.more)
	j.more = make(chan struct{})
}

// cut copies the beginning of a body, so that the rest of it can be freed.
func cut(b []byte) []byte { return append([]byte(nil), b[:min(len(b), maxBody)]...) }

// after returns the wanted records after number n, oldest first, the number to
// ask after next, and what is closed when more come.
func (j *journal) after(n int64, f filter) (rs []*record, last int64, more <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range j.records {
		if r.N > n && f.wants(r) {
			rs = append(rs, r)
		}
	}
	return rs, j.last, j.more
}

// get returns the record of the number, nil if it is not kept.
func (j *journal) get(n int64) *record {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.records) == 0 {
		return nil
	}
	if i := n - j.records[0].N; i >= 0 && i < int64(len(j.records)) {
		return j.records[i]
	}
	return nil
}

// twins are the records of the same message, oldest first.
func (j *journal) twins(r *record) []*record {
	if r.Msgid == "" {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []*record
	for _, x := range j.records {
		if x != r && x.Msgid == r.Msgid && x.Provider == r.Provider {
			out = append(out, x)
		}
	}
	return out
}
