package sandbox

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/his"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/web"
	"github.com/anji-platform/anji/web/asset"
)

//go:embed static templates
var files embed.FS

var static = asset.Load(files, "static", "/sandbox/static/")

// pages are the templates by name, each together with the layout.
var pages = func() map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{
		"portal": web.Asset, "asset": static.Address,
		"time": clock, "duration": duration, "class": class, "level": level, "ceiling": ceiling, "firstPay": firstPay,
		"forced": kindTitle, "kinds": func() any { return kinds }, "outcomes": func() any { return outcomes },
		"providers": func() []provider.Provider { return demo.Providers }, "items": func() []catalogue.Item { return demo.Items },
		"maxCount": func() int { return maxCount }, "maxSeconds": func() int { return int(his.MaxForcedWait / time.Second) },
		"providerName": providerName, "indent": func(n int) int { return min(n, 12) },
	}).ParseFS(files, "templates/layout.html"))
	all := map[string]*template.Template{}
	for _, name := range []string{"exchanges.html", "exchange.html", "people.html", "code.html", "force.html", "conformance.html", "error.html"} {
		all[name] = template.Must(template.Must(layout.Clone()).ParseFS(files, "templates/"+name))
	}
	return all
}()

// view is what a template sees.
type view struct {
	Title string
	Tab   string
	Data  any
}

// contentPolicy allows what this server sends, script only from its own files.
const contentPolicy = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// guard sets the headers of every answer.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

func (s *Sandbox) page(name string, fill func(*http.Request, *view) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, name, http.StatusOK, fill) }
}

// answer writes the page that fill fills, whole or not at all.
func (s *Sandbox) answer(w http.ResponseWriter, r *http.Request, name string, status int, fill func(*http.Request, *view) error) {
	v := &view{}
	var b bytes.Buffer
	err := fill(r, v)
	if err == nil {
		err = pages[name].Execute(&b, v)
	}
	if err != nil {
		if r.Context().Err() != nil {
			return // nobody waits for the answer any more
		}
		v = &view{Title: "没有找到这个页面"}
		status = http.StatusNotFound
		if !errors.Is(err, errNotFound) {
			v.Title, status = "暂时无法显示", http.StatusInternalServerError
			s.Log.ErrorContext(r.Context(), "sandbox: page failed", "path", r.URL.Path, "error", err)
		}
		b.Reset()
		if err := pages["error.html"].Execute(&b, v); err != nil {
			s.Log.ErrorContext(r.Context(), "sandbox: error page failed", "error", err)
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", "zh-CN")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write(b.Bytes()); err != nil {
		s.Log.DebugContext(r.Context(), "sandbox: answer not taken", "error", err)
	}
}

// china is the one time zone of the country (北京时间).
var china = time.FixedZone("CST", 8*60*60)

func clock(t time.Time) string { return t.In(china).Format("01-02 15:04:05") }

func duration(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.1f 毫秒", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.1f 秒", d.Seconds())
}

func class(c policy.LineClass) string { return c.Title() }

func level(p provider.Provider) string {
	if p.Kind == policy.Pharmacy {
		return "药店"
	}
	s := p.Level.Title()
	if p.Private {
		s += "，民营"
	}
	return s
}

func ceiling(a money.Fen) string {
	if a < 0 {
		return "—"
	}
	return a.Grouped()
}

func firstPay(it catalogue.Item) string {
	switch {
	case it.Class == policy.ClassC:
		return "全自费"
	case it.FirstPay < 0:
		return "按政策"
	}
	return it.FirstPay.Percent()
}

// accountTitle says in Chinese what a ledger account is.
func (s *Sandbox) accountTitle(account string) string {
	kind, rest, _ := strings.Cut(account, ":")
	switch kind {
	case "fund":
		region, name, _ := strings.Cut(rest, ":")
		return s.Store.FundTitle(region, name) + "（" + region + "）"
	case "acct":
		return "个人账户"
	case "payable":
		return "应付机构 " + rest
	case "cash":
		return "机构收到的个人现金 " + rest
	case "own":
		return "个人现金支付"
	}
	return account
}

// entryTitle says in Chinese what an entry of the ledger is.
func entryTitle(kind string) string {
	switch kind {
	case "settlement":
		return "结算"
	case "reversal":
		return "撤销结算"
	}
	return kind
}
