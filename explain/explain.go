// Package explain shows how things are decided (政策与结算公开): the policy packages in
// force, and beside made-up data the settlements just made, each with its bill
// explained to the article. It reads and never writes; where its data comes from
// is behind the small interfaces of this package.
//
// Pages work without script, on a phone first, in Chinese and with ?lang=en
// in English. Names and citizen IDs are masked here, so that no source of
// data can forget to.
package explain

import (
	"bytes"
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/web"
)

// ErrNotFound is what a source of data returns, wrapped or not, for a thing
// it does not have.
var ErrNotFound = errors.New("explain: not found")

// Settlements is where the settlements come from.
type Settlements interface {
	// Recent returns the last n settlements, the newest first.
	Recent(ctx context.Context, n int) ([]Row, error)
	// Get returns one settlement, or ErrNotFound.
	Get(ctx context.Context, id string) (*Settled, error)
}

// Row is a settlement in a list (结算列表).
type Row struct {
	ID       string
	Time     time.Time
	Name     string // of the person, unmasked
	Provider string // name of the provider (定点医药机构)
	Visit    policy.VisitKind
	Total    money.Fen
	Fund     money.Fen // paid by all funds
	Person   money.Fen // borne by the person, account and cash
	Refused  bool
	Reversed bool // 已撤销
}

// Settled is a settlement with all that explains it.
type Settled struct {
	ID        string
	Time      time.Time
	Name      string // of the person, unmasked
	CitizenID string // 公民身份号码, unmasked
	Provider  string
	Reversed  bool
	Case      *policy.Case
	Result    *policy.Result
	Steps     []policy.Step // may be nil
}

// Packages is where the policy packages come from.
type Packages interface {
	// List returns the packages in the order they are to be shown, the
	// versions of a region together and the oldest first.
	List(ctx context.Context) ([]PackageRow, error)
	// Explain returns the package of the region that holds today, or
	// ErrNotFound.
	Explain(ctx context.Context, region string, lang bill.Lang) (*ExplainedPackage, error)
}

// PackageRow is a policy package in a list (政策包).
type PackageRow struct {
	Region, Name, Version string
	From, To              civil.Date // To is zero while it holds
	Note                  string     // how far its documents were checked, in Chinese
}

// ExplainedPackage is a package and its rules as a fragment of HTML. The
// fragment's headings begin at h2; it has no scripts, styles or style
// attributes, which the content security policy would stop.
type ExplainedPackage struct {
	PackageRow
	HTML template.HTML
}

// HIS is the address of the hospital interface as the home page shows it.
type HIS struct {
	Address string // such as http://localhost:8080/his
	Sample  string // a request body to try, in JSON; "" shows the address alone
	Docs    string // the path of the interface's reference; "" for none
}

// Config is what the pages are made of. Packages are needed.
type Config struct {
	Settlements Settlements // nil: settlements are not shown to everybody
	Packages    Packages
	HIS         HIS
	Log         *slog.Logger                // nil: slog.Default()
	Health      func(context.Context) error // nil: always healthy
	Synthetic   bool                        // the data is made up: say so on every page
	Notice      func() string               // of maintenance, in Chinese; nil or "": none
	Employers   string                      // path of the pages for employers; "": there are none
	Sandbox     string                      // path of the pages for makers of a HIS; "": there are none
}

// recentRows is how many settlements the home page lists.
const recentRows = 20

// maxID bounds what is asked of the sources of data.
const maxID = 64

// New returns the pages. It serves GET and HEAD on /policies, /policies/{region},
// /healthz and, where there are settlements to show, /demo and /settlements/{id}.
func New(c Config) http.Handler {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	h := &handler{Config: c, pages: loadTemplates()}
	mux := http.NewServeMux()
	if c.Settlements != nil {
		mux.HandleFunc("/demo", h.page(h.home))
		mux.HandleFunc("/settlements/{id}", h.page(h.settlement))
	}
	mux.HandleFunc("/policies", h.page(h.policies))
	mux.HandleFunc("/policies/{region}", h.page(h.policy))
	mux.HandleFunc("/healthz", h.healthz)
	mux.Handle("/static/{name}", web.Static)
	mux.HandleFunc("/", h.page(func(*http.Request, *view) error { return ErrNotFound }))
	return h.guard(mux)
}

type handler struct {
	Config
	pages map[string]*template.Template
}

// contentPolicy allows what this server sends and nothing else; the pages
// have no script at all.
const contentPolicy = "default-src 'self'; script-src 'none'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// guard sets the headers of every answer and turns other methods away.
func (h *handler) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", contentPolicy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			head.Set("Allow", "GET, HEAD")
			head.Set("Cache-Control", "no-store")
			http.Error(w, "这里只接受 GET 和 HEAD 请求。 Only GET and HEAD are accepted here.", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// page answers with the view that f fills. The page is written whole or not
// at all: an error or a panic gives an error page, never half a bill.
func (h *handler) page(f func(*http.Request, *view) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := newView(h, r)
		body, err := h.render(r, v, f)
		status := http.StatusOK
		switch {
		case err == nil:
		case r.Context().Err() != nil:
			return // nobody waits for the answer any more
		case errors.Is(err, ErrNotFound):
			status = http.StatusNotFound
		default:
			status = http.StatusInternalServerError
			h.Log.ErrorContext(r.Context(), "explain: page failed", "path", r.URL.Path, "error", err)
		}
		if err != nil {
			body, err = h.failure(r, status)
			if err != nil {
				h.Log.ErrorContext(r.Context(), "explain: error page failed", "error", err)
				http.Error(w, "暂时无法显示 Not available", http.StatusInternalServerError)
				return
			}
		}
		head := w.Header()
		head.Set("Content-Type", "text/html; charset=utf-8")
		head.Set("Content-Language", v.Lang.Say("zh-CN", "en"))
		if v.public && status == http.StatusOK {
			head.Set("Cache-Control", "no-cache")
		} else {
			head.Set("Cache-Control", "no-store") // it is about a person
		}
		w.WriteHeader(status)
		if _, err := w.Write(body); err != nil {
			h.Log.DebugContext(r.Context(), "explain: answer not taken", "error", err)
		}
	}
}

func (h *handler) render(r *http.Request, v *view, f func(*http.Request, *view) error) (body []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p}
		}
	}()
	if err := f(r, v); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := h.pages[v.template].Execute(&b, v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (h *handler) failure(r *http.Request, status int) ([]byte, error) {
	return h.render(r, newView(h, r), func(_ *http.Request, v *view) error {
		v.template = "error.html"
		v.Title = v.Say("暂时无法显示", "Not available")
		if status == http.StatusNotFound {
			v.Title = v.Say("没有找到这个页面", "Page not found")
		}
		v.Data = status == http.StatusNotFound
		return nil
	})
}

func (h *handler) healthz(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	answer := "ok\n"
	if h.Health != nil {
		if err := h.Health(r.Context()); err != nil {
			h.Log.ErrorContext(r.Context(), "explain: unhealthy", "error", err)
			w.WriteHeader(http.StatusServiceUnavailable)
			answer = "unavailable\n"
		}
	}
	if _, err := w.Write([]byte(answer)); err != nil {
		h.Log.DebugContext(r.Context(), "explain: answer not taken", "error", err)
	}
}
