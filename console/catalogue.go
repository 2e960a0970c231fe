package console

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/sheet"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/web"
)

// catalogueRoutes are the pages of the three catalogues (三个目录).
func (h *handler) catalogueRoutes() []web.Route {
	all, admin := signin.Officers(), []signin.Role{signin.Admin}
	return []web.Route{
		{Pattern: "GET /console/catalogue", For: all, Do: h.items},
		{Pattern: "GET /console/catalogue.xlsx", For: all, Do: h.itemsSheet},
		{Pattern: "GET /console/catalogue/items/{item}", For: all, Do: h.item},
		{Pattern: "POST /console/catalogue/items/{item}", For: admin, Do: h.reviseItem, Again: h.item},
		{Pattern: "GET /console/catalogue/template.xlsx", For: admin, Do: h.revisionTemplate},
		{Pattern: "GET /console/catalogue/new", For: admin, Do: h.newRevision},
		{Pattern: "POST /console/catalogue/revisions", For: admin, Do: h.revise, Again: h.newRevision, Limit: catalogue.MaxSheet + 64<<10},
		{Pattern: "GET /console/catalogue/revisions", For: all, Do: h.revisions},
		{Pattern: "GET /console/catalogue/revisions/{revision}", For: all, Do: h.revision},
		{Pattern: "POST /console/catalogue/revisions/{revision}", For: admin, Do: h.decideRevision, Again: h.revision},
	}
}

// classes are the classes of items (甲乙丙).
var classes = []policy.LineClass{policy.ClassA, policy.ClassB, policy.ClassC}

// share is a first own pay in words.
func share(r money.Rate) string {
	if r < 0 {
		return ""
	}
	return percent(r)
}

// percent writes a rate as 10% or 12.5%.
func percent(r money.Rate) string {
	s := strconv.FormatFloat(float64(r)/float64(money.One)*100, 'f', 6, 64)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".") + "%"
}

// ceiling is a ceiling price of one unit, "" for none.
func ceiling(c money.Fen) string {
	if c < 0 {
		return ""
	}
	return c.Grouped()
}

type itemsData struct {
	Query, Kind, Class string
	On                 civil.Date
	Rows               []catalogue.Listed
	Waiting            int
	Next, Back         string
}

// Kinds are the kinds of item.
func (d itemsData) Kinds() []catalogue.Kind { return catalogue.Kinds() }

// Classes are the classes.
func (d itemsData) Classes() []policy.LineClass { return classes }

// listItems are the items that the address asks for, of the officer's region and
// of all regions.
func (h *handler) listItems(v *web.Visit, page catalogue.Page) (d itemsData, err error) {
	q := v.URL.Query()
	d = itemsData{Query: strings.TrimSpace(q.Get("q")), Kind: q.Get("kind"), Class: q.Get("class"), On: h.Today()}
	if len(d.Query) > maxSearch {
		d.Query = ""
	}
	if day, err := civil.Parse(q.Get("on")); err == nil {
		d.On = day
	}
	f := catalogue.Filter{Has: d.Query, Kind: catalogue.Kind(d.Kind), On: d.On}
	if c, ok := named[policy.LineClass]("class", d.Class); ok {
		f.Class = &c
	}
	region := v.Operator().Region
	if region != "" {
		f.Region = &region
	}
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		if err := catalogue.Items(ctx, tx, f, page, func(it catalogue.Listed) error {
			d.Rows = append(d.Rows, it)
			return nil
		}); err != nil {
			return err
		}
		var err error
		d.Waiting, err = catalogue.Waiting(ctx, tx, region)
		return err
	})
	return d, err
}

func (h *handler) items(v *web.Visit) error {
	page, _ := strconv.ParseInt(v.URL.Query().Get("page"), 10, 64)
	page = min(max(page, 1), 100_000)
	d, err := h.listItems(v, catalogue.Page{Offset: (page - 1) * perPage, Limit: perPage + 1})
	if err != nil {
		return err
	}
	at := func(n int64) string {
		q := v.URL.Query()
		q.Set("page", strconv.FormatInt(n, 10))
		return "/console/catalogue?" + q.Encode()
	}
	if len(d.Rows) > perPage {
		d.Rows, d.Next = d.Rows[:perPage], at(page+1)
	}
	if page > 1 {
		d.Back = at(page - 1)
	}
	return v.Show("items.html", "目录", d)
}

