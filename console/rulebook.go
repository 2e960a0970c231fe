package console

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/rulebook"
	"github.com/anji-platform/anji/sheet"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/web"
)

// rulebookRoutes are the pages of policy packages (政策包).
func (h *handler) rulebookRoutes() []web.Route {
	all, admin := signin.Officers(), []signin.Role{signin.Admin}
	return []web.Route{
		{Pattern: "GET /console/packages", For: all, Do: h.packages},
		{Pattern: "POST /console/packages", For: admin, Do: h.upload, Again: h.uploadForm, Limit: 2*rulebook.MaxFile + 64<<10},
		{Pattern: "GET /console/packages/new", For: admin, Do: h.uploadForm},
		{Pattern: "GET /console/packages/{region}", For: all, Do: h.differences},
		{Pattern: "GET /console/packages/{region}/{from}", For: all, Do: h.version},
		{Pattern: "GET /console/packages/{region}/{from}/text", For: all, Do: h.versionText},
		{Pattern: "GET /console/packages/{region}/{from}/cases.xlsx", For: all, Do: h.versionCases},
		{Pattern: "GET /console/packages/uploads/{edition}", For: all, Do: h.edition},
		{Pattern: "POST /console/packages/uploads/{edition}", For: admin, Do: h.decideEdition, Again: h.edition},
		{Pattern: "GET /console/packages/uploads/{edition}/text", For: all, Do: h.editionText},
		{Pattern: "GET /console/packages/uploads/{edition}/cases", For: all, Do: h.editionCases},
		{Pattern: "GET /console/packages/uploads/{edition}/cases.xlsx", For: all, Do: h.editionSheet},
	}
}

// nation is the region of the packages that others inherit.
const nation = "000000"

// standing is how a version stands today: its tag, and how it looks.
type standing struct{ Title, Class string }

// standingOf says how a version of the packages stands.
func standingOf(all []*policy.Package, p *policy.Package, today civil.Date) standing {
	in := false
	for _, x := range all { // the last that has begun holds, unless it has ended
		if x.From <= today {
			in = x.From == p.From && (x.To == 0 || x.To >= today)
		}
	}
	switch {
	case in:
		return standing{"施行中", "good"}
	case p.From > today:
		return standing{"待施行", "warn"}
	}
	return standing{"已结束", ""}
}

// until is the last day of a version, 0 if none is known.
func until(all []*policy.Package, p *policy.Package) civil.Date {
	for _, x := range all {
		if p.To == 0 && x.From > p.From {
			return x.From.AddDays(-1)
		}
	}
	return p.To
}

// standingOfEdition says how an uploaded version stands that holds not yet.
func standingOfEdition(s rulebook.State) standing {
	return standing{s.Title(), map[rulebook.State]string{rulebook.Submitted: "warn", rulebook.Withdrawing: "warn", rulebook.Issued: "good", rulebook.Refused: "late"}[s]}
}

type packageLine struct {
	standing
	Path, Version string
	From, To      civil.Date
	Note          string
}

type regionPackages struct {
	Name, Region string
	Lines        []packageLine
	Many         bool // there is something to compare
	Over         []packageLine
}

func (h *handler) packages(v *web.Visit) error {
	today := h.Today()
	var uploads []*rulebook.Version
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		uploads, err = rulebook.List(ctx, tx, "")
		return err
	}); err != nil {
		return err
	}
	var out []regionPackages
	for _, code := range append(h.Policies.Regions(), nation) {
		versions := h.Policies.Versions(code)
		if len(versions) == 0 {
			continue
		}
		r := regionPackages{Name: versions[len(versions)-1].Name, Region: code, Many: len(versions) > 1}
		for _, p := range versions {
			l := packageLine{standing: standingOf(versions, p, today), Path: "/console/packages/" + code + "/" + p.From.String(), Version: p.Version, From: p.From, To: until(versions, p), Note: p.GradeNote()}
			for _, u := range uploads {
				if u.Region == code && u.From == p.From && (u.State == rulebook.Issued || u.State == rulebook.Withdrawing) {
					l.Path, l.Note = "/console/packages/uploads/"+u.ID, "本平台启用"
					if u.State == rulebook.Withdrawing && p.From > today {
						l.standing = standingOfEdition(u.State)
					}
				}
			}
			r.Lines = append(r.Lines, l)
		}
		if own := v.Operator().Region; own == "" || own == code {
			for _, u := range uploads {
				l := packageLine{standing: standingOfEdition(u.State), Path: "/console/packages/uploads/" + u.ID, Version: u.Version, From: u.From, To: u.To}
				switch {
				case u.Region != code || u.State == rulebook.Issued || u.State == rulebook.Withdrawing:
				case u.State.Open():
					r.Lines = append(r.Lines, l)
				default:
					r.Over = append(r.Over, l)
				}
			}
		}
		slices.SortStableFunc(r.Lines, func(a, b packageLine) int { return cmp.Compare(a.From, b.From) })
		out = append(out, r)
	}
	return v.Show("packages.html", "政策包", out)
}

