package employer

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/web"
)

func (h *handler) staffRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /employer/staff", For: employers, Do: h.staff},
		{Pattern: "GET /employer/staff/add", For: employers, Do: h.joining},
		{Pattern: "POST /employer/staff/add", For: employers, Do: h.join, Again: h.joining},
		{Pattern: "GET /employer/staff/change", For: employers, Do: h.changing},
		{Pattern: "POST /employer/staff/change", For: employers, Do: h.alter, Again: h.changing},
		{Pattern: "POST /employer/prepare", For: employers, Do: h.prepare, Again: h.employer},
	}
}

// pageSize is how many of the staff a page lists.
const pageSize = 50

// member is one of the staff, for a page.
type member struct{ contribution.Member }

// ID is the citizen ID, its middle masked.
func (m member) ID() string { return ident.Mask(m.CitizenID) }

type staffData struct {
	Employer contribution.Employer
	Search   string
	Staff    []member
	All      int
	Page     int
}

// Before and After are the addresses of the pages next to this one, "" for none.
func (d staffData) Before() string { return d.at(d.Page - 1) }
func (d staffData) After() string  { return d.at(d.Page + 1) }

func (d staffData) at(page int) string {
	if page < 1 || (page-1)*pageSize >= d.All {
		return ""
	}
	return "/employer/staff?" + url.Values{"q": {d.Search}, "page": {strconv.Itoa(page)}}.Encode()
}

// Pages is how many pages there are.
func (d staffData) Pages() int { return (d.All + pageSize - 1) / pageSize }

func (h *handler) staff(v *web.Visit) error {
	d := staffData{Search: v.Value("q"), Page: 1}
	if n, err := strconv.Atoi(v.Value("page")); err == nil && n > 1 && n < 1_000_000 {
		d.Page = n
	}
	if r := []rune(d.Search); len(r) > 50 {
		d.Search = string(r[:50])
	}
	if err := h.DB.View(v.Ctx(), func(tx *db.Tx) (err error) {
		if d.Employer, err = h.find(v, tx); err != nil {
			return err
		}
		list, all, err := h.Dues.Members(v.Ctx(), tx, contribution.StaffFilter{Employer: d.Employer.Code, Day: h.today(), Search: d.Search, Offset: (d.Page - 1) * pageSize, Limit: pageSize})
		d.All = all
		for _, m := range list {
			d.Staff = append(d.Staff, member{m})
		}
		return err
	}); err != nil {
		return err
	}
	return v.Show("staff.html", "职工名册", d)
}

type changeData struct {
	Employer contribution.Employer
	Month    string
	Latest   string // month that may be declared
	Who      member // who changes; nobody while somebody is added
}

// month is which month is declared next: this one, or the next if this one is
// confirmed.
func (h *handler) month(v *web.Visit, tx *db.Tx, employer string) (string, error) {
	all, err := h.Dues.Declarations(v.Ctx(), tx, employer)
	today := h.today()
	month := civil.New(today.Year(), today.Month(), 1)
	for _, d := range all {
		if d.Month == month && (d.State == contribution.Confirmed || d.State == contribution.DuePaid) {
			return month.AddMonths(1).String()[:7], err
		}
	}
	return month.String()[:7], err
}

func (h *handler) changeOf(v *web.Visit, person string) (d changeData, err error) {
	err = h.DB.View(v.Ctx(), func(tx *db.Tx) (err error) {
		if d.Employer, err = h.find(v, tx); err != nil {
			return err
		}
		d.Latest = h.today().AddMonths(1).String()[:7]
		if d.Month, err = h.month(v, tx, d.Employer.Code); err != nil || person == "" {
			return err
		}
		list, _, err := h.Dues.Members(v.Ctx(), tx, contribution.StaffFilter{Employer: d.Employer.Code, Day: h.today(), Person: person})
		if err == nil && len(list) == 0 {
			err = web.ErrNotFound
		}
		if err == nil {
			d.Who = member{list[0]}
		}
		return err
	})
	return d, err
}

// joining is the form for who is new (增员).
func (h *handler) joining(v *web.Visit) error {
	d, err := h.changeOf(v, "")
	if err != nil {
		return err
	}
	return v.Show("join.html", "增员", d)
}

func (h *handler) join(v *web.Visit) error {
	id, err := ident.ParseCitizenID(v.Value("citizen_id"))
	switch {
	case v.Value("name") == "":
		return &web.Fault{Field: "name", Want: "请填写姓名"}
	case err != nil:
		return &web.Fault{Field: "citizen_id", Want: "公民身份号码：" + err.Error()}
	}
	row := contribution.Declared{Name: v.Value("name"), CitizenID: string(id), Wage: v.Value("wage"), Phone: v.Value("phone"), Change: contribution.Joins}
	return h.declared(v, row, "已把 "+row.Name+" 写进申报草稿，确认申报后生效。")
}

// changing is the form for who leaves or earns another wage (减员、调整工资).
func (h *handler) changing(v *web.Visit) error {
	if v.Value("person") == "" {
		return web.ErrNotFound
	}
	d, err := h.changeOf(v, v.Value("person"))
	if err != nil {
		return err
	}
	return v.Show("change.html", d.Who.Name, d)
}

func (h *handler) alter(v *web.Visit) error {
	if v.Value("person") == "" {
		return web.ErrNotFound
	}
	d, err := h.changeOf(v, v.Value("person"))
	if err != nil {
		return err
	}
	row := contribution.Declared{Name: d.Who.Name, CitizenID: d.Who.CitizenID, Wage: v.Value("wage")}
	switch v.Value("what") {
	case "wage":
		return h.declared(v, row, row.Name+" 的月工资已写进申报草稿，确认申报后生效。")
	case "leave":
		row.Change, row.Wage = contribution.Leaves, ""
		return h.declared(v, row, row.Name+" 的减员已写进申报草稿，确认申报后停保。")
	}
	return &web.Fault{Field: "what", Want: "请选择减员或调整工资"}
}

// prepare declares a month from the staff list.
func (h *handler) prepare(v *web.Visit) error { return h.declared(v, contribution.Declared{}, "") }

// declared puts a row into the draft of the month that the form says, and leads to
// the draft. A row that the room finds faulty is refused here, beside the form.
func (h *handler) declared(v *web.Visit, row contribution.Declared, said string) error {
	month, err := civil.Parse(v.Value("month") + "-01")
	if err != nil {
		return &web.Fault{Field: "month", Want: "月份「" + v.Value("month") + "」应为年和月，如 " + h.today().String()[:7]}
	}
	var rows []contribution.Declared
	if row.CitizenID != "" {
		rows = append(rows, row)
	}
	var d *contribution.Declaration
	if err := h.DB.Update(v.Ctx(), func(tx *db.Tx) (err error) {
		if d, err = h.Dues.Prepare(v.Ctx(), tx, v.Operator().Of, month, rows, v.Who.Actor()); err != nil {
			return err
		}
		for _, r := range d.Rows {
			if row.CitizenID != "" && r.CitizenID == row.CitizenID && r.Fault != "" {
				return &web.Fault{Field: "row", Want: r.Fault}
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if said == "" {
		said = fmt.Sprintf("已按名册写好 %d 行，请核对工资后确认。", len(d.Rows))
	}
	return v.Done("/employer/"+d.ID, said)
}
