// Package sandbox is the workbench for makers of a HIS (接口沙箱): every message
// to the interface as it comes, with what was decided and posted; the fixed
// people, providers and items; answers forced to fail, to try what a HIS does
// then; and a report of how far each HIS has come.
//
// It shows whole messages and holds up answers, so it belongs beside made-up
// data only: package server wires it in its sandbox and nowhere else. What it
// keeps is in memory, bounded, and ends with the process.
package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skip2/go-qrcode"

	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/his"
	"github.com/anji-platform/anji/money"
)

// Store is what the pages show of the store behind the interface.
type Store interface {
	// Credentials are those of a person, by citizen ID; ok is false if the
	// store does not hold the person.
	Credentials(ctx context.Context, citizenID string) (c Credentials, ok bool, err error)
	// Code makes a code of a person's e-credential, as their phone shows it.
	Code(ctx context.Context, citizenID string) (code string, until time.Time, err error)
	// Entries are those of the ledger about a settlement, oldest first.
	Entries(ctx context.Context, settlement string) ([]fund.Entry, error)
	// FundTitle is the name of a region's fund in Chinese, by its id.
	FundTitle(region, fund string) string
}

// Credentials are what a person is found by beside the citizen ID. They are
// other ones after each reset.
type Credentials struct {
	ID    string // 人员编号
	Token string // 医保电子凭证令牌
	// Coverage says whether the person may be paid today, and if not, why, and
	// what they can do; Paid is its answer.
	Coverage string
	Paid     bool
}

// Config is what a Sandbox is made of. Spec and Store are needed.
type Config struct {
	Spec  *his.Spec
	Store Store
	// Reset brings the store back to its first state; nil: it cannot be.
	Reset func(context.Context) error
	Log   *slog.Logger // nil: slog.Default()
}

// A Sandbox is the http.Handler of /sandbox and below. It observes an interface
// and forces answers on it.
type Sandbox struct {
	Config
	mux         http.Handler
	journal     *journal
	arms        arms
	conformance conformance
	epoch       atomic.Int64 // how often the store was reset
	streams     chan struct{}
	closed      chan struct{}
	once        sync.Once
}

// maxStreams bounds how many pages are kept up to date at one time.
const maxStreams = 64