// Uploading

type uploadData struct {
	Regions  []*policy.Package // what may be built on: the last version of each region
	Earliest civil.Date
	Faults   policy.LoadErrors
	MaxKB    int
}

func (h *handler) uploadForm(v *web.Visit) error {
	d := uploadData{Earliest: h.Today().AddDays(1), MaxKB: rulebook.MaxFile >> 10}
	if faults, ok := v.Data.(policy.LoadErrors); ok { // of upload
		d.Faults = faults
	}
	for _, code := range h.Policies.Regions() {
		if own := v.Operator().Region; own == "" || own == code {
			all := h.Policies.Versions(code)
			d.Regions = append(d.Regions, all[len(all)-1])
		}
	}
	return v.Show("upload.html", "上传政策包", d)
}

// uploadedFile reads a file of a form, empty if none was chosen.
func uploadedFile(v *web.Visit, field string) ([]byte, error) {
	file, _, err := v.FormFile(field)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, err
	case err != nil:
		return nil, nil
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, rulebook.MaxFile+1))
}

func (h *handler) upload(v *web.Visit) error {
	text, err := uploadedFile(v, "package")
	if err != nil {
		return err
	}
	cases, err := uploadedFile(v, "cases")
	if err != nil {
		return err
	}
	var x *rulebook.Version
	err = h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		x, err = h.Rules.Upload(ctx, tx, rulebook.Upload{Text: text, Cases: cases, Region: v.Operator().Region, Actor: v.Who.Actor()})
		return err
	})
	var faults *rulebook.Faults
	if errors.As(err, &faults) {
		v.Data = faults.LoadErrors
	}
	if err != nil {
		return err
	}
	return v.Done("/console/packages/uploads/"+x.ID, "已存为草稿。请核对算例和不同之处，再提交启用。")
}

// One version

// versionData is a version of a package as a page.
type versionData struct {
	*rulebook.Report
	Package  *policy.Package
	Edition  *rulebook.Version // nil: it came with the platform
	Standing standing
	View     string // text, cases or changes
	Path     string
	Mine     bool // the visitor uploaded or submitted it, or asked for its withdrawal
	Uploader bool
	Future   bool // it holds not yet
	Until    civil.Date
}

// HTML is the package as a document to read.
func (d versionData) HTML() template.HTML { return d.Package.HTML() }

// passed is how many of the cases hold.
func passed(all []rulebook.Outcome, failed int) int { return len(all) - failed }

func (h *handler) version(v *web.Visit) error {
	d, err := h.findVersion(v)
	if err != nil {
		return err
	}
	if d.Edition != nil {
		return v.Go("/console/packages/uploads/" + d.Edition.ID)
	}
	return v.Show("version.html", d.Package.Name+" "+d.Package.Version, d)
}

// findVersion finds the version of the packages that the address names.
func (h *handler) findVersion(v *web.Visit) (*versionData, error) {
	region, today := v.PathValue("region"), h.Today()
	versions := h.Policies.Versions(region)
	i := slices.IndexFunc(versions, func(p *policy.Package) bool { return p.From.String() == v.PathValue("from") })
	if i < 0 {
		return nil, web.ErrNotFound
	}
	d := &versionData{Package: versions[i], Standing: standingOf(versions, versions[i], today), View: v.URL.Query().Get("view"),
		Path: "/console/packages/" + region + "/" + versions[i].From.String(), Future: versions[i].From > today, Until: until(versions, versions[i])}
	return d, h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
		if d.Edition, _, err = h.Rules.Stored(ctx, tx, d.Package); err == nil {
			d.Report, err = h.Rules.TryIssued(ctx, tx, d.Package)
		}
		return err
	})
}

func (h *handler) edition(v *web.Visit) error {
	d, err := h.findEdition(v)
	if err != nil {
		return err
	}
	return v.Show("version.html", d.Edition.Name+" "+d.Edition.Version, d)
}

