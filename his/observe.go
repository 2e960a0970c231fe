package his

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/anji-platform/anji/ident"
)

// An Observer is told of every message after it was answered, with what both
// sides sent. Messages hold names, IDs and diagnoses: an Observer is for a
// sandbox of made-up data and must never be wired to real data.
type Observer interface {
	// Observe keeps what it needs of e and returns at once: the sender's
	// connection waits for it.
	Observe(e Exchange)
}

// An Exchange is one message and its answer.
type Exchange struct {
	Time     time.Time     // when the message came
	Duration time.Duration // until it was answered, forced waits included
	Remote   string        // address of the sender
	Method   string
	Path     string
	Header   http.Header // of the request, those of observedHeaders
	Request  []byte      // the body, at most its first 4 MiB
	Status   int         // of HTTP; 0: the connection was cut without an answer
	Reply    []byte      // the envelope, also one that was made and forced not to arrive
	File     string      // name of the file that was the answer instead of an envelope

	Number   string // 交易编号 without the suffix A, "" if the message names none
	Msgid    string
	Provider string // 机构编号
	Region   string // 就医地医保区划

	Done       bool         // 交易成功 (infcode 0), or a file
	Refusal    string       // why not, as err_msg says
	Faults     []FieldFault // the wrong fields that made a refusal
	Warnings   []string     // what was repaired or is to be known, as in warn_msg
	Repeated   bool         // the remembered reply of the same message
	Settlement string       // 结算ID that the answer gives, of transactions that write
	Forced     Forcing      // what was forced on it

	// What the message and its answer are about, "" if nothing.
	Insured  string // 参保地医保区划
	Visit    string // 就诊ID
	Care     string // 医疗类别, as a code of the interface
	FileNo   string // 文件查询号
	Reversed string // of 2601: the 原发送方报文ID
}

// A FieldFault is one thing wrong in a message.
type FieldFault struct {
	Node  string // 节点, "" in the envelope
	Field *Field // nil: the fault is of more than a field, and Rule says all
	Value string // what was sent, clipped; "" for a missing field
	Rule  string // what was asked for, in Chinese
}

// observedHeaders are the headers of a request that an Exchange keeps.
var observedHeaders = []string{"Accept", "Content-Type", "User-Agent", "X-Forwarded-For"}

// A FaultInjector says what to force on messages, so that the makers of a HIS
// can try what it does when the platform does not answer as it should. Like an
// Observer it is for a sandbox only.
type FaultInjector interface {
	// Force is asked once for each message that is posted, with the numbers
	// that it names, "" for none. It returns at once.
	Force(number, provider string) Forced
}

// Forced is what to force on one message.
type Forced struct {
	Kind    Forcing
	Wait    time.Duration   // of ForceTimeout and ForceLate, at most MaxForcedWait
	Message string          // of ForceRefusal: err_msg
	Cancel  <-chan struct{} // closed to end a wait early; may be nil
}

// MaxForcedWait bounds how long an answer is held back.
const MaxForcedWait = 5 * time.Minute

// Forcing is a kind of forced answer.
type Forcing uint8

// The kinds of forced answers. Those up to ForceUnavailable stand in the place
// of the work; with the others the work is done and kept, only the answer
// suffers.
const (
	NotForced        Forcing = iota
	ForceTimeout             // no answer until the sender gives up or Wait is over; then the connection is cut
	ForceRefusal             // infcode -1 with Message
	ForceError               // HTTP 500
	ForceUnavailable         // HTTP 503
	ForceLate                // the answer comes after Wait
	ForceLost                // the connection is cut without an answer
	ForceMalformed           // an answer that is no JSON
	ForceTruncated           // the first half of the answer, then the connection is cut
)

// Unanswered reports whether the sender could not read the answer in time, so
// that it does not know whether the work was done.
func (f Forcing) Unanswered() bool {
	switch f {
	case ForceTimeout, ForceError, ForceUnavailable, ForceLate, ForceLost, ForceMalformed, ForceTruncated:
		return true
	}
	return false
}