func (h *handler) itemsSheet(v *web.Visit) error {
	d, err := h.listItems(v, catalogue.Page{Limit: perSheet})
	if err != nil {
		return err
	}
	t := sheet.Table{Title: "医保目录", Head: []string{"医疗目录编码", "名称", "类别", "甲乙丙", "先行自付比例", "支付标准（元）", "收费项目类别", "限制使用", "统筹区", "生效日期", "失效日期"}}
	for _, it := range d.Rows {
		t.Rows = append(t.Rows, []any{it.Code, it.Name, it.Kind.Title(), it.Class.Title(), share(it.FirstPay), ceiling(it.UnitCeiling), it.Charge, it.Restriction, it.Region, it.From, it.To})
	}
	return h.sheet(v, t)
}

// One item

type itemData struct {
	Code       string
	Now        *catalogue.Listed // what holds today, nil: nothing
	Last       catalogue.Listed
	History    []catalogue.Listed
	Attributes catalogue.Attributes
	First      civil.Date
	Today      civil.Date
}

// Classes are the classes.
func (d itemData) Classes() []policy.LineClass { return classes }

// FirstPay and Ceiling are those of the item as the form shows them first.
func (d itemData) FirstPay() string {
	if d.Last.Class != policy.ClassB {
		return ""
	}
	return share(d.Last.FirstPay)
}

// Ceiling is the ceiling as the form shows it first.
func (d itemData) Ceiling() string { return ceiling(d.Last.UnitCeiling) }

func (h *handler) findItem(v *web.Visit) (*itemData, error) {
	d := &itemData{Code: v.PathValue("item"), Today: h.Today()}
	d.First = d.Today.AddDays(1)
	region := v.Operator().Region
	return d, h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		all, err := catalogue.History(ctx, tx, d.Code)
		if err != nil {
			return err
		}
		for i, it := range all {
			if region != "" && it.Region != "" && it.Region != region {
				continue
			}
			d.History = append(d.History, it)
			if it.From <= d.Today && (it.To == 0 || it.To >= d.Today) && (d.Now == nil || it.Region == region) {
				d.Now = &all[i]
			}
			if it.Region == region || d.Last.Code == "" {
				d.Last = it
			}
		}
		if len(d.History) == 0 {
			return web.ErrNotFound
		}
		d.Attributes, err = d.Last.Attributes()
		return err
	})
}

func (h *handler) item(v *web.Visit) error {
	d, err := h.findItem(v)
	if err != nil {
		return err
	}
	return v.Show("item.html", d.Last.Name, d)
}

func (h *handler) reviseItem(v *web.Visit) error {
	d, err := h.findItem(v)
	if err != nil {
		return err
	}
	row, err := catalogue.ReadForm(func(field string) string {
		if field == "code" {
			return d.Code
		}
		return v.Value(field)
	})
	if err != nil {
		return err
	}
	return h.writeRevision(v, []catalogue.Row{row})
}

func (h *handler) writeRevision(v *web.Visit, rows []catalogue.Row) error {
	var x *catalogue.Revision
	err := h.Write(v, func(ctx context.Context, tx *db.Tx) (err error) {
		x, err = h.Upkeep.Propose(ctx, tx, v.Operator().Region, v.Value("reason"), rows, v.Who.Actor())
		return err
	})
	var faults catalogue.RowFaults
	if errors.As(err, &faults) {
		v.Data = faults
	}
	if err != nil {
		return err
	}
	return v.Done("/console/catalogue/revisions/"+x.ID, "已提出，请另一位管理员批准。")
}

// Revisions

type newRevisionData struct {
	Faults  catalogue.RowFaults
	First   civil.Date
	MaxRows int
	Region  string
}

func (h *handler) newRevision(v *web.Visit) error {
	d := newRevisionData{First: h.Today().AddDays(1), MaxRows: catalogue.MaxRows, Region: "全部统筹区"}
	if faults, ok := v.Data.(catalogue.RowFaults); ok { // of revise
		d.Faults = faults
	}
	if own := v.Operator().Region; own != "" {
		d.Region = h.regionName(own)
	}
	return v.Show("newrevision.html", "批量调整目录", d)
}

