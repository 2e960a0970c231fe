// Package employer is what an employer sees in a browser (单位网厅): its staff, and
// the months that it declares, confirms and pays. A declaration comes as an
// Excel file; what is wrong with a row is said beside it, and mended there.
//
// Which employer it is, the session says: no address names another.
package employer

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/office"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/web"
)

// Config is what the pages are made of. All but Pay and Now are needed.
type Config struct {
	DB       *db.DB
	Dues     *contribution.Service
	Register *enrolment.Register
	// Pay makes an order for a declaration and returns where to pay it, from where
	// one comes back to a page; nil: nothing can be paid here.
	Pay func(ctx context.Context, declaration, back string) (address string, err error)
	Now func() time.Time
}

//go:embed templates
var files embed.FS

// maxUpload bounds what a browser sends.
const maxUpload = 21 << 20

type handler struct{ Config }

var employers = []signin.Role{signin.Employer}

// New returns the pages.
func New(c Config) *web.App {
	if c.Now == nil {
		c.Now = time.Now
	}
	h := &handler{c}
	return &web.App{Name: "employer", Layout: "desk.html", SignIn: office.SignIn, Files: files,
		Nav: func(*web.Visit) []web.Link {
			return []web.Link{{Path: "/employer", Title: "申报", Icon: "building"}, {Path: "/employer/staff", Title: "职工", Icon: "users"}, {Path: "/employer/bills", Title: "账单", Icon: "pay"}}
		},
		Routes: slices.Concat(h.staffRoutes(), h.billRoutes(), []web.Route{
			{Pattern: "GET /employer", For: employers, Do: h.employer},
			{Pattern: "POST /employer", For: employers, Do: h.declare, Again: h.employer, Limit: maxUpload},
			{Pattern: "GET /employer/template.xlsx", For: employers, Do: h.template},
			{Pattern: "GET /employer/{declaration}", For: employers, Do: h.declaration},
			{Pattern: "GET /employer/{declaration}/sheet.xlsx", For: employers, Do: h.sheet},
			{Pattern: "POST /employer/{declaration}/confirm", For: employers, Do: h.confirm, Again: h.declaration},
			{Pattern: "POST /employer/{declaration}/cancel", For: employers, Do: h.cancel, Again: h.declaration},
			{Pattern: "POST /employer/{declaration}/correct", For: employers, Do: h.correct, Again: h.declaration},
			{Pattern: "POST /employer/{declaration}/pay", For: employers, Do: h.pay, Again: h.declaration},
		})}
}

type employerData struct {
	Employer     contribution.Employer
	Staff        int // how many
	Declarations []contribution.Declaration
	Month        string // to declare next
	Late         map[string]money.Fen
	Today        civil.Date
}

func (h *handler) today() civil.Date { return civil.Of(h.Now().In(time.FixedZone("CST", 8*60*60))) }

// find reads the employer that the session is of.
func (h *handler) find(v *web.Visit, tx *db.Tx) (contribution.Employer, error) {
	e, ok, err := contribution.GetEmployer(v.Ctx(), tx, v.Operator().Of)
	if err == nil && !ok {
		err = web.ErrNotFound
	}
	return e, err
}

