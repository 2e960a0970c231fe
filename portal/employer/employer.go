// Package employer is what an employer sees in a browser (单位网厅): its staff, and
// the months that it declares, confirms and pays. A declaration comes as an
// Excel file; what is wrong with a row is said beside it, and mended there.
//
// It knows no sign-in: who may see an employer's pages is for whoever mounts
// them to decide. Beside made-up data that is everybody.
package employer

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/web"
	"github.com/anji-platform/anji/web/asset"
)

// Config is what the pages are made of. All but Pay, Log and Now are needed.
type Config struct {
	DB       *db.DB
	Dues     *contribution.Service
	Register *enrolment.Register
	// Pay makes an order for a declaration, and returns where to pay it; nil:
	// nothing can be paid here.
	Pay       func(ctx context.Context, declaration string) (address string, err error)
	Log       *slog.Logger
	Now       func() time.Time
	Synthetic bool // the data is made up: say so
}

//go:embed templates static
var files embed.FS

var static = asset.Load(files, "static", "/employer/static/")

// maxUpload bounds what a browser sends.
const maxUpload = 21 << 20

type handler struct {
	Config
	pages map[string]*template.Template
}

// New returns the pages, to be served at /employer and /employer/.
func New(c Config) http.Handler {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	h := &handler{Config: c, pages: map[string]*template.Template{}}
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{
		"portal": web.Asset, "asset": static.Address, "yuan": money.Fen.Grouped, "month": func(d civil.Date) string { return d.String()[:7] },
		"mask": ident.Mask, "synthetic": func() bool { return c.Synthetic },
	}).ParseFS(files, "templates/layout.html"))
	for _, name := range []string{"employers.html", "employer.html", "declaration.html", "error.html"} {
		h.pages[name] = template.Must(template.Must(layout.Clone()).ParseFS(files, "templates/"+name))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /employer", h.page(h.employers))
	mux.HandleFunc("GET /employer/template.xlsx", h.template)
	mux.HandleFunc("GET /employer/{code}", h.page(h.employer))
	mux.HandleFunc("POST /employer/{code}", h.page(h.declare))
	mux.HandleFunc("GET /employer/{code}/{id}", h.page(h.declaration))
	mux.HandleFunc("GET /employer/{code}/{id}/sheet.xlsx", h.sheet)
	mux.HandleFunc("POST /employer/{code}/{id}/{what}", h.page(h.change))
	mux.Handle("GET /employer/static/{name}", static)
	mux.HandleFunc("/employer/", h.page(func(*http.Request, *view) error { return errNotFound }))
	return guard(http.NewCrossOriginProtection().Handler(mux))
}

const contentPolicy = "default-src 'self'; script-src 'none'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", contentPolicy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "same-origin")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		head.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

var errNotFound = errors.New("not found")

// view is what a template sees.
type view struct {
	Title    string
	Employer *contribution.Employer
	Fault    string // what is wrong with what was asked, in Chinese
	Said     string // what was done
	Data     any

	template string
	to       string // where to go on, instead of a page
}

func (v *view) show(name, title string, data any) {
	v.template, v.Title, v.Data = name, title, data
}

// page answers with the view that f fills, whole or not at all.
func (h *handler) page(f func(*http.Request, *view) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxUpload)
		v, status := &view{Said: said[r.URL.Query().Get("said")]}, http.StatusOK
		err := f(r, v)
		var b bytes.Buffer
		if err == nil && v.to == "" {
			if v.Fault != "" {
				status = http.StatusUnprocessableEntity
			}
			err = h.pages[v.template].Execute(&b, v)
		}
		switch {
		case err == nil && v.to != "":
			http.Redirect(w, r, v.to, http.StatusSeeOther)
			return
		case err == nil:
		case r.Context().Err() != nil:
			return
		default:
			v, status = &view{Title: "没有找到这个页面"}, http.StatusNotFound
			if !errors.Is(err, errNotFound) {
				v.Title, status = "暂时无法显示", http.StatusInternalServerError
				h.Log.ErrorContext(r.Context(), "employer: page failed", "error", err)
			}
			b.Reset()
			if err := h.pages["error.html"].Execute(&b, v); err != nil {
				h.Log.ErrorContext(r.Context(), "employer: error page failed", "error", err)
			}
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Language", "zh-CN")
		w.WriteHeader(status)
		_, _ = w.Write(b.Bytes()) // a browser that went away asks again
	}
}

// said are the confirmations that a redirect may name.
var said = map[string]string{"confirmed": "已确认，请在截止日前缴纳。", "cancelled": "已撤销。", "corrected": "已更正。", "paid": "已提交支付，到账后显示为已缴。"}

// refused turns a fault of the request into text; other errors stay.
func refused(v *view, err error) error {
	var e *contribution.Error
	if errors.As(err, &e) {
		v.Fault = e.Want
		if e.Value != "" {
			v.Fault = e.Value + "：" + e.Want
		}
		return nil
	}
	return err
}