// New returns a sandbox, to be served at /sandbox and /sandbox/, and wired to
// the interface as its Observer and FaultInjector.
func New(c Config) *Sandbox {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	s := &Sandbox{Config: c, journal: newJournal(), conformance: conformance{spec: c.Spec, of: map[string]*standing{}},
		streams: make(chan struct{}, maxStreams), closed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sandbox", s.page("exchanges.html", s.exchanges))
	mux.HandleFunc("GET /sandbox/events", s.events)
	mux.HandleFunc("GET /sandbox/exchanges/{n}", s.page("exchange.html", s.exchange))
	mux.HandleFunc("GET /sandbox/people", s.page("people.html", s.people))
	mux.HandleFunc("GET /sandbox/people/{n}/code", s.page("code.html", s.code))
	mux.HandleFunc("GET /sandbox/force", s.page("force.html", s.force))
	mux.HandleFunc("POST /sandbox/force", s.arm)
	mux.HandleFunc("POST /sandbox/force/{id}/disarm", s.disarm)
	mux.HandleFunc("GET /sandbox/conformance", s.report)
	mux.HandleFunc("POST /sandbox/reset", s.reset)
	mux.Handle("GET /sandbox/static/{name}", static)
	mux.HandleFunc("/sandbox/", s.page("", func(*http.Request, *view) error { return errNotFound }))
	s.mux = guard(http.NewCrossOriginProtection().Handler(mux))
	return s
}

// ServeHTTP answers for the pages.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close ends the pages that are kept up to date and the answers that are held
// back, so that the server can stop. What comes later is answered still.
func (s *Sandbox) Close() { s.once.Do(func() { close(s.closed) }) }

// Observe keeps an exchange; it is his.Observer's.
func (s *Sandbox) Observe(e his.Exchange) {
	s.conformance.see(&e)
	name := ""
	if t := s.Spec.Transaction(e.Number); t != nil {
		name = t.Name
	}
	s.journal.add(e, name, s.epoch.Load())
}

// Force gives the first forced answer that waits for such a message; it is
// his.FaultInjector's.
func (s *Sandbox) Force(number, provider string) his.Forced {
	forced := s.arms.take(number, provider)
	forced.Cancel = s.closed
	return forced
}

var errNotFound = errors.New("sandbox: not found")

type exchangesData struct {
	Records []*record // newest first
	Last    int64
	Filter  filter
	Query   string // of the events of the same filter
	Numbers []*his.Transaction
}

func filterOf(r *http.Request) filter {
	q := r.URL.Query()
	return filter{strings.TrimSpace(q.Get("provider")), q.Get("number"), Outcome(q.Get("outcome"))}
}

func (s *Sandbox) exchanges(r *http.Request, v *view) error {
	d := exchangesData{Filter: filterOf(r), Numbers: s.transactions()}
	all, last, _ := s.journal.after(0, d.Filter)
	for i := len(all) - 1; i >= 0; i-- {
		d.Records = append(d.Records, all[i])
	}
	d.Last = last
	q := r.URL.Query()
	q.Set("after", strconv.FormatInt(last, 10))
	d.Query = q.Encode()
	v.Title, v.Tab, v.Data = "报文", "exchanges", d
	return nil
}

// transactions are those that can be chosen.
func (s *Sandbox) transactions() []*his.Transaction {
	var out []*his.Transaction
	for _, number := range his.Offered() {
		out = append(out, s.Spec.Transaction(number))
	}
	return out
}

// keepAlive is how often a silent stream says that it is alive.
const keepAlive = 20 * time.Second

// events streams the rows of exchanges as they come (server-sent events), each
// with its number, from which a lost connection goes on.
func (s *Sandbox) events(w http.ResponseWriter, r *http.Request) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		http.Error(w, "打开的页面太多", http.StatusServiceUnavailable)
		return
	}
	last, err := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64)
	if err != nil {
		last, _ = strconv.ParseInt(r.URL.Query().Get("after"), 10, 64) // none: from the first that is kept
	}
	f := filterOf(r)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	if err := errors.Join(out.SetReadDeadline(time.Time{}), out.SetWriteDeadline(time.Time{})); err != nil {
		s.Log.WarnContext(r.Context(), "sandbox: a stream may end early", "error", err)
	}
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		rows, now, more := s.journal.after(last, f)
		for _, e := range rows {
			var b strings.Builder
			if err := pages["exchanges.html"].ExecuteTemplate(&b, "row", e); err != nil {
				s.Log.ErrorContext(r.Context(), "sandbox: a row was not written", "error", err)
				return
			}
			if _, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", e.N, strings.ReplaceAll(b.String(), "\n", "\ndata: ")); err != nil {
				return // the page was left
			}
		}
		last = now
		if err := out.Flush(); err != nil {
			return
		}
		select {
		case <-more:
		case <-tick.C:
			if _, err := w.Write([]byte(": \n\n")); err != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-s.closed:
			return
		}
	}
}

type exchangeData struct {
	*record
	Sides   [2]side
	Twins   []*record
	Entries []posted
	Gone    bool // the store was reset since
	Kept    bool // done, although the answer did not arrive as it should
}

// posted is an entry of the ledger.
type posted struct {
	Title string
	At    time.Time
	Rows  []postedRow
}

type postedRow struct {
	Title, Account string
	Amount         money.Fen
}

// side is one body of an exchange.
type side struct {
	Title string
	Lines []his.Line
	Rest  string // what is no JSON
	Size  int    // of all of it
	Cut   bool   // only its beginning is kept
	None  string // why there is nothing
}

