// Package web is what all pages for people share: who is signed in, who may see
// what, one look, and one way from a request to a page. Pages are made of apps,
// such as the portal and the console; an app is a table of routes, each of which
// says whom it is for, and its templates.
//
// Pages are served whole or not at all. They work without script; where script
// helps it comes from a file, never from the page. A change asks for the same
// origin, and leads to another page, so that going back never repeats it.
package web

import (
	"bytes"
	"context"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"golang.org/x/time/rate"

	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/web/asset"
)

//go:embed static templates
var files embed.FS

var static = asset.Load(files, "static", "/static/")

// Templates are the shared templates, templates/part_*.html among them.
var Templates fs.FS = files

// Static serves the shared static files, at /static/.
var Static http.Handler = static

// Asset is the address of a shared static file, such as style.css.
func Asset(name string) string { return static.Address(name) }

// Content is the content of a shared static file.
func Content(name string) []byte { return static.Content(name) }

// ErrNotFound is what a route returns, wrapped or not, for what is not there or
// is not the visitor's to know of.
var ErrNotFound = errors.New("web: not found")

// Everyone may see the route, signed in or not.
var Everyone = []signin.Role{"everyone"}

// Route is one thing that can be asked for.
type Route struct {
	Pattern string        // as of http.ServeMux, with a method
	For     []signin.Role // who may; Everyone, or one of the roles
	Do      func(*Visit) error
	// Again shows the form again of which Do refuses what was filled in.
	Again func(*Visit) error
	Limit int64 // of what a browser sends, in bytes; 0 is 64 KiB
}

// Link is an entry of a navigation.
type Link struct {
	Path, Title, Icon string
	Here              bool
	Count             int // to do; 0 is not shown
}

// App is a set of pages with one layout and navigation.
type App struct {
	Name   string // also the class of the body
	Layout string // phone.html or desk.html
	SignIn string // where to send who is not signed in
	Files  fs.FS  // templates/*.html: each defines "main"; part_*.html are shared
	Funcs  template.FuncMap
	Routes []Route
	Nav    func(*Visit) []Link

	pages map[string]*template.Template
}

// Config is what a Site is made of. SignIn is needed.
type Config struct {
	SignIn    *signin.Service
	Log       *slog.Logger
	Secure    bool                       // the site is reached by HTTPS: cookies are sent by it only
	Synthetic bool                       // the data is made up: every page says so
	Notice    func() string              // of maintenance, in Chinese; nil or "": none
	Address   func(*http.Request) string // of the client; nil: that of the connection
	Rate      rate.Limit                 // requests a second from one address; 0: 20
}

// Site serves apps.
type Site struct {
	Config
	mux    *http.ServeMux
	routes []Route

	mu       sync.Mutex
	limiters map[string]*limiter
	swept    time.Time
}

type limiter struct {
	*rate.Limiter
	seen time.Time
}

// New returns a site of the apps. It panics on a route that does not say whom it
// is for: that is a fault of the build.
func New(c Config, apps ...*App) *Site {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Rate == 0 {
		c.Rate = 20
	}
	if c.Address == nil {
		c.Address = func(r *http.Request) string {
			host, _, err := net.SplitHostPort(r.RemoteAddr)
			if err != nil {
				return r.RemoteAddr
			}
			return host
		}
	}
	s := &Site{Config: c, mux: http.NewServeMux(), limiters: map[string]*limiter{}}
	for _, a := range apps {
		a.load()
		for _, r := range a.Routes {
			if len(r.For) == 0 || r.Do == nil {
				panic("web: route " + r.Pattern + " does not say whom it is for, or does nothing")
			}
			s.routes = append(s.routes, r)
			s.mux.Handle(r.Pattern, s.handle(a, r))
		}
	}
	s.mux.Handle("GET /static/{name}", static)
	if len(apps) > 0 {
		s.mux.Handle("/", s.handle(apps[0], Route{For: Everyone, Do: func(*Visit) error { return ErrNotFound }}))
	}
	return s
}

// Routes lists all routes, for the test that tries each with every role.
func (s *Site) Routes() []Route { return slices.Clone(s.routes) }

// ServeHTTP answers for all apps.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.guarded().ServeHTTP(w, r) }