// watched answers one message as answerTo does, lets the FaultInjector have
// its way, and tells the Observer.
func (s *Server) watched(w http.ResponseWriter, req *http.Request, st *stamp) {
	begun := time.Now()
	// What cannot be read here cannot be read again below, which says so.
	head, _ := io.ReadAll(io.LimitReader(req.Body, maxBody))
	req.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), req.Body), req.Body}

	e := Exchange{Time: st.received, Remote: req.RemoteAddr, Method: req.Method, Path: req.URL.Path, Header: http.Header{}, Request: head}
	for _, name := range observedHeaders {
		if v := req.Header.Values(name); v != nil {
			e.Header[name] = v
		}
	}
	e.peek(head)
	if number, _ := addressNumber(req.URL.Path); e.Number == "" {
		e.Number = base(number)
	}
	out := &tap{ResponseWriter: w, ctx: req.Context()}
	defer func() { // also when the connection is cut, which is a panic
		e.Duration = time.Since(begun)
		e.conclude(out, st, s.offered[e.Number].reads)
		if s.Observer != nil {
			s.Observer.Observe(e)
		}
	}()

	if s.Fault != nil && req.Method == http.MethodPost {
		out.forced = s.Fault.Force(e.Number, e.Provider)
		e.Forced = out.forced.Kind
	}
	switch e.Forced {
	case ForceTimeout:
		out.wait()
		panic(http.ErrAbortHandler)
	case ForceRefusal:
		st.region, _ = ident.ParseRegion(e.Region) // a reply may leave it open
		out.answer(http.StatusOK, s.failure(st, refuse("%s", out.forced.Message)))
	case ForceError:
		http.Error(out, "Internal Server Error", http.StatusInternalServerError)
	case ForceUnavailable:
		out.Header().Set("Retry-After", "5")
		http.Error(out, "Service Unavailable", http.StatusServiceUnavailable)
	default:
		s.answerTo(out, req, st)
	}
	out.end()
}

// peek reads what the envelope names, as far as it can be read.
func (e *Exchange) peek(body []byte) {
	dec := jsontext.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, byteOrderMark)))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return
	}
	for {
		name, err := dec.ReadToken()
		if err != nil || name.Kind() != '"' {
			return
		}
		var into *string
		switch name.String() {
		case "infno":
			into = &e.Number
		case "msgid":
			into = &e.Msgid
		case "fixmedins_code":
			into = &e.Provider
		case "mdtrtarea_admvs":
			into = &e.Region
		}
		if k := dec.PeekKind(); into == nil || k != '"' && k != '0' {
			if dec.SkipValue() != nil {
				return
			}
			continue
		}
		text, err := dec.ReadToken()
		if err != nil {
			return
		}
		*into = clip(strings.TrimSpace(text.String()), 64)
		if into == &e.Number {
			e.Number = base(e.Number)
		}
	}
}

// conclude adds what came of the message.
func (e *Exchange) conclude(out *tap, st *stamp, reads bool) {
	e.Status, e.Reply = out.status, out.reply
	e.Faults, e.Warnings = st.faults, st.warnings
	switch e.Forced {
	case ForceTimeout, ForceLost:
		e.Status = 0
	case ForceError, ForceUnavailable:
		e.Reply = nil
	}
	if _, params, err := mime.ParseMediaType(out.Header().Get("Content-Disposition")); err == nil {
		e.File, e.Done, e.Reply = params["filename"], true, nil
	}
	if reply, err := parseJSON(e.Reply); err == nil {
		e.Done, e.Refusal = plainText(reply.get("infcode")) == "0", plainText(reply.get("err_msg"))
		e.Repeated = e.Done && st.repeated
		output := reply.get("output")
		e.Visit, e.FileNo = output.search("mdtrt_id"), output.search("file_qury_no")
		if !reads {
			e.Settlement = output.search("setl_id")
		}
	}
	e.about()
}