func (s *Sandbox) exchange(r *http.Request, v *view) error {
	n, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
	if err != nil {
		return errNotFound
	}
	x := s.journal.get(n)
	if x == nil {
		return errNotFound
	}
	d := exchangeData{record: x, Twins: s.journal.twins(x), Gone: x.Epoch != s.epoch.Load()}
	d.Kept = x.Done && x.Forced.Unanswered() && kindDone(x.Forced)
	d.Sides[0] = s.side("请求", x, x.Request, x.RequestSize, false)
	d.Sides[1] = s.side("应答", x, x.Reply, x.ReplySize, true)
	switch {
	case x.File != "":
		d.Sides[1].None = "应答是文件 " + x.File
	case x.ReplySize == 0:
		d.Sides[1].None = "没有应答报文"
	}
	if x.Settlement != "" && !d.Gone {
		entries, err := s.Store.Entries(r.Context(), x.Settlement)
		if err != nil {
			return fmt.Errorf("entries of %s: %w", x.Settlement, err)
		}
		for _, e := range entries {
			p := posted{Title: entryTitle(e.Kind), At: e.At}
			for _, row := range e.Postings {
				p.Rows = append(p.Rows, postedRow{s.accountTitle(row.Account), row.Account, row.Amount})
			}
			d.Entries = append(d.Entries, p)
		}
	}
	v.Title, v.Tab, v.Data = "报文 #"+strconv.FormatInt(n, 10), "exchanges", d
	return nil
}

func (s *Sandbox) side(title string, x *record, body []byte, size int, reply bool) side {
	lines, rest := s.Spec.Annotate(x.Number, body, reply)
	return side{Title: title, Lines: lines, Rest: rest, Size: size, Cut: size > len(body)}
}

type peopleData struct {
	People []personRow
}

type personRow struct {
	demo.Person
	Credentials
	N    int // from 1
	Here bool
}

func (s *Sandbox) people(r *http.Request, v *view) error {
	var d peopleData
	for n, p := range demo.People() {
		row := personRow{Person: p, N: n + 1}
		var err error
		if row.Credentials, row.Here, err = s.Store.Credentials(r.Context(), p.CitizenID); err != nil {
			return fmt.Errorf("credentials: %w", err)
		}
		d.People = append(d.People, row)
	}
	v.Title, v.Tab, v.Data = "测试数据", "people", d
	return nil
}

type codeData struct {
	Person demo.Person
	Code   string
	Until  time.Time
	Size   int    // of the picture, in modules
	Path   string // of its dark modules
}

// code shows a person's code, as their phone would: for a scanner, and to copy.
func (s *Sandbox) code(r *http.Request, v *view) error {
	for n, p := range demo.People() {
		if strconv.Itoa(n+1) != r.PathValue("n") {
			continue
		}
		code, until, err := s.Store.Code(r.Context(), p.CitizenID)
		if err != nil {
			return fmt.Errorf("code: %w", err)
		}
		q, err := qrcode.New(code, qrcode.Low)
		if err != nil {
			return fmt.Errorf("code: %w", err)
		}
		d := codeData{Person: p, Code: code, Until: until}
		var path strings.Builder
		rows := q.Bitmap()
		d.Size = len(rows)
		for y, row := range rows {
			for x, dark := range row {
				if dark {
					fmt.Fprintf(&path, "M%d %dh1v1h-1z", x, y)
				}
			}
		}
		d.Path = path.String()
		v.Title, v.Tab, v.Data = p.Name+"的电子凭证二维码", "people", d
		return nil
	}
	return errNotFound
}

type forceData struct {
	Arms    []arm
	Numbers []*his.Transaction
	Resets  bool // the store can be reset
	Fault   string
	Said    string
	Form    func(string) string
}

// said are the confirmations that a redirect may name.
var said = map[string]string{"armed": "已设置。", "disarmed": "已解除。", "reset": "已重置：人员、账户、结算都回到初始状态，令牌已更换，请重新签到。"}

