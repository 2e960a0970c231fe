package explain

import (
	"embed"
	"html/template"

	"github.com/anji-platform/anji/web"
)

//go:embed templates
var files embed.FS

// loadTemplates parses each page together with the layout.
func loadTemplates() map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{"asset": web.Asset}).ParseFS(files, "templates/layout.html"))
	layout = template.Must(layout.ParseFS(web.Templates, "templates/part_bill.html"))
	pages := map[string]*template.Template{}
	for _, name := range []string{"home.html", "settlement.html", "policies.html", "policy.html", "error.html"} {
		pages[name] = template.Must(template.Must(layout.Clone()).ParseFS(files, "templates/"+name))
	}
	return pages
}