func (s *Site) guarded() http.Handler {
	protected := http.NewCrossOriginProtection().Handler(s.mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "same-origin")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		head.Set("Permissions-Policy", "camera=(self), geolocation=(self), microphone=()")
		if s.Secure {
			head.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if !strings.HasPrefix(r.URL.Path, "/static/") && !s.allow(s.Address(r)) {
			head.Set("Retry-After", "5")
			http.Error(w, "访问太频繁，请稍后再试。 Too many requests; try again shortly.", http.StatusTooManyRequests)
			return
		}
		gzhttp.GzipHandler(protected)(w, r)
	})
}

// allow bounds how often one address asks.
func (s *Site) allow(address string) bool {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.swept) > time.Minute {
		s.swept = now
		for k, l := range s.limiters {
			if now.Sub(l.seen) > 5*time.Minute {
				delete(s.limiters, k)
			}
		}
	}
	l := s.limiters[address]
	if l == nil {
		l = &limiter{Limiter: rate.NewLimiter(s.Rate, 10*int(s.Rate))}
		s.limiters[address] = l
	}
	l.seen = now
	return l.Allow()
}

// Visit is one request on its way to a page. Templates see it as their dot.
type Visit struct {
	*http.Request
	Who   *signin.Session // nil: nobody is signed in
	Lang  bill.Lang
	Large bool // large type (长辈版)

	Title  string
	Data   any
	Fault  string // why what was filled in is refused
	Field  string // of the form that the fault is about
	Said   string // what the last change did
	Public bool   // about nobody: caches may keep it and ask again

	site     *Site
	app      *App
	template string
	to       string
	status   int
	cookies  []*http.Cookie
	file     *file
}

type file struct {
	name, kind string
	body       []byte
	inline     bool
}

// Show answers with a page.
func (v *Visit) Show(name, title string, data any) error {
	v.template, v.Title, v.Data = name, title, data
	return nil
}

// Go answers by leading to another page of the site.
func (v *Visit) Go(to string) error {
	v.to = to
	return nil
}

// Done leads to another page, which says what was done.
func (v *Visit) Done(to, said string) error {
	v.cookies = append(v.cookies, v.site.cookie(saidCookie, base64.RawURLEncoding.EncodeToString([]byte(said)), time.Minute))
	return v.Go(to)
}

// Attach answers with a file to keep.
func (v *Visit) Attach(name, kind string, body []byte) error {
	v.file = &file{name: name, kind: kind, body: body}
	return nil
}

// Inline answers with a file to look at.
func (v *Visit) Inline(kind string, body []byte) error {
	v.file = &file{kind: kind, body: body, inline: true}
	return nil
}

// SignIn makes the browser hold a session's token; "" makes it forget.
func (v *Visit) SignIn(token string) {
	life := signin.Longest
	if token == "" {
		life = -time.Second
	}
	v.cookies = append(v.cookies, v.site.cookie(sessionCookie, token, life))
}

// Token is the session's token that the browser holds.
func (v *Visit) Token() string { return v.site.read(v.Request, sessionCookie) }

// Prefer keeps a setting of this browser.
func (v *Visit) Prefer(name, value string) {
	v.cookies = append(v.cookies, v.site.cookie(name, value, 365*24*time.Hour))
}

// Preferred is a setting that the browser keeps, "" for none.
func (v *Visit) Preferred(name string) string { return v.site.read(v.Request, name) }

// Address is where the request came from.
func (v *Visit) Address() string { return v.site.Address(v.Request) }

// Log is where to report.
func (v *Visit) Log() *slog.Logger { return v.site.Log }

// Ctx is the request's context.
func (v *Visit) Ctx() context.Context { return v.Request.Context() }

// Value is what was filled into a field of a form, trimmed.
func (v *Visit) Value(name string) string { return strings.TrimSpace(v.Request.FormValue(name)) }

// The names of the cookies.
const (
	sessionCookie = "anji"
	saidCookie    = "anji-said"
	LangCookie    = "lang"  // zh or en
	LargeCookie   = "large" // 1: large type
)

func (s *Site) name(name string) string {
	if s.Secure {
		return "__Host-" + name
	}
	return name
}