func (h *handler) revisionTemplate(v *web.Visit) error {
	var b bytes.Buffer
	if err := catalogue.Template(&b, h.Today().AddDays(1)); err != nil {
		return err
	}
	return v.Attach("目录调整模板.xlsx", sheet.Type, b.Bytes())
}

func (h *handler) revise(v *web.Visit) error {
	file, _, err := v.FormFile("file")
	if err != nil {
		return &web.Fault{Field: "file", Want: "请选择填好的 Excel 文件（不超过 " + strconv.Itoa(catalogue.MaxSheet>>20) + " MB）"}
	}
	defer file.Close()
	rows, err := catalogue.ReadSheet(file)
	var faults catalogue.RowFaults
	if errors.As(err, &faults) {
		v.Data = faults
	}
	if err != nil {
		return err
	}
	return h.writeRevision(v, rows)
}

type revisionsData struct {
	State  catalogue.State
	States []catalogue.State
	Rows   []*catalogue.Revision
}

func (h *handler) revisions(v *web.Visit) error {
	d := revisionsData{State: catalogue.State(v.URL.Query().Get("state")), States: []catalogue.State{catalogue.Proposed, catalogue.Approved, catalogue.Declined, catalogue.Revoked}}
	if d.State == "" {
		d.State = catalogue.Proposed
	}
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		d.Rows, err = catalogue.Revisions(ctx, tx, v.Operator().Region, d.State, 200)
		return err
	}); err != nil {
		return err
	}
	return v.Show("revisions.html", "目录调整", d)
}

// change is a row of a revision beside what holds on the day before.
type change struct {
	catalogue.Row
	Was *catalogue.Item
}

type revisionData struct {
	*catalogue.Revision
	Changes    []change
	Mine       bool
	More       int // rows that are not shown
	RegionName string
}

// shownRows is how many rows of a revision a page shows.
const shownRows = 500

func (h *handler) findRevision(v *web.Visit) (d *revisionData, err error) {
	err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		x, ok, err := catalogue.GetRevision(ctx, tx, v.PathValue("revision"))
		if err != nil {
			return err
		}
		if region := v.Operator().Region; !ok || region != "" && x.Region != "" && x.Region != region {
			return web.ErrNotFound
		}
		d = &revisionData{Revision: x, Mine: x.Actor == v.Who.Actor(), RegionName: "全部统筹区"}
		if x.Region != "" {
			d.RegionName = h.regionName(x.Region)
		}
		for i, r := range x.Rows {
			if i == shownRows {
				d.More = len(x.Rows) - i
				break
			}
			c := change{Row: r}
			was, ok, err := catalogue.Find(ctx, tx, x.Region, r.From.AddDays(-1), r.Code)
			if err != nil {
				return err
			}
			if ok {
				c.Was = &was
			}
			d.Changes = append(d.Changes, c)
		}
		return nil
	})
	return d, err
}

func (h *handler) revision(v *web.Visit) error {
	d, err := h.findRevision(v)
	if err != nil {
		return err
	}
	return v.Show("revision.html", "目录调整", d)
}

func (h *handler) decideRevision(v *web.Visit) error {
	d, err := h.findRevision(v)
	if err != nil {
		return err
	}
	// One who keeps a region's catalogue does not decide on that of all.
	if region := v.Operator().Region; region != "" && d.Region != region {
		return &web.Fault{Field: "act", Want: "全部统筹区的目录由省级管理员决定"}
	}
	said := ""
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) (err error) {
		actor := v.Who.Actor()
		switch v.Value("act") {
		case "approve":
			said = "已批准，目录已出新版本，医院可以下载；" + d.First.String() + " 起生效。"
			_, err = h.Upkeep.Approve(ctx, tx, d.ID, actor)
		case "decline":
			said = "没有批准，原因已记下。"
			_, err = h.Upkeep.Decline(ctx, tx, d.ID, actor, v.Value("answer"))
		case "revoke":
			said = "已撤回。"
			_, err = h.Upkeep.Revoke(ctx, tx, d.ID, actor)
		default:
			err = &web.Fault{Field: "act", Want: "请选择批准或不批准"}
		}
		return err
	}); err != nil {
		return err
	}
	return v.Done("/console/catalogue/revisions/"+url.PathEscape(d.ID), said)
}
