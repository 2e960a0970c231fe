package portal

import (
	"context"
	"slices"
	"strings"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/filing"
	"github.com/anji-platform/anji/paper"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/web"
)

// recognitionRoutes are those of chronic and special diseases, and of the papers
// that are handed in.
func (h *handler) recognitionRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /me/filings/disease", For: people, Do: h.newRecognition},
		{Pattern: "POST /me/filings/disease", For: people, Do: h.beginRecognition, Again: h.newRecognition},
		{Pattern: "POST /me/filings/{application}/submit", For: people, Do: h.submitRecognition, Again: h.filing},
		{Pattern: "POST /me/filings/{application}/papers", For: people, Do: h.handIn, Again: h.filing, Limit: uploadLimit},
		{Pattern: "POST /me/filings/{application}/papers/{paper}/remove", For: people, Do: h.takeBack, Again: h.filing},
		{Pattern: "GET /me/filings/{application}/papers/{paper}", For: people, Do: h.filingPaper},
		{Pattern: "GET /me/filings/hospitals", For: people, Do: h.hospitals},
		{Pattern: "POST /me/filings/hospitals", For: people, Do: h.changeHospital, Again: h.hospitals},
	}
}

// held is a disease that is recognised, with what can be done about it.
type held struct {
	enrolment.SpecialDisease
	Kind  string     // 特殊病 or 慢性病, as the region divides them
	Code  string     // by which it is renewed, "" if it cannot be today
	Renew civil.Date // from when it can be; 0: not at all
}

// heldDiseases lists what is recognised for a person today or from a later day.
func (h *handler) heldDiseases(ctx context.Context, tx *db.Tx, p *enrolment.Person, rules *policy.SpecialDiseases) (out []held, err error) {
	today := h.Today()
	all, err := enrolment.SpecialDiseasesWithin(ctx, tx, p.ID, today, 0)
	for _, d := range all {
		x := held{SpecialDisease: d, Kind: "慢性病"}
		if d.Special {
			x.Kind = "特殊病"
		}
		if rules != nil && d.To != 0 && rules.RenewDays > 0 {
			listed, ok := rules.Find(d.Code)
			if ok {
				x.Kind, x.Renew = listed.Kind(), d.To.AddDays(1-rules.RenewDays)
			}
			if later := slices.ContainsFunc(all, func(y enrolment.SpecialDisease) bool { return y.Code == d.Code && y.From > d.From }); later {
				x.Renew = 0
			}
			if x.Renew != 0 && today >= x.Renew {
				x.Code = listed.Code
			}
		}
		out = append(out, x)
	}
	return out, err
}

// diseases are how diseases are recognised for whom the session acts for; why
// says why that is not known.
func (h *handler) diseases(v *web.Visit) (rules *policy.SpecialDiseases, why string, err error) {
	rules, err = h.Filings.Diseases(v.Who.Acting.Region)
	if _, text, refused := web.Refusal(err); refused {
		return nil, text, nil
	}
	if rules != nil && len(rules.Diseases) == 0 {
		return nil, rules.Unknown, err
	}
	return rules, "", err
}

type newRecognitionData struct {
	Rules *policy.SpecialDiseases
	Why   string // nothing can be applied for
}

func (h *handler) newRecognition(v *web.Visit) (err error) {
	var d newRecognitionData
	if d.Rules, d.Why, err = h.diseases(v); err != nil {
		return err
	}
	return v.Show("recognition-new.html", v.Say("门诊慢特病认定", "Recognition of a disease"), d)
}

func (h *handler) beginRecognition(v *web.Visit) error {
	var a *filing.Application
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) (err error) {
		a, err = h.Filings.DraftRecognition(ctx, tx, filing.RecognitionRequest{Person: v.Who.Acting.ID, Disease: v.Value("disease"), Phone: v.Who.Person.Phone, Channel: filing.Online, Actor: v.Who.Actor()})
		return err
	}); err != nil {
		return err
	}
	return v.Go("/me/filings/" + a.ID)
}