// about reads what the request is about. What is wrong in it says nothing.
func (e *Exchange) about() {
	message, err := parseJSON(bytes.TrimPrefix(e.Request, byteOrderMark))
	if err != nil {
		return
	}
	input := message.get("input")
	if input != nil && input.kind == '"' {
		if input, err = parseJSON([]byte(input.text)); err != nil {
			return
		}
	}
	e.Insured = clip(plainText(message.get("insuplc_admdvs")), 64)
	e.Care = clip(input.search("med_type"), 64)
	e.Reversed = clip(input.search("omsgid"), 64)
	for into, name := range map[*string]string{&e.Visit: "mdtrt_id", &e.FileNo: "file_qury_no"} {
		if text := input.search(name); text != "" {
			*into = clip(text, 64)
		}
	}
}

// search returns the first scalar of the name in a node of v, "" if there is
// none.
func (v *value) search(name string) string {
	if v == nil {
		return ""
	}
	if text := plainText(v.get(name)); text != "" {
		return text
	}
	for i := range v.members {
		if text := v.members[i].search(name); text != "" {
			return text
		}
	}
	for i := range v.items {
		if text := v.items[i].search(name); text != "" {
			return text
		}
	}
	return ""
}

// A tap is a ResponseWriter that keeps what is answered and, where that is
// forced, passes on something else.
type tap struct {
	http.ResponseWriter
	ctx    context.Context
	forced Forced
	status int
	reply  []byte // of an envelope
	left   int64  // of ForceTruncated: how much may still pass
	sent   bool   // something was passed on
}

// Unwrap is for http.ResponseController.
func (t *tap) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *tap) WriteHeader(status int) {
	if t.status != 0 {
		return
	}
	t.status = status
	switch t.forced.Kind {
	case ForceLate:
		t.wait()
	case ForceLost:
		return
	case ForceTruncated:
		n, _ := strconv.ParseInt(t.Header().Get("Content-Length"), 10, 64) // every answer states it
		t.left = n / 2
	}
	t.ResponseWriter.WriteHeader(status)
}

func (t *tap) Write(b []byte) (int, error) {
	t.WriteHeader(http.StatusOK)
	if t.Header().Get("Content-Disposition") == "" {
		t.reply = append(t.reply, b[:min(len(b), maxBody-len(t.reply))]...)
	}
	pass := b
	switch t.forced.Kind {
	case ForceLost:
		return len(b), nil
	case ForceTruncated:
		pass = b[:min(int64(len(b)), t.left)]
		t.left -= int64(len(pass))
	case ForceMalformed:
		if !t.sent {
			pass = bytes.Replace(b, []byte(":"), []byte("="), 1)
		}
	}
	t.sent = true
	if n, err := t.ResponseWriter.Write(pass); err != nil {
		return n, err
	}
	return len(b), nil
}

func (t *tap) answer(status int, reply []byte) {
	envelopeHead(t.Header(), reply)
	t.WriteHeader(status)
	_, _ = t.Write(reply)
}

// end cuts the connection where that is forced.
func (t *tap) end() {
	switch t.forced.Kind {
	case ForceTruncated:
		_ = http.NewResponseController(t.ResponseWriter).Flush() // if it fails, less arrives
	case ForceLost:
	default:
		return
	}
	panic(http.ErrAbortHandler)
}

// wait holds the answer back. It ends when the sender has gone.
func (t *tap) wait() {
	d := min(t.forced.Wait, MaxForcedWait)
	// The server's own bounds, on reading too, are shorter than the longest
	// wait. Where they cannot be moved they hold.
	bounds, until := http.NewResponseController(t.ResponseWriter), time.Now().Add(d+timeout)
	_ = errors.Join(bounds.SetReadDeadline(until), bounds.SetWriteDeadline(until))
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.ctx.Done():
	case <-t.forced.Cancel:
	}
}