func (s *Site) cookie(name, value string, life time.Duration) *http.Cookie {
	return &http.Cookie{Name: s.name(name), Value: value, Path: "/", MaxAge: int(life.Seconds()), HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode}
}

func (s *Site) read(r *http.Request, name string) string {
	c, err := r.Cookie(s.name(name))
	if err != nil {
		return ""
	}
	return c.Value
}

// refusal is an error of a room that says what is wrong with what was asked.
type refusal interface {
	error
	Refusal() (field, value, want string)
}

// Refusal reads what an error says is wrong with what was asked; ok is false for
// other errors.
func Refusal(err error) (field, text string, ok bool) {
	var r refusal
	if !errors.As(err, &r) {
		return "", "", false
	}
	field, value, want := r.Refusal()
	if value != "" {
		return field, "「" + value + "」：" + want, true
	}
	return field, want, true
}

// Fault is an error about a field of a form.
type Fault struct{ Field, Want string }

func (f *Fault) Error() string { return f.Field + "：" + f.Want }

// Refusal says what is wrong.
func (f *Fault) Refusal() (field, value, want string) { return f.Field, "", f.Want }

func (s *Site) handle(a *App, route Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit := route.Limit
		if limit == 0 {
			limit = 64 << 10
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		v := &Visit{Request: r, site: s, app: a, status: http.StatusOK, Lang: bill.ParseLang(s.read(r, LangCookie)), Large: s.read(r, LargeCookie) == "1"}
		if q := r.URL.Query().Get("lang"); q != "" {
			v.Lang = bill.ParseLang(q)
		}
		if said := s.read(r, saidCookie); said != "" && r.Method == http.MethodGet {
			text, _ := base64.RawURLEncoding.DecodeString(said)
			v.Said = string(text)
			v.cookies = append(v.cookies, s.cookie(saidCookie, "", -time.Second))
		}
		body, err := s.answer(v, route)
		if err != nil {
			if r.Context().Err() != nil {
				return // nobody waits for the answer any more
			}
			body, err = s.failure(v, err)
		}
		if err != nil {
			s.Log.ErrorContext(r.Context(), "web: error page failed", "path", r.URL.Path, "error", err)
			http.Error(w, "暂时无法显示 Not available", http.StatusInternalServerError)
			return
		}
		s.write(w, v, body)
	})
}

// answer lets the route answer, or says why it may not.
func (s *Site) answer(v *Visit, route Route) (body []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if v.Who, err = s.SignIn.Who(v.Ctx(), v.Token()); err != nil {
		return nil, err
	}
	if !slices.Equal(route.For, Everyone) && !v.Who.Has(route.For...) {
		if v.Who == nil {
			to := v.app.SignIn
			if v.Method == http.MethodGet {
				to += "?next=" + url.QueryEscape(v.URL.RequestURI())
			}
			return nil, v.Go(to)
		}
		return nil, errForbidden
	}
	if o := v.Operator(); o != nil && o.Fresh && !slices.Equal(route.For, Everyone) && !strings.HasSuffix(v.URL.Path, passwordPath) {
		return nil, v.Go(v.app.SignIn[:strings.LastIndexByte(v.app.SignIn, '/')] + passwordPath)
	}
	err = route.Do(v)
	if field, text, ok := Refusal(err); ok && !errors.Is(err, ErrNotFound) {
		v.Field, v.Fault, v.status = field, text, http.StatusUnprocessableEntity
		if route.Again == nil {
			return nil, errRefused
		}
		v.to, v.file = "", nil
		err = route.Again(v)
	}
	if err != nil || v.to != "" || v.file != nil {
		return nil, err
	}
	return v.render()
}

// passwordPath is where an operator changes a password that somebody else set.
const passwordPath = "/password"

// Operator is who is signed in, nil if that is no operator.
func (v *Visit) Operator() *signin.Operator {
	if v.Who == nil {
		return nil
	}
	return v.Who.Operator
}

var (
	errForbidden = errors.New("web: not for this role")
	errRefused   = errors.New("web: refused")
)

func (v *Visit) render() ([]byte, error) {
	t := v.app.pages[v.template]
	if t == nil {
		return nil, fmt.Errorf("web: no page %q", v.template)
	}
	var b bytes.Buffer
	err := t.Execute(&b, v)
	return b.Bytes(), err
}

