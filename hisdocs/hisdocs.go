// Package hisdocs is the reference of the national interface for those who
// connect a hospital's or pharmacy's system (HIS) to it: pages, an OpenAPI
// description and a report of what is used, all made from the one table that
// also checks the messages (his.Spec). It reads the table and nothing else; the
// try-it forms are the browser's own requests to /his.
package hisdocs

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/anji-platform/anji/his"
)

//go:embed static templates
var files embed.FS

// Config is what the reference is made of.
type Config struct {
	// Interface is the server that is described.
	Interface *his.Server
	// Asset is the address of style.css and icon.svg, the look of all pages.
	Asset func(name string) string
	// Providers are those a reader may send messages as; without any, the
	// pages have no forms. They are for a sandbox: whoever opens the page can
	// send.
	Providers []Provider
}

// Provider is an institution of the sandbox (定点医药机构).
type Provider struct{ Code, Name, Region string }

// contentPolicy allows this server's own files and requests, nothing inline.
const contentPolicy = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// New returns the reference. It serves GET and HEAD on /his/docs,
// /his/docs/{file}, /his/coverage and /his/openapi.json.
func New(c Config) http.Handler {
	own := map[string]string{}
	mux := http.NewServeMux()
	for _, name := range []string{"docs.css", "docs.js"} {
		data := read("static/" + name)
		sum := sha256.Sum256(data)
		ext := path.Ext(name)
		own[name] = "/his/docs/" + strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(sum[:8]) + ext
		mux.Handle(own[name], serve(name, data, "public, max-age=31536000, immutable"))
	}
	s := site{c, func(name string) string {
		switch name {
		case "docs", "coverage", "openapi.json":
			return "/his/" + name
		}
		if a, ok := own[name]; ok {
			return a
		}
		return c.Asset(name)
	}, "/"}
	mux.Handle("/his/docs", serve("index.html", s.reference(), "no-cache"))
	mux.Handle("/his/docs/{$}", http.RedirectHandler("/his/docs", http.StatusMovedPermanently))
	mux.Handle("/his/coverage", serve("coverage.html", s.coverage(), "no-cache"))
	mux.Handle("/his/openapi.json", serve("openapi.json", OpenAPI(c.Interface), "no-cache"))
	return guard(mux)
}

// Files is the reference as files of one folder, to be read without a server.
// The folder also needs style.css and icon.svg.
func Files(i *his.Server) map[string][]byte {
	s := site{Config{Interface: i}, func(name string) string {
		switch name {
		case "docs":
			return "index.html"
		case "coverage":
			return "coverage.html"
		}
		return name
	}, ""}
	return map[string][]byte{
		"index.html": s.reference(), "coverage.html": s.coverage(), "openapi.json": OpenAPI(i),
		"docs.css": read("static/docs.css"), "docs.js": read("static/docs.js"),
	}
}

// read returns an embedded file. It is part of the program, so that a failure
// is a fault of the build.
func read(name string) []byte {
	data, err := files.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return data
}

// guard sets the headers of every answer and turns other methods away.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", contentPolicy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			head.Set("Allow", "GET, HEAD")
			http.Error(w, "这里只接受 GET 和 HEAD 请求；交易请发到 /his。 Only GET and HEAD are accepted here.", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serve answers with a file, compressed for those who can read that.
func serve(name string, data []byte, cache string) http.Handler {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level exists
	_, _ = z.Write(data)                                  // a buffer takes everything
	_ = z.Close()
	sum := sha256.Sum256(data)
	tag := hex.EncodeToString(sum[:8])
	kind := mime.TypeByExtension(path.Ext(name))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Type", kind)
		head.Set("Cache-Control", cache)
		head.Set("Vary", "Accept-Encoding")
		body, etag := data, tag
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			head.Set("Content-Encoding", "gzip")
			body, etag = b.Bytes(), tag+"z"
		}
		head.Set("ETag", `"`+etag+`"`)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
	})
}

// site writes the pages.
type site struct {
	Config
	address func(name string) string
	home    string // the address of the home page, "" for none
}

// page is what the layout sees.
type page struct {
	Title string
	Home  string
	Data  any
}

func (s site) write(name, title string, data any) []byte {
	t := template.Must(template.New("layout.html").Funcs(template.FuncMap{
		"asset":   s.address,
		"sources": sourceNames,
	}).ParseFS(files, "templates/layout.html", "templates/"+name))
	var b bytes.Buffer
	if err := t.Execute(&b, page{title, s.home, data}); err != nil {
		panic("hisdocs: " + err.Error()) // the page is made of the tables, and tested
	}
	return b.Bytes()
}