// findEdition finds the uploaded version that the address names, if it is of the
// officer's region, and tries it.
func (h *handler) findEdition(v *web.Visit) (*versionData, error) {
	d := &versionData{View: v.URL.Query().Get("view")}
	today := h.Today()
	return d, h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		e, ok, err := rulebook.Get(ctx, tx, v.PathValue("edition"))
		if err != nil {
			return err
		}
		if region := v.Operator().Region; !ok || region != "" && e.Region != region {
			return web.ErrNotFound
		}
		d.Edition, d.Path, d.Future = e, "/console/packages/uploads/"+e.ID, e.From > today
		d.Standing = standingOfEdition(e.State)
		d.Uploader = e.Uploader() == v.Who.Actor()
		for _, s := range e.Steps {
			if s.Actor == v.Who.Actor() && (s.State == rulebook.Draft || s.State == rulebook.Submitted) && e.State == rulebook.Submitted {
				d.Mine = true
			}
		}
		if e.State == rulebook.Withdrawing {
			d.Mine = e.Steps[len(e.Steps)-1].Actor == v.Who.Actor()
		}
		versions := h.Policies.Versions(e.Region)
		i := slices.IndexFunc(versions, func(p *policy.Package) bool { return p.From == e.From })
		if issued := e.State == rulebook.Issued || e.State == rulebook.Withdrawing; issued && i >= 0 {
			if d.Package = versions[i]; e.State == rulebook.Issued {
				d.Standing = standingOf(versions, d.Package, today)
			}
			d.Report, err = h.Rules.TryIssued(ctx, tx, d.Package)
		} else if d.Report, err = h.Rules.Try(ctx, tx, e); err == nil {
			d.Package = d.Report.Package
		}
		if err != nil {
			return err
		}
		if d.Package != nil {
			d.Until = until(versions, d.Package)
		}
		if d.View == "" && e.State.Open() && d.Before != nil { // what is to be decided
			d.View = "changes"
		}
		return nil
	})
}

func (h *handler) decideEdition(v *web.Visit) error {
	d, err := h.findEdition(v)
	if err != nil {
		return err
	}
	id, actor, reason := d.Edition.ID, v.Who.Actor(), v.Value("reason")
	acts := map[string]struct {
		do   func(context.Context, *db.Tx) error
		said string
	}{
		"submit":  {func(ctx context.Context, tx *db.Tx) error { return h.Rules.Submit(ctx, tx, id, actor) }, "已提交，请另一位管理员启用。"},
		"issue":   {func(ctx context.Context, tx *db.Tx) error { return h.Rules.Issue(ctx, tx, id, actor) }, "已启用，" + d.Edition.From.String() + " 起施行。"},
		"refuse":  {func(ctx context.Context, tx *db.Tx) error { return h.Rules.Refuse(ctx, tx, id, actor, reason) }, "没有通过，原因已记下。"},
		"discard": {func(ctx context.Context, tx *db.Tx) error { return h.Rules.Discard(ctx, tx, id, actor) }, "已作废。"},
		"ask":     {func(ctx context.Context, tx *db.Tx) error { return h.Rules.AskWithdrawal(ctx, tx, id, actor, reason) }, "已申请撤回，请另一位管理员同意；在此之前仍会按时施行。"},
		"withdraw": {func(ctx context.Context, tx *db.Tx) error { return h.Rules.Withdraw(ctx, tx, id, actor) },
			"已撤回，" + d.Edition.From.String() + " 起不会施行。"},
		"keep": {func(ctx context.Context, tx *db.Tx) error { return h.Rules.Keep(ctx, tx, id, actor, reason) }, "不撤回，按时施行。"},
	}
	act, ok := acts[v.Value("act")]
	if !ok {
		return &web.Fault{Field: "act", Want: "请选择要办的事"}
	}
	if err := h.Write(v, act.do); err != nil {
		return err
	}
	// The other processes ask by themselves; so does this one, should it fail.
	if err := h.Rules.Refresh(v.Ctx(), h.DB); err != nil {
		v.Log().ErrorContext(v.Ctx(), "console: the packages are not known to be up to date", "error", err)
	}
	return v.Done(d.Path, act.said)
}

const yamlType = "application/yaml; charset=utf-8"

func (h *handler) versionText(v *web.Visit) error {
	d, err := h.findVersion(v)
	if err != nil {
		return err
	}
	return v.Attach(d.Package.Region+"-"+d.Package.From.String()+".yaml", yamlType, d.Package.Text())
}

