package portal

import (
	"embed"
	"html/template"

	"github.com/anji-platform/anji/portal/asset"
)

//go:embed static templates
var files embed.FS

var static = asset.Load(files, "static", "/static/")

// Asset is the address of a static file of the portal, such as style.css, for
// other pages that are to look the same.
func Asset(name string) string { return static.Address(name) }

// Content is the content of a static file of the portal.
func Content(name string) []byte { return static.Content(name) }

// loadTemplates parses each page together with the layout.
func loadTemplates() map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{"asset": Asset}).ParseFS(files, "templates/layout.html"))
	pages := map[string]*template.Template{}
	for _, name := range []string{"home.html", "settlement.html", "policies.html", "policy.html", "error.html"} {
		pages[name] = template.Must(template.Must(layout.Clone()).ParseFS(files, "templates/"+name))
	}
	return pages
}
