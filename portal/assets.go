package portal

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed static templates
var files embed.FS

// assets are the static files by the name they are served under, which holds
// a hash of the content: a changed file has a changed address, so that
// browsers may keep each for ever.
type assets struct {
	address map[string]string // style.css → /static/style-0123456789abcdef.css
	content map[string][]byte // style-0123456789abcdef.css → its bytes
}

// loadAssets reads the embedded files. They are part of the program, so that
// a failure is a fault of the build, as for regexp.MustCompile.
func loadAssets() assets {
	a := assets{address: map[string]string{}, content: map[string][]byte{}}
	entries, err := fs.ReadDir(files, "static")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		data, err := fs.ReadFile(files, path.Join("static", e.Name()))
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(data)
		ext := path.Ext(e.Name())
		name := strings.TrimSuffix(e.Name(), ext) + "-" + hex.EncodeToString(sum[:8]) + ext
		a.address[e.Name()] = "/static/" + name
		a.content[name] = data
	}
	return a
}

// Asset returns a static file of the portal, such as style.css, and the address
// New serves it under, for pages beside the portal's that share its look. A
// name that is not there is a slip of the program.
func Asset(name string) (address string, content []byte) {
	a := loadAssets()
	address, ok := a.address[name]
	if !ok {
		panic("portal: no static file " + name)
	}
	return address, a.content[path.Base(address)]
}

// loadTemplates parses each page together with the layout.
func loadTemplates(a assets) map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{
		"asset": func(name string) string { return a.address[name] },
	}).ParseFS(files, "templates/layout.html"))
	pages := map[string]*template.Template{}
	for _, name := range []string{"home.html", "settlement.html", "policies.html", "policy.html", "error.html"} {
		pages[name] = template.Must(template.Must(layout.Clone()).ParseFS(files, "templates/"+name))
	}
	return pages
}

func (h *handler) static(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	data, ok := h.assets.content[name]
	if !ok {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "没有这个文件 No such file", http.StatusNotFound)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
}
