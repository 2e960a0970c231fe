package his

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"mime"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/anji-platform/anji/abstract"
	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/exchange"
	"github.com/anji-platform/anji/filing"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/his/keyring"
	"github.com/anji-platform/anji/inventory"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/settlement"
	"github.com/anji-platform/anji/supervision"
)

// timeout bounds the work on one message, so that a slow database answers the
// hospital with a refusal and not with silence.
const timeout = 30 * time.Second

// scope is where db keeps the replies of this room.
const scope = "his"

// Config is what a Server works with. Every field but Security, Decider, Now,
// Log, Observer and Fault is needed.
type Config struct {
	DB         *db.DB
	Sealer     *gm.Sealer // seals remembered replies, which hold citizen IDs
	Enrolment  *enrolment.Register
	Settlement *settlement.Service
	// Credentials opens the codes of e-credentials, and knows whom a token is of.
	Credentials *credential.Service
	Decider     filing.Decider   // decides what providers file for people; nil: filing.Plain
	Security    Security         // how messages are proved; zero: they need not be
	Now         func() time.Time // the clock; nil: the machine's
	Log         *slog.Logger     // nil: slog.Default()
	// Observer and Fault are for a sandbox of made-up data only: they see and
	// hold up whole messages. Nil everywhere else.
	Observer Observer
	Fault    FaultInjector
}

// A Server is the http.Handler of the interface. It keeps no state but what may
// be forgotten.
type Server struct {
	Config
	spec        *Spec
	offered     map[string]operation
	guard       *guard
	filings     *filing.Service
	supervision *supervision.Service
	inventory   *inventory.Service
	abstracts   *abstract.Service
	serial      func() uint64 // the serial of a reply, of ten digits
	files       *exchange.Store
	staff       *provider.Directory
	large       chan struct{} // a place for every large file that is being received
}

// A handler does one transaction: it reads the request's records, calls the
// domain rooms in tx, and fills the answer. An error undoes everything.
type handler func(s *Server, ctx context.Context, tx *db.Tx, r *request, a *answer) error

// New returns a server of the interface, to be mounted at /his and /his/.
func New(c Config) *Server {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	spec, err := LoadSpec()
	if err != nil {
		panic("his: " + err.Error()) // the tables are part of the program, and tested
	}
	rules, err := supervision.Builtin()
	if err != nil {
		panic("his: " + err.Error()) // so are the rules
	}
	return &Server{
		Config: c, spec: spec, offered: offered, serial: func() uint64 { return rand.Uint64N(1e10) },
		guard:       &guard{Security: c.Security, db: c.DB, ring: keyring.New(c.Sealer), now: c.Now},
		filings:     filing.New(c.Enrolment, c.Settlement, c.Sealer, c.Decider, c.Now),
		supervision: supervision.New(rules, c.Settlement, c.Sealer, c.Now),
		files:       exchange.New(c.Sealer), staff: provider.NewDirectory(c.Sealer), large: make(chan struct{}, largeFiles),
		inventory: inventory.New(c.Sealer, c.Now), abstracts: abstract.New(c.Settlement, c.Sealer, c.Now),
	}
}

// An operation is a transaction that this server does.
type operation struct {
	do handler
	// reads says that it changes nothing: it runs over one state of the store,
	// and its reply is made anew each time.
	reads bool
}

// offered are the transactions this server does, by number. The same numbers
// with the suffix A are the same transactions.
var offered = together(core, catalogues, clearings, reversals, stayings, histories, filings, codes, benefits, checks, inventories, abstracts)

// together is the union of tables that have no number in common.
func together(tables ...map[string]operation) map[string]operation {
	all := map[string]operation{}
	for _, t := range tables {
		for number, o := range t {
			if _, twice := all[number]; twice {
				panic("his: transaction " + number + " is done twice")
			}
			all[number] = o
		}
	}
	return all
}

var core = map[string]operation{
	"1101": {(*Server).findPerson, true},
	"2201": {(*Server).register, false},
	"2203": {(*Server).describe, false},
	"2204": {(*Server).addFees, false},
	"2206": {(*Server).preview, true},
	"2207": {(*Server).settle, false},
	"2301": {(*Server).addFees, false},
	"2303": {(*Server).preview, true},
	"2304": {(*Server).settle, false},
	"2401": {(*Server).admit, false},
	"9001": {(*Server).signIn, false},
	"9002": {(*Server).signOut, false},
}

// Spec is the interface's tables, for documentation.
func (s *Server) Spec() *Spec { return s.spec }