func (s *Sandbox) force(r *http.Request, v *view) error {
	v.Title, v.Tab, v.Data = "强制应答", "force", forceData{Arms: s.arms.list(), Numbers: s.transactions(), Resets: s.Reset != nil,
		Said: said[r.URL.Query().Get("said")], Form: r.URL.Query().Get}
	return nil
}

// maxForm bounds the forms that are sent.
const maxForm = 16 << 10

func (s *Sandbox) arm(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := r.ParseForm()
	var x arm
	if err == nil {
		x, err = parseArm(s.Spec, r.PostForm.Get)
	}
	if err == nil {
		err = s.arms.add(x)
	}
	if err != nil {
		s.refuseForm(w, r, http.StatusUnprocessableEntity, err)
		return
	}
	http.Redirect(w, r, "/sandbox/force?said=armed", http.StatusSeeOther)
}

// refuseForm shows the form again, as it was filled in, with what is wrong.
func (s *Sandbox) refuseForm(w http.ResponseWriter, r *http.Request, status int, err error) {
	s.answer(w, r, "force.html", status, func(r *http.Request, v *view) error {
		if err := s.force(r, v); err != nil {
			return err
		}
		d := v.Data.(forceData)
		d.Fault, d.Form = err.Error(), r.PostForm.Get
		v.Data = d
		return nil
	})
}

func (s *Sandbox) disarm(w http.ResponseWriter, r *http.Request) {
	if id, err := strconv.ParseInt(r.PathValue("id"), 10, 64); err == nil {
		s.arms.remove(id)
	}
	http.Redirect(w, r, "/sandbox/force?said=disarmed", http.StatusSeeOther)
}

func (s *Sandbox) reset(w http.ResponseWriter, r *http.Request) {
	if s.Reset == nil {
		s.refuseForm(w, r, http.StatusConflict, errors.New("这个数据库不能在这里重置"))
		return
	}
	if err := s.Reset(r.Context()); err != nil {
		s.Log.ErrorContext(r.Context(), "sandbox: not reset", "error", err)
		s.refuseForm(w, r, http.StatusInternalServerError, errors.New("没有重置成功，数据没有改动"))
		return
	}
	s.epoch.Add(1)
	http.Redirect(w, r, "/sandbox/force?said=reset", http.StatusSeeOther)
}

type reportData struct {
	*Report
	Providers []demoProvider
}

type demoProvider struct {
	Code, Name string
	Messages   int
	Completed  int // flows
	Flows      int
}

func providerName(code string) string {
	for _, p := range demo.Providers {
		if p.Code == code {
			return p.Name
		}
	}
	return ""
}

// report is the conformance report of a provider, as a page or as JSON; without
// a provider, the list of those that sent messages.
func (s *Sandbox) report(w http.ResponseWriter, r *http.Request) {
	provider := strings.TrimSpace(r.URL.Query().Get("provider"))
	var list []demoProvider
	for _, code := range s.conformance.providers() {
		row := demoProvider{Code: code, Name: providerName(code)}
		of := s.conformance.report(code)
		row.Messages, row.Flows = of.Messages, len(of.Flows)
		for _, f := range of.Flows {
			if f.State == Completed {
				row.Completed++
			}
		}
		list = append(list, row)
	}
	var report *Report
	if provider != "" {
		report = s.conformance.report(provider)
		report.Name = providerName(provider)
	}
	if r.URL.Query().Get("format") == "json" {
		var body any = report
		if report == nil {
			codes := []string{}
			for _, p := range list {
				codes = append(codes, p.Code)
			}
			body = map[string]any{"providers": codes}
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(body); err != nil {
			s.Log.DebugContext(r.Context(), "sandbox: answer not taken", "error", err)
		}
		return
	}
	s.page("conformance.html", func(_ *http.Request, v *view) error {
		v.Title, v.Tab, v.Data = "对接报告", "conformance", reportData{report, list}
		return nil
	})(w, r)
}