// Problem is what an error page tells.
type Problem struct {
	Status int
	Text   string
}

func (s *Site) failure(v *Visit, err error) ([]byte, error) {
	p := Problem{http.StatusInternalServerError, v.Say("暂时无法显示，请稍后再试。", "Something went wrong. Please try again later.")}
	title := v.Say("暂时无法显示", "Not available")
	var large *http.MaxBytesError
	switch {
	case errors.Is(err, ErrNotFound):
		p = Problem{http.StatusNotFound, v.Say("地址可能写错了，或者内容已不在这里。", "The address may be wrong, or the page is gone.")}
		title = v.Say("没有找到这个页面", "Page not found")
	case errors.Is(err, errForbidden):
		p = Problem{http.StatusForbidden, v.Say("您的角色不能使用这个页面。", "Your role may not use this page.")}
		title = v.Say("没有权限", "Not allowed")
	case errors.Is(err, errRefused):
		p = Problem{http.StatusUnprocessableEntity, v.Fault}
		title = v.Say("没有办成", "Not done")
	case errors.As(err, &large):
		p = Problem{http.StatusRequestEntityTooLarge, v.Say("上传的内容太大。", "What was sent is too large.")}
		title = v.Say("太大了", "Too large")
	default:
		s.Log.ErrorContext(v.Ctx(), "web: page failed", "path", v.URL.Path, "error", err)
	}
	v.status, v.to, v.file, v.Fault = p.Status, "", nil, ""
	if err := v.Show("error.html", title, p); err != nil {
		return nil, err
	}
	return v.render()
}

func (s *Site) write(w http.ResponseWriter, v *Visit, body []byte) {
	for _, c := range v.cookies {
		http.SetCookie(w, c)
	}
	head := w.Header()
	switch {
	case v.Public && v.Who == nil && v.status == http.StatusOK:
		head.Set("Cache-Control", "private, no-cache")
	default:
		head.Set("Cache-Control", "no-store") // it is about a person
	}
	switch {
	case v.to != "":
		http.Redirect(w, v.Request, v.to, http.StatusSeeOther)
		return
	case v.file != nil:
		head.Set("Content-Type", v.file.kind)
		if v.file.inline {
			head.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
		} else {
			head.Set("Content-Disposition", "attachment; filename*=UTF-8''"+url.PathEscape(v.file.name))
		}
		body = v.file.body
	default:
		head.Set("Content-Type", "text/html; charset=utf-8")
		head.Set("Content-Language", v.Say("zh-CN", "en"))
	}
	w.WriteHeader(v.status)
	if _, err := w.Write(body); err != nil {
		s.Log.DebugContext(v.Ctx(), "web: answer not taken", "error", err)
	}
}

// Next is a path of this site that the visitor was on the way to, or fallback.
func (v *Visit) Next(fallback string) string {
	next := v.Value("next")
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.Contains(next, "\\") {
		return fallback
	}
	return next
}

// load parses the app's pages, each with the layout.
func (a *App) load() {
	funcs := template.FuncMap{
		"asset": Asset, "yuan": money.Fen.Grouped, "mask": ident.Mask, "maskName": MaskName, "month": func(d civil.Date) string { return d.String()[:7] },
		"list": func(x ...any) []any { return x },
	}
	layout := template.Must(template.New(a.Layout).Funcs(funcs).Funcs(a.Funcs).ParseFS(files, "templates/"+a.Layout, "templates/part_*.html"))
	if shared, _ := fs.Glob(a.Files, "templates/part_*.html"); len(shared) > 0 {
		layout = template.Must(layout.ParseFS(a.Files, "templates/part_*.html"))
	}
	a.pages = map[string]*template.Template{"error.html": template.Must(template.Must(layout.Clone()).ParseFS(files, "templates/error.html"))}
	names, err := fs.Glob(a.Files, "templates/*.html")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		if !strings.HasPrefix(path.Base(name), "part_") {
			a.pages[path.Base(name)] = template.Must(template.Must(layout.Clone()).ParseFS(a.Files, name))
		}
	}
}