func (h *handler) employer(v *web.Visit) error {
	d := employerData{Today: h.today(), Late: map[string]money.Fen{}}
	err := h.DB.View(v.Ctx(), func(tx *db.Tx) (err error) {
		if d.Employer, err = h.find(v, tx); err != nil {
			return err
		}
		if _, d.Staff, err = h.Dues.Members(v.Ctx(), tx, contribution.StaffFilter{Employer: d.Employer.Code, Day: d.Today, Limit: 1}); err != nil {
			return err
		}
		if d.Month, err = h.month(v, tx, d.Employer.Code); err != nil {
			return err
		}
		if d.Declarations, err = h.Dues.Declarations(v.Ctx(), tx, d.Employer.Code); err != nil {
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
	if err != nil {
		return err
	}
	return v.Show("employer.html", d.Employer.Name, d)
}

// declare takes an uploaded file.
func (h *handler) declare(v *web.Visit) error {
	file, _, err := v.FormFile("file")
	if err != nil {
		return &web.Fault{Field: "file", Want: "请选择填好的 Excel 文件（不超过 20 MB）"}
	}
	defer file.Close()
	month, err := civil.Parse(v.Value("month") + "-01")
	if err != nil {
		return &web.Fault{Field: "month", Want: "请选择申报的月份"}
	}
	rows, err := contribution.ReadSheet(file)
	if err != nil {
		return err
	}
	var d *contribution.Declaration
	if err := h.DB.Update(v.Ctx(), func(tx *db.Tx) (err error) {
		d, err = h.Dues.Declare(v.Ctx(), tx, v.Operator().Of, month, rows, v.Who.Actor())
		return err
	}); err != nil {
		return err
	}
	return v.Go("/employer/" + d.ID)
}

func (h *handler) template(v *web.Visit) error {
	return h.file(v, "缴费申报模板.xlsx", contribution.Template)
}

// file answers with an Excel file, whole or not at all.
func (h *handler) file(v *web.Visit, name string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	return v.Attach(name, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b.Bytes())
}

type declarationData struct {
	Employer contribution.Employer
	*contribution.Declaration
	Bad  []contribution.Declared
	Good int
	Late money.Fen
	Pay  bool
	Sum  money.Fen
}

// read finds the declaration that the address names, if it is the employer's.
func (h *handler) read(v *web.Visit) (e contribution.Employer, d *contribution.Declaration, err error) {
	err = h.DB.View(v.Ctx(), func(tx *db.Tx) (err error) {
		if e, err = h.find(v, tx); err != nil {
			return err
		}
		d, err = h.Dues.Declaration(v.Ctx(), tx, v.PathValue("declaration"))
		return err
	})
	if _, _, ok := web.Refusal(err); ok || err == nil && d.Employer != e.Code {
		return e, nil, web.ErrNotFound
	}
	return e, d, err
}

func (h *handler) declaration(v *web.Visit) error {
	e, d, err := h.read(v)
	if err != nil {
		return err
	}
	out := declarationData{Employer: e, Declaration: d, Bad: d.Faulty(), Pay: h.Pay != nil}
	out.Good = len(d.Rows) - len(out.Bad)
	if err := h.name(v.Ctx(), e.Code, out.Bad); err != nil {
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
	return v.Show("declaration.html", d.Month.String()[:7]+" 缴费申报", out)
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

func (h *handler) sheet(v *web.Visit) error {
	_, d, err := h.read(v)
	if err != nil {
		return err
	}
	return h.file(v, "缴费申报 "+d.Month.String()[:7]+".xlsx", func(w io.Writer) error { return contribution.WriteSheet(w, d) })
}

// change changes the declaration that the address names.
func (h *handler) change(v *web.Visit, said string, do func(tx *db.Tx, id, actor string) error) error {
	_, d, err := h.read(v)
	if err != nil {
		return err
	}
	if err := h.DB.Update(v.Ctx(), func(tx *db.Tx) error { return do(tx, d.ID, v.Who.Actor()) }); err != nil {
		return err
	}
	return v.Done("/employer/"+d.ID, said)
}

func (h *handler) confirm(v *web.Visit) error {
	return h.change(v, "已确认，请在截止日前缴纳。", func(tx *db.Tx, id, actor string) error {
		_, err := h.Dues.Confirm(v.Ctx(), tx, id, actor)
		return err
	})
}

func (h *handler) cancel(v *web.Visit) error {
	return h.change(v, "已撤销。", func(tx *db.Tx, id, actor string) error {
		return h.Dues.CancelDeclaration(v.Ctx(), tx, id, "单位撤销", actor)
	})
}

func (h *handler) correct(v *web.Visit) error {
	n, err := strconv.Atoi(v.Value("n"))
	if err != nil {
		return &web.Fault{Field: "n", Want: "缺少要更正的行号"}
	}
	row := contribution.Declared{N: n, Name: v.Value("name"), CitizenID: v.Value("citizen_id"), Wage: v.Value("wage"), Change: contribution.Change(v.Value("change")), Phone: v.Value("phone")}
	return h.change(v, "已更正。", func(tx *db.Tx, id, actor string) error {
		_, err := h.Dues.Correct(v.Ctx(), tx, id, []contribution.Declared{row}, actor)
		return err
	})
}

func (h *handler) pay(v *web.Visit) error {
	_, d, err := h.read(v)
	if err != nil {
		return err
	}
	if h.Pay == nil {
		return &web.Fault{Want: "这里没有开通线上缴费，请到银行缴纳"}
	}
	to, err := h.Pay(v.Ctx(), d.ID, "/employer/"+d.ID)
	if err != nil {
		return err
	}
	return v.Done(to, "已提交支付，到账后显示为已缴。")
}

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