// recognition is what is to be filled into an application that is not finished.
type recognition struct {
	Rules    *policy.SpecialDiseases
	Disease  policy.SpecialDisease
	Held     []filing.Chosen
	Eligible []provider.Provider
	Many     bool // there are more hospitals than are offered
}

// fill reads what is to be filled in.
func (h *handler) fill(ctx context.Context, tx *db.Tx, v *web.Visit, a *filing.Application) (d recognition, err error) {
	rules, err := h.Filings.Diseases(a.Region)
	if err != nil {
		return d, err
	}
	d.Rules = rules
	d.Disease, _ = rules.Find(a.Details.Disease.Code)
	if rules.Hospitals == 0 || !a.Open() {
		return d, nil
	}
	if d.Held, err = h.Filings.Hospitals(ctx, tx, a.Person, h.Today()); err != nil {
		return d, err
	}
	if d.Eligible, err = h.Filings.Eligible(ctx, tx, a.Region, v.URL.Query().Get("hospital")); err != nil {
		return d, err
	}
	d.Many = len(d.Eligible) == filing.MaxEligible || v.URL.Query().Get("hospital") != ""
	for _, c := range a.Details.Disease.Hospitals {
		if !slices.ContainsFunc(d.Eligible, func(p provider.Provider) bool { return p.Code == c.Code }) {
			d.Eligible = append(d.Eligible, provider.Provider{Code: c.Code, Name: c.Name})
		}
	}
	return d, nil
}

func (h *handler) submitRecognition(v *web.Visit) error {
	a, err := h.ownFiling(v)
	if err != nil {
		return err
	}
	if err := v.ParseForm(); err != nil {
		return err
	}
	said := v.Say("已保存，还没有提交。", "Saved, not submitted yet.")
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		if v.PostForm.Has("hospital") {
			if _, err := h.Filings.Prepare(ctx, tx, a.ID, a.Person, filing.Evidence{Hospitals: append([]string{}, v.PostForm["hospital"]...)}, v.Who.Actor()); err != nil {
				return err
			}
		}
		if v.Value("do") == "save" {
			return nil
		}
		files, err := h.Filings.Papers(ctx, tx, a)
		if err != nil {
			return err
		}
		if missing := lacking(h.Filings.Asked(a), a, files); len(missing) > 0 {
			return &web.Fault{Field: "file", Want: v.Say("还缺："+strings.Join(missing, "、"), "papers are missing: "+strings.Join(missing, ", "))}
		}
		done, err := h.Filings.Submit(ctx, tx, filing.Submission{ID: a.ID, Person: a.Person, Channel: filing.Online, Actor: v.Who.Actor()})
		if err == nil {
			said = v.Say("已提交，"+done.State.Progress()+"。", "Submitted.")
		}
		return err
	}); err != nil {
		return err
	}
	return v.Done("/me/filings/"+a.ID, said)
}

// lacking are the papers that are asked for and neither seen at a counter nor
// handed in.
func lacking(asked []string, a *filing.Application, files []paper.File) []string {
	var there []string
	if x := a.Details.Disease; x != nil {
		there = append(there, x.Papers...)
	}
	if x := a.Details.Away; x != nil {
		there = append(there, x.Papers...)
	}
	for _, f := range files {
		there = append(there, f.Label)
	}
	return filing.Missing(asked, there)
}

// handIn keeps papers with an application.
func (h *handler) handIn(v *web.Visit) error {
	a, err := h.ownFiling(v)
	if err != nil {
		return err
	}
	all, err := h.sheets(v, "file")
	if err != nil {
		return err
	}
	label := v.Value("label")
	for i := range all {
		all[i].Label = label
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		_, err := h.Filings.HandIn(ctx, tx, a.ID, a.Person, all, v.Who.Actor())
		return err
	}); err != nil {
		return err
	}
	return v.Done("/me/filings/"+a.ID, v.Say("已上传"+label+"。", "Uploaded."))
}