// ServeHTTP answers one message. What the business says, for or against, is
// status 200 with infcode; other statuses are for misuse of the transport.
func (s *Server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	st := &stamp{received: s.Now(), serial: s.serial()}
	if s.Observer != nil || s.Fault != nil {
		s.watched(w, req, st)
		return
	}
	s.answerTo(w, req, st)
}

func (s *Server) answerTo(w http.ResponseWriter, req *http.Request, st *stamp) {
	status, reply, file := s.serve(req, st)
	if file != nil {
		s.attach(req.Context(), w, file, st)
		return
	}
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	envelopeHead(w.Header(), reply)
	w.WriteHeader(status)
	_, _ = w.Write(reply) // a client that went away asks again with the same msgid
}

func envelopeHead(h http.Header, reply []byte) {
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(reply)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

// attach answers with a file. Once its head is sent, a failure can only break
// the connection off, so that the client does not take a part for the whole.
func (s *Server) attach(ctx context.Context, w http.ResponseWriter, f *exchange.File, st *stamp) {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}))
	h.Set("Content-Length", strconv.FormatInt(f.Size, 10))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if _, err := io.Copy(w, s.files.Open(ctx, *f, s.DB.View)); err != nil {
		if ctx.Err() == nil {
			s.Log.Error("his: a file was not sent whole", "reference", st.id(), "error", err)
		}
		panic(http.ErrAbortHandler)
	}
}

func (s *Server) serve(req *http.Request, st *stamp) (int, []byte, *exchange.File) {
	failed := func(status int, err error) (int, []byte, *exchange.File) { return status, s.failure(st, err), nil }
	number, ok := addressNumber(req.URL.Path)
	switch {
	case !ok:
		return failed(http.StatusNotFound, refuse("地址应为 /his 或 /his/交易编号"))
	case req.Method != http.MethodPost:
		return failed(http.StatusMethodNotAllowed, refuse("请用 POST 方法调用"))
	}
	in, err := plainBody(req)
	if err != nil {
		return failed(http.StatusUnsupportedMediaType, err)
	}
	body, file, err := s.receive(in, 0)
	defer file.release()
	if err != nil {
		var r *refusal
		switch {
		case errors.Is(err, errLarge):
			return failed(http.StatusRequestEntityTooLarge, refuse("报文超过 %d 字节，请分批上传", int64(maxBody)))
		case errors.Is(err, exchange.ErrTooLarge):
			return failed(http.StatusRequestEntityTooLarge, refuse("文件超过 %d 字节，请拆分后上传", int64(exchange.MaxSize)))
		case errors.As(err, &r):
			return failed(http.StatusOK, r)
		}
		return failed(http.StatusBadRequest, refuse("报文没有收全"))
	}
	ctx, cancel := context.WithTimeout(req.Context(), timeout)
	defer cancel()
	return s.do(ctx, body, file, number, req.Header, st)
}

// do does what a message asks and gives the whole reply with its status, or the
// file that is the answer. It does not panic.
func (s *Server) do(ctx context.Context, body []byte, file *upload, number string, h http.Header, st *stamp) (status int, reply []byte, attached *exchange.File) {
	defer func() {
		if p := recover(); p != nil {
			status, reply, attached = http.StatusOK, s.failure(st, fmt.Errorf("panic: %v\n%s", p, debug.Stack())), nil
		}
	}()
	m, err := s.open(body, number)
	st.region, m.file = m.care, file
	defer func() {
		if m.file != file { // it was lifted out of the input
			m.file.release()
		}
	}()
	var k *keyring.Key
	if err == nil {
		k, err = s.unlock(ctx, m, h)
	}
	var stopped *gatewayError
	if errors.As(err, &stopped) {
		return http.StatusUnauthorized, stopped.body(), nil
	}
	var r *request
	if err == nil {
		r, err = s.request(m)
	}
	if err == nil {
		reply, attached, err = s.transact(ctx, r, st)
	}
	if err != nil {
		reply, attached = s.failure(st, err), nil
	}
	if attached == nil {
		if reply, err = s.guard.protect(reply, k); err != nil {
			reply = s.failure(st, err)
		}
	}
	return http.StatusOK, reply, attached
}