func (h *handler) editionText(v *web.Visit) error {
	d, err := h.findEdition(v)
	if err != nil {
		return err
	}
	return v.Attach(d.Edition.Region+"-"+d.Edition.From.String()+".yaml", yamlType, d.Edition.Text)
}

func (h *handler) editionCases(v *web.Visit) error {
	d, err := h.findEdition(v)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(d.Edition.Cases)) == 0 {
		return web.ErrNotFound
	}
	return v.Attach(d.Edition.Region+"-"+d.Edition.From.String()+"-cases.yaml", yamlType, d.Edition.Cases)
}

func (h *handler) versionCases(v *web.Visit) error {
	d, err := h.findVersion(v)
	if err != nil {
		return err
	}
	return h.casesSheet(v, d)
}

func (h *handler) editionSheet(v *web.Visit) error {
	d, err := h.findEdition(v)
	if err != nil {
		return err
	}
	return h.casesSheet(v, d)
}

func (h *handler) casesSheet(v *web.Visit, d *versionData) error {
	t := sheet.Table{Title: "政策包算例", Head: []string{"来源", "算例", "算法", "总费用（元）", "基金支付（元）", "个人负担（元）", "结果", "不同之处"}}
	for _, group := range []struct {
		from string
		all  []rulebook.Outcome
	}{{"自带", d.Own}, {"上一版本", d.Beside}} {
		for _, o := range group.all {
			row := []any{group.from, o.Name, o.Why, "", "", "", "通过", ""}
			if o.Settled {
				row[3], row[4], row[5] = o.Total, o.Fund, o.Person
			}
			if o.Fault != "" {
				row[6], row[7] = "不同", answered(o.Fault)
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return h.sheet(v, t)
}

var expected = regexp.MustCompile(`^line \d+: (\S+) is (.*), expected (?:to contain )?(.*)$`)

// answered says in Chinese how an answer differs from what a case expects.
func answered(fault string) string {
	lines := strings.Split(fault, "\n")
	for i, l := range lines {
		if m := expected.FindStringSubmatch(l); m != nil {
			name, year := strings.CutPrefix(m[1], "year_to_date.")
			name = cmp.Or(answers[name], name)
			if year {
				name = "年度累计" + name
			}
			lines[i] = fmt.Sprintf("%s算得 %s，算例写 %s", name, m[2], m[3])
		}
	}
	return strings.Join(lines, "；")
}

// answers are the words for what a case's answer holds.
var answers = map[string]string{
	"decision": "是否支付", "deductible": "起付标准", "basic": "统筹基金", "catastrophic": "大病保险", "assistance": "医疗救助", "civil_servant": "公务员补助",
	"large_amount": "大额补助", "enterprise": "企业补充", "fund": "基金支付", "person": "个人负担", "cash": "个人现金", "account": "个人账户", "total": "总费用",
	"full_own_pay": "全自费", "over_ceiling": "超限价", "first_own_pay": "先行自付", "in_scope": "政策范围内",
	"basic_fund": "统筹基金", "outpatient_fund": "门诊统筹", "catastrophic_base": "大病合规费用", "catastrophic_fund": "大病保险", "assistance_fund": "医疗救助",
}

// Comparing

type differencesData struct {
	Region   string
	Versions []*policy.Package
	A, B     *policy.Package
	*policy.Difference
}

// differences says in words and in money what changed between two versions of a
// region's package: the last two, or those that are asked for.
func (h *handler) differences(v *web.Visit) error {
	d := differencesData{Region: v.PathValue("region")}
	if d.Versions = h.Policies.Versions(d.Region); len(d.Versions) == 0 {
		return web.ErrNotFound
	}
	pick := func(name string, otherwise int) *policy.Package {
		for _, p := range d.Versions {
			if p.From.String() == v.URL.Query().Get(name) {
				return p
			}
		}
		return d.Versions[max(otherwise, 0)]
	}
	d.A, d.B = pick("a", len(d.Versions)-2), pick("b", len(d.Versions)-1)
	if d.A != d.B {
		if err := h.Read(v, func(ctx context.Context, tx *db.Tx) (err error) {
			d.Difference, err = h.Rules.Compare(ctx, tx, d.A, d.B)
			return err
		}); err != nil {
			return err
		}
	}
	return v.Show("package.html", d.B.Name, d)
}