// sheets reads the papers of a form's field, and makes them safe.
func (h *handler) sheets(v *web.Visit, field string) (out []filing.Sheet, err error) {
	files, err := web.Uploads(v, field, paper.MaxSize)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		clean, err := h.Cleaner.Clean(v.Ctx(), f.Body)
		if err != nil {
			return nil, err
		}
		out = append(out, filing.Sheet{Name: f.Name, Clean: clean})
	}
	return out, nil
}

func (h *handler) takeBack(v *web.Visit) error {
	a, err := h.ownFiling(v)
	if err != nil {
		return err
	}
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		return h.Filings.TakeBack(ctx, tx, a.ID, a.Person, v.PathValue("paper"), v.Who.Actor())
	}); err != nil {
		return err
	}
	return v.Done("/me/filings/"+a.ID, v.Say("已撤回这份材料。", "Taken back."))
}

// filingPaper shows a paper of an application.
func (h *handler) filingPaper(v *web.Visit) error {
	a, err := h.ownFiling(v)
	if err != nil {
		return err
	}
	var f paper.File
	var body []byte
	if err := h.Read(v, func(ctx context.Context, tx *db.Tx) error {
		found, ok, err := h.Filings.Paper(ctx, tx, a, v.PathValue("paper"))
		if err == nil && !ok {
			err = web.ErrNotFound
		}
		if err != nil {
			return err
		}
		f = found
		body, err = h.Filings.Content(ctx, tx, f)
		return err
	}); err != nil {
		return err
	}
	if f.Picture() {
		return v.Inline(f.Kind, body)
	}
	return v.Attach(f.Label+".pdf", f.Kind, body)
}

type hospitalsData struct {
	Rules    *policy.SpecialDiseases
	Why      string
	Held     []filing.Chosen
	Eligible []provider.Provider
	Many     bool
	Diseases []held
}

// hospitals shows which hospitals are chosen, and changes them.
func (h *handler) hospitals(v *web.Visit) (err error) {
	var d hospitalsData
	if d.Rules, d.Why, err = h.diseases(v); err != nil {
		return err
	}
	switch {
	case d.Rules == nil:
	case d.Rules.Hospitals == 0:
		d.Why = v.Say("本地不限定门诊慢特病的定点医疗机构，任一定点医疗机构都按慢特病待遇结算。", "Here the care is tied to no hospital.")
	default:
		err = h.Read(v, func(ctx context.Context, tx *db.Tx) error {
			var err error
			if d.Diseases, err = h.heldDiseases(ctx, tx, &v.Who.Acting, d.Rules); err != nil {
				return err
			}
			if d.Held, err = h.Filings.Hospitals(ctx, tx, v.Who.Acting.ID, h.Today()); err != nil {
				return err
			}
			d.Eligible, err = h.Filings.Eligible(ctx, tx, v.Who.Acting.Region, v.URL.Query().Get("hospital"))
			d.Many = len(d.Eligible) == filing.MaxEligible || v.URL.Query().Get("hospital") != ""
			return err
		})
		if len(d.Diseases) == 0 {
			d.Why = v.Say("还没有认定的门诊慢特病。先申请认定，申请时一起选定点医疗机构。", "No disease is recognised yet.")
		}
	}
	if err != nil {
		return err
	}
	return v.Show("hospitals.html", v.Say("慢特病定点医疗机构", "Chosen hospitals"), d)
}

func (h *handler) changeHospital(v *web.Visit) error {
	if err := h.Write(v, func(ctx context.Context, tx *db.Tx) error {
		_, err := h.Filings.ChangeHospital(ctx, tx, filing.HospitalChange{Person: v.Who.Acting.ID, Old: v.Value("old"), New: v.Value("new"), Channel: filing.Online, Actor: v.Who.Actor()})
		return err
	}); err != nil {
		return err
	}
	return v.Done("/me/filings/hospitals", v.Say("已变更，今天起生效。", "Changed from today."))
}