func (h *handler) employers(r *http.Request, v *view) error {
	var all []contribution.Employer
	err := h.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		all, err = contribution.Employers(r.Context(), tx, 50)
		return err
	})
	v.show("employers.html", "单位网厅", all)
	return err
}

func (h *handler) template(w http.ResponseWriter, r *http.Request) {
	h.file(w, r, "缴费申报模板.xlsx", contribution.Template)
}

// file answers with an Excel file, whole or not at all.
func (h *handler) file(w http.ResponseWriter, r *http.Request, name string, write func(io.Writer) error) {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		h.Log.ErrorContext(r.Context(), "employer: file failed", "error", err)
		http.Error(w, "暂时无法下载", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
	w.Header().Set("Content-Disposition", "attachment; filename*=UTF-8''"+url.PathEscape(name))
	_, _ = w.Write(b.Bytes())
}

type member struct {
	Name, CitizenID string
	Job             contribution.Job
}

type employerData struct {
	Staff        []member
	Declarations []contribution.Declaration
	Month        string // to declare next
	Late         map[string]money.Fen
	Today        civil.Date
}

func (h *handler) today() civil.Date { return civil.Of(h.Now().In(time.FixedZone("CST", 8*60*60))) }

// find reads the employer that the address names.
func (h *handler) find(r *http.Request, tx *db.Tx, v *view) error {
	e, ok, err := contribution.GetEmployer(r.Context(), tx, r.PathValue("code"))
	if err == nil && !ok {
		err = errNotFound
	}
	v.Employer = &e
	return err
}

func (h *handler) employer(r *http.Request, v *view) error {
	d := employerData{Today: h.today(), Late: map[string]money.Fen{}}
	err := h.DB.View(r.Context(), func(tx *db.Tx) error {
		if err := h.find(r, tx, v); err != nil {
			return err
		}
		jobs, err := contribution.Staff(r.Context(), tx, v.Employer.Code, d.Today)
		if err != nil {
			return err
		}
		for _, j := range jobs {
			p, _, err := h.Register.ByID(r.Context(), tx, j.Person)
			if err != nil {
				return err
			}
			d.Staff = append(d.Staff, member{p.Name, p.CitizenID, j})
		}
		if d.Declarations, err = h.Dues.Declarations(r.Context(), tx, v.Employer.Code); err != nil {
			return err
		}
		for i := range d.Declarations {
			x := &d.Declarations[i]
			if x.State != contribution.Confirmed {
				continue
			}
			fee, _, err := h.Dues.LateFee(x, d.Today)
			if err != nil {
				return err
			}
			d.Late[x.ID] = fee
		}
		return nil
	})
	d.Month = d.Today.String()[:7]
	v.show("employer.html", "", d)
	if v.Employer != nil {
		v.Title = v.Employer.Name
	}
	return err
}

// declare takes an uploaded file.
func (h *handler) declare(r *http.Request, v *view) error {
	if err := h.employer(r, v); err != nil {
		return err
	}
	file, _, err := r.FormFile("file")
	if err != nil {
		v.Fault = "请选择填好的 Excel 文件（不超过 20 MB）"
		return nil
	}
	defer file.Close()
	month, err := civil.Parse(r.FormValue("month") + "-01")
	if err != nil {
		v.Fault = "请选择申报的月份"
		return nil
	}
	rows, err := contribution.ReadSheet(file)
	if err != nil {
		return refused(v, err)
	}
	var d *contribution.Declaration
	if err := h.DB.Update(r.Context(), func(tx *db.Tx) (err error) {
		d, err = h.Dues.Declare(r.Context(), tx, v.Employer.Code, month, rows, "单位 "+v.Employer.Code)
		return err
	}); err != nil {
		return refused(v, err)
	}
	v.to = "/employer/" + v.Employer.Code + "/" + d.ID
	return nil
}

type declarationData struct {
	*contribution.Declaration
	Bad  []contribution.Declared
	Good int
	Late money.Fen
	Pay  bool
	Sum  money.Fen
}

func (h *handler) read(r *http.Request, v *view) (*contribution.Declaration, error) {
	var d *contribution.Declaration
	err := h.DB.View(r.Context(), func(tx *db.Tx) error {
		err := h.find(r, tx, v)
		if err == nil {
			d, err = h.Dues.Declaration(r.Context(), tx, r.PathValue("id"))
		}
		return err
	})
	var e *contribution.Error
	if errors.As(err, &e) || err == nil && d.Employer != v.Employer.Code {
		return nil, errNotFound
	}
	return d, err
}

func (h *handler) declaration(r *http.Request, v *view) error {
	d, err := h.read(r, v)
	if err != nil {
		return err
	}
	out := declarationData{Declaration: d, Bad: d.Faulty(), Pay: h.Pay != nil}
	out.Good = len(d.Rows) - len(out.Bad)
	if err := h.name(r.Context(), v.Employer.Code, out.Bad); err != nil {
		return err
	}
	if d.State == contribution.Confirmed {
		if out.Late, _, err = h.Dues.LateFee(d, h.today()); err != nil {
			return err
		}
	}
	if d.State == contribution.DuePaid {
		out.Late = d.Late
	}
	out.Sum = d.Unit + d.Personal + out.Late
	v.show("declaration.html", d.Month.String()[:7]+" 缴费申报", out)
	return nil
}

// name fills in who of the staff was not declared, so that it can be done here.
func (h *handler) name(ctx context.Context, employer string, rows []contribution.Declared) error {
	return h.DB.View(ctx, func(tx *db.Tx) error {
		for i := range rows {
			row := &rows[i]
			if row.Name != "" || row.Person == "" {
				continue
			}
			p, _, err := h.Register.ByID(ctx, tx, row.Person)
			if err != nil {
				return err
			}
			row.Name, row.CitizenID = p.Name, p.CitizenID
			row.Fault = strings.Replace(row.Fault, row.Person, p.Name, 1)
			jobs, err := contribution.Jobs(ctx, tx, row.Person)
			if err != nil {
				return err
			}
			for _, j := range jobs {
				if j.Employer == employer && j.To == 0 {
					row.Wage = strings.ReplaceAll(j.Wage.String(), ",", "")
				}
			}
		}
		return nil
	})
}

func (h *handler) sheet(w http.ResponseWriter, r *http.Request) {
	d, err := h.read(r, &view{})
	if err != nil {
		http.Error(w, "没有找到", http.StatusNotFound)
		return
	}
	h.file(w, r, "缴费申报 "+d.Month.String()[:7]+".xlsx", func(w io.Writer) error { return contribution.WriteSheet(w, d) })
}

// change confirms, cancels, corrects or pays.
func (h *handler) change(r *http.Request, v *view) error {
	if err := h.declaration(r, v); err != nil {
		return err
	}
	ctx, id, actor := r.Context(), r.PathValue("id"), "单位 "+v.Employer.Code
	here := "/employer/" + v.Employer.Code + "/" + id
	var do func(*db.Tx) error
	done := ""
	switch r.PathValue("what") {
	case "confirm":
		done = "confirmed"
		do = func(tx *db.Tx) error { _, err := h.Dues.Confirm(ctx, tx, id, actor); return err }
	case "cancel":
		done = "cancelled"
		do = func(tx *db.Tx) error { return h.Dues.CancelDeclaration(ctx, tx, id, "单位撤销", actor) }
	case "correct":
		done = "corrected"
		n, err := strconv.Atoi(r.FormValue("n"))
		if err != nil {
			return errNotFound
		}
		row := contribution.Declared{N: n, Name: r.FormValue("name"), CitizenID: r.FormValue("citizen_id"), Wage: r.FormValue("wage"), Change: contribution.Change(r.FormValue("change")), Phone: r.FormValue("phone")}
		do = func(tx *db.Tx) error {
			_, err := h.Dues.Correct(ctx, tx, id, []contribution.Declared{row}, actor)
			return err
		}
	case "pay":
		if h.Pay == nil {
			return errNotFound
		}
		address, err := h.Pay(ctx, id)
		if err != nil {
			return refused(v, err)
		}
		v.to = address
		return nil
	default:
		return errNotFound
	}
	if err := h.DB.Update(ctx, do); err != nil {
		return refused(v, err)
	}
	v.to = here + "?said=" + done
	return nil
}

// ID is the citizen ID, its middle masked.
func (m member) ID() string { return ident.Mask(m.CitizenID) }

// Changes are what a row may say of the staff, for a form.
func (d declarationData) Changes() []contribution.Change {
	return []contribution.Change{contribution.Stays, contribution.Joins, contribution.Leaves}
}

// Share is what a payer owes for a row.
func (d declarationData) Share(r contribution.Declared, payer string) string {
	var sum money.Fen
	for _, p := range r.Parts {
		if p.Payer == payer {
			sum += p.Amount
		}
	}
	return sum.Grouped()
}

// Shown are the good rows that the page lists; the file has them all.
func (d declarationData) Shown() []contribution.Declared {
	rows := slices.DeleteFunc(slices.Clone(d.Rows), func(r contribution.Declared) bool { return r.Fault != "" })
	return rows[:min(len(rows), 200)]
}

// What is in words what a declaration waits for.
func (d declarationData) What() string {
	switch {
	case len(d.Bad) > 0:
		return fmt.Sprintf("%d 行有误，改好以前不会生成应缴", len(d.Bad))
	case d.State == contribution.Draft:
		return "全部无误，确认后生成应缴"
	}
	return d.Why
}