// transact does a request once: the reply is remembered in the transaction
// that did the work, and given again to the same request. What only reads is
// answered afresh.
func (s *Server) transact(ctx context.Context, r *request, st *stamp) (reply []byte, attached *exchange.File, err error) {
	op := s.offered[base(r.spec.Number)]
	run := s.DB.View
	if !op.reads {
		// The work begins by looking whether it was done.
		ctx, run = db.Concurrent(db.Repeatable(ctx)), s.DB.Update
	}
	var seen []string
	err = run(ctx, func(tx *db.Tx) error {
		r := r.again() // the store may run this twice
		key := r.provider + " " + r.msgid
		var before db.Reply
		var sender standing
		var cancelled bool
		var err error
		if !op.reads {
			// Twins of a request wait for each other.
			err = errors.Join(s.lockMessages(ctx, tx, r), tx.LaterRecall(ctx, &before, scope, key), laterCancelled(ctx, tx, &cancelled, r))
		}
		visit, person := r.about()
		if err = errors.Join(err, sender.expect(ctx, tx, r), s.Settlement.Expect(ctx, tx, visit, person, !op.reads), tx.Flush(ctx)); err != nil {
			return err
		}
		if cancelled {
			return refuse("msgid“%s”的报文已被 2601 冲正，不再办理；仍需办理的，请用新的 msgid", clip(r.msgid, 64))
		}
		st.repeated = before.Digest != nil
		if st.repeated {
			if !bytes.Equal(before.Digest, r.digest[:]) {
				return refuse("msgid“%s”已用于另一笔内容不同的请求；新请求请用新的 msgid，重发请保持原内容", clip(r.msgid, 64))
			}
			packed, err := s.Sealer.Open(scope, before.Body)
			if err == nil {
				reply, err = s2.Decode(nil, []byte(packed))
			}
			return err
		}
		if err := sender.check(ctx, tx, r); err != nil {
			return err
		}
		a := &answer{t: r.spec}
		if err := op.do(s, ctx, tx, r, a); err != nil {
			return err
		}
		st.replied = s.Now()
		reply = st.success(r.warnings, a)
		if op.reads {
			attached, seen = a.file, a.opened(r)
			return nil
		}
		if err := keepMessage(ctx, tx, r); err != nil {
			return err
		}
		return tx.Remember(ctx, scope, key, r.digest[:], s.Sealer.Seal(scope, string(s2.Encode(nil, reply))))
	})
	if err == nil && len(seen) > 0 {
		err = s.recordView(ctx, r, seen)
	}
	return reply, attached, err
}

// opened are the people whose sealed data (citizen ID, phone) an answer shows, in
// order of their numbers.
func (a *answer) opened(r *request) []string {
	_, asked := r.about()
	var out []string
	for _, rows := range a.rows {
		for _, l := range rows {
			if l.text("certno") == "" && l.text("tel") == "" {
				continue
			}
			person := l.text("psn_no")
			if person == "" {
				person = asked
			}
			if person != "" {
				out = append(out, person)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// recordView records who saw whose sealed data in which transaction, before the
// answer leaves: what is not recorded is not shown. Transactions that write have
// records of their own.
func (s *Server) recordView(ctx context.Context, r *request, people []string) error {
	ctx = db.Concurrent(ctx)
	return s.DB.Update(ctx, func(tx *db.Tx) error {
		for _, p := range people { // held, so that records of one person follow each other
			if err := errors.Join(s.Enrolment.ExpectAlone(ctx, tx, p), audit.Expect(ctx, tx, audit.OfPerson(p))); err != nil {
				return err
			}
		}
		for _, p := range people {
			if err := audit.Append(ctx, tx, audit.Record{At: s.Now(), Actor: r.actor(), Chain: audit.OfPerson(p), Action: "his.view", Subject: p,
				Details: map[string]string{"purpose": r.spec.Number + " " + r.spec.Name}}); err != nil {
				return err
			}
		}
		return nil
	})
}

// again is the request as it was before anything was done about it.
func (r *request) again() *request {
	c := *r
	c.warnings = slices.Clone(r.warnings)
	return &c
}

// about is the visit and the person that a request names first, "" where it
// names none: they are read together with what every request needs.
func (r *request) about() (visit, person string) {
	for _, n := range r.spec.Input {
		if rows := r.input[n.Name]; len(rows) > 0 && !n.Nested {
			return rows[0].optional("mdtrt_id"), rows[0].optional("psn_no")
		}
	}
	return "", ""
}

// failure is the reply to a message that was not done. What is no refusal is
// a fault of ours: the sender gets a reference number, the log the rest. The
// log holds no message contents.
func (s *Server) failure(st *stamp, err error) []byte {
	st.replied = s.Now()
	var r *refusal
	if !errors.As(err, &r) {
		s.Log.Error("his: a message was not done", "reference", st.id(), "error", err)
		err = refuse("系统暂时无法处理，请稍后用原报文重发；参考号 %s", st.id())
	}
	return st.failure(err)
}
