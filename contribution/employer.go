package contribution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// Employer is who employs people and pays with them (用人单位).
type Employer struct {
	Code   string // 统一社会信用代码
	Name   string
	Region string // where it pays (参保地)
}

// AddEmployer registers an employer (单位参保登记), or its other name.
func (s *Service) AddEmployer(ctx context.Context, tx *db.Tx, e Employer, actor string) error {
	if _, err := ident.ParseCreditCode(e.Code); err != nil {
		return &Error{"employer", e.Code, err.Error()}
	}
	if e.Name = strings.TrimSpace(e.Name); e.Name == "" {
		return &Error{"name", "", "须写明单位名称"}
	}
	if _, err := s.store.At(e.Region, dayOf(s.now())); err != nil {
		return &Error{"region", e.Region, "没有这个统筹区现行的政策包"}
	}
	before, ok, err := GetEmployer(ctx, tx, e.Code)
	if err != nil {
		return err
	}
	if ok && before.Region != e.Region {
		return &Error{"region", e.Region, "已在 " + before.Region + " 登记"}
	}
	if err := tx.Exec(ctx, `INSERT INTO employer (code, name, region, at) VALUES (?, ?, ?, ?) ON CONFLICT (code) DO UPDATE SET name = excluded.name`,
		e.Code, e.Name, e.Region, clock(s.now())); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: actor, Action: "employer.register", Subject: e.Code})
}

// GetEmployer finds an employer.
func GetEmployer(ctx context.Context, tx *db.Tx, code string) (e Employer, ok bool, err error) {
	err = tx.QueryRow(ctx, `SELECT code, name, region FROM employer WHERE code = ?`, code).Scan(&e.Code, &e.Name, &e.Region)
	if db.IsNotFound(err) {
		return e, false, nil
	}
	return e, err == nil, err
}

// Job is one time at an employer.
type Job struct {
	Person, Employer string
	From, To         civil.Date // To 0: open
	Wage             money.Fen  // declared monthly wage (申报工资)
}

// Staff lists who works at an employer on a day (职工名册), in order of their
// person numbers.
func Staff(ctx context.Context, tx *db.Tx, employer string, day civil.Date) ([]Job, error) {
	return jobs(ctx, tx, `employer = ? AND from_day <= ? AND (to_day = 0 OR to_day >= ?)`, employer, int(day), int(day))
}

// Jobs lists a person's times at employers, oldest first.
func Jobs(ctx context.Context, tx *db.Tx, person string) ([]Job, error) {
	return jobs(ctx, tx, `person = ?`, person)
}

func jobs(ctx context.Context, tx *db.Tx, where string, args ...any) ([]Job, error) {
	var out []Job
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var j Job
		err := rows.Scan(&j.Person, &j.Employer, &j.From, &j.To, &j.Wage)
		out = append(out, j)
		return err
	}, `SELECT person, employer, from_day, to_day, wage FROM job WHERE `+where+` ORDER BY person, from_day`, args...)
	return out, err
}

// Change is what a declared row changes of the staff (变动).
type Change string

// The changes.
const (
	Stays  Change = ""  // 在职
	Joins  Change = "增" // 新增: from this month on
	Leaves Change = "减" // 减员: not paid for from this month on
)

// Declared is a row of a declaration.
type Declared struct {
	N         int    `json:"-"` // of a file its row; 0: its place, from 1
	Name      string `json:"name"`
	CitizenID string `json:"id"`
	Wage      string `json:"wage"` // monthly, in yuan
	Change    Change `json:"change"`
	Phone     string `json:"phone"` // of who joins; may be ""

	Fault  string `json:"-"` // what is wrong with it, in Chinese; "" nothing
	Person string `json:"-"` // person number, once it is confirmed
	Parts  []Part `json:"-"` // what is due; none of who leaves

	wage  money.Fen
	found *enrolment.Person
	job   *Job // at this employer
}

// DeclarationState is where a declaration stands.
type DeclarationState uint8

// The states.
const (
	Draft       DeclarationState = iota // 待确认
	Confirmed                           // 待缴
	DuePaid                             // 已缴
	DueCanceled                         // 已撤销
)

var declarationTitles = [...]string{"待确认", "待缴", "已缴", "已撤销"}

// Title is the state in Chinese.
func (s DeclarationState) Title() string { return declarationTitles[s] }

// Declaration is what an employer declares for a month (缴费申报).
type Declaration struct {
	ID       string
	Employer string
	Region   string
	Month    civil.Date // its first day
	State    DeclarationState
	Due      civil.Date // last day on which it is paid in time
	Unit     money.Fen  // the employer's part
	Personal money.Fen  // the staff's
	Late     money.Fen  // late fee that was paid (滞纳金)
	Package  string
	PaidAt   time.Time
	Why      string
	Rows     []Declared
}

// Faulty are the rows that something is wrong with.
func (d *Declaration) Faulty() (out []Declared) {
	for _, r := range d.Rows {
		if r.Fault != "" {
			out = append(out, r)
		}
	}
	return out
}

// maxDeclared bounds one declaration.
const maxDeclared = 50_000

// Declare takes what an employer declares for a month. Nothing is due yet: good
// and bad rows are kept as a draft until every row is good and the whole is
// confirmed. It takes the place of an earlier draft.
func (s *Service) Declare(ctx context.Context, tx *db.Tx, employer string, month civil.Date, rows []Declared, actor string) (*Declaration, error) {
	d, err := s.fresh(ctx, tx, employer, month)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || len(rows) > maxDeclared {
		return nil, &Error{"rows", fmt.Sprint(len(rows)), fmt.Sprintf("应有 1 至 %d 行", maxDeclared)}
	}
	for i, r := range rows {
		if r.N == 0 {
			r.N = i + 1
		}
		d.Rows = append(d.Rows, Declared{N: r.N, Name: strings.TrimSpace(r.Name), CitizenID: strings.ToUpper(strings.TrimSpace(r.CitizenID)),
			Wage: strings.TrimSpace(r.Wage), Change: Change(strings.TrimSpace(string(r.Change))), Phone: strings.TrimSpace(r.Phone)})
	}
	var old string
	err = tx.QueryRow(ctx, `SELECT id FROM declaration WHERE employer = ? AND month = ? AND state = 0`, employer, int(d.Month)).Scan(&old)
	if err == nil {
		d.ID = old
	} else if !db.IsNotFound(err) {
		return nil, err
	}
	if err := s.check(ctx, tx, d); err != nil {
		return nil, err
	}
	return d, s.keep(ctx, tx, d, actor)
}

// fresh is an empty draft of an employer's month.
func (s *Service) fresh(ctx context.Context, tx *db.Tx, employer string, month civil.Date) (*Declaration, error) {
	if err := tx.Lock(ctx, "employer:"+employer); err != nil {
		return nil, err
	}
	e, ok, err := GetEmployer(ctx, tx, employer)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &Error{"employer", employer, "没有登记这个单位"}
	}
	if !month.Valid() {
		return nil, &Error{"month", "", "应为申报的月份"}
	}
	first := civil.New(month.Year(), month.Month(), 1)
	if today := dayOf(s.now()); first > today.AddMonths(1) {
		return nil, &Error{"month", first.String()[:7], "至多提前一个月申报"}
	}
	pkg, err := s.store.At(e.Region, first)
	if err != nil {
		return nil, inputError(err)
	}
	if pkg.DueDay() == 0 {
		return nil, &Error{"employer", employer, pkg.Name + "的政策包没有规定单位申报缴费"}
	}
	return &Declaration{ID: "D" + newID()[1:], Employer: employer, Region: e.Region, Month: first,
		Due: first.AddDays(pkg.DueDay() - 1), Package: pkg.From.String() + " " + pkg.Version}, nil
}

// Correct puts rows in the place of those of a draft with the same numbers; a
// number after the last adds one.
func (s *Service) Correct(ctx context.Context, tx *db.Tx, id string, rows []Declared, actor string) (*Declaration, error) {
	d, err := s.holdDeclaration(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if d.State != Draft {
		return nil, &Error{"declaration", id, "已是「" + d.State.Title() + "」，不能再改"}
	}
	all := slices.DeleteFunc(d.Rows, func(r Declared) bool { return r.Name == "" && r.CitizenID == "" })
	for _, r := range rows {
		i := slices.IndexFunc(all, func(o Declared) bool { return o.N == r.N })
		if i < 0 {
			all = append(all, r)
		} else {
			all[i] = r
		}
	}
	return s.Declare(ctx, tx, d.Employer, d.Month, all, actor)
}

// check says of every row what is wrong with it, and what is due for it; and
// adds a row for everybody on the staff who is not in the declaration.
func (s *Service) check(ctx context.Context, tx *db.Tx, d *Declaration) error {
	d.Unit, d.Personal = 0, 0
	first, last := d.Month, d.Month.AddMonths(1).AddDays(-1)
	d.Rows = slices.DeleteFunc(d.Rows, func(r Declared) bool { return r.Name == "" && r.CitizenID == "" && r.Person != "" })
	digests := make([]string, len(d.Rows))
	seen := map[string]int{}
	for i := range d.Rows {
		r := &d.Rows[i]
		r.Fault, r.Parts, r.Person = "", nil, ""
		r.rowFaults(seen)
		digests[i] = s.register.Digest(r.CitizenID)
	}
	known, err := s.register.Known(ctx, tx, digests)
	if err != nil {
		return err
	}
	var people []string
	for _, p := range known {
		people = append(people, p.ID)
	}
	slices.Sort(people)
	spells, err := enrolment.InsurancesOf(ctx, tx, people)
	if err != nil {
		return err
	}
	staff, err := Staff(ctx, tx, d.Employer, first)
	if err != nil {
		return err
	}
	here := map[string]*Job{}
	for i := range staff {
		here[staff[i].Person] = &staff[i]
	}
	elsewhere, err := s.elsewhere(ctx, tx, d.Employer, people)
	if err != nil {
		return err
	}
	declared, err := s.declaredBefore(ctx, tx, d)
	if err != nil {
		return err
	}
	named := map[string]bool{}
	for i := range d.Rows {
		r := &d.Rows[i]
		if p, ok := known[digests[i]]; ok {
			r.found, r.job = &p, here[p.ID]
			named[p.ID] = true
		}
		if r.Fault == "" {
			r.Fault = r.personFault(d, spells, elsewhere, declared)
		}
		if r.Fault != "" || r.Change == Leaves {
			continue
		}
		if err := s.assessRow(ctx, tx, d, r, spells, last); err != nil {
			var e *Error
			if !errors.As(err, &e) {
				return err
			}
			r.Fault = e.Error()
			continue
		}
		for _, p := range r.Parts {
			if p.Payer == "person" {
				d.Personal += p.Amount
			} else {
				d.Unit += p.Amount
			}
		}
	}
	for _, j := range staff {
		if named[j.Person] || declared[j.Person] {
			continue
		}
		d.Rows = append(d.Rows, Declared{N: d.Rows[len(d.Rows)-1].N + 1, Person: j.Person, Fault: "名册中的职工 " + j.Person + " 没有申报：请补申报，或在变动列填“减”"})
	}
	return nil
}

// rowFaults finds what is wrong with a row by itself.
func (r *Declared) rowFaults(seen map[string]int) {
	if r.Name == "" {
		r.Fault = "姓名为空"
		return
	}
	id, err := ident.ParseCitizenID(r.CitizenID)
	if err != nil {
		r.Fault = err.Error()
		return
	}
	if n := seen[string(id)]; n > 0 {
		r.Fault = fmt.Sprintf("公民身份号码与第 %d 行相同", n)
		return
	}
	seen[string(id)] = r.N
	if r.Change != Stays && r.Change != Joins && r.Change != Leaves {
		r.Fault = "变动“" + clip(string(r.Change)) + "”应为空、增或减"
		return
	}
	if r.Change == Leaves {
		return
	}
	wage, err := money.Parse(r.Wage)
	if err != nil || wage <= 0 || wage > maxWage {
		r.Fault = "月工资“" + clip(r.Wage) + "”应为大于零的金额，单位元，至多两位小数"
		return
	}
	r.wage = wage
	if p := r.Phone; p != "" && (len(p) != 11 || p[0] != '1' || strings.Trim(p, "0123456789") != "") {
		r.Fault = "手机号应为 11 位"
	}
}

// maxWage is more than any monthly wage, in fen: a larger one is a slip.
const maxWage = 10_000_000_00

func clip(s string) string {
	if r := []rune(s); len(r) > 12 {
		return string(r[:12]) + "…"
	}
	return s
}

// personFault finds what is wrong with a row by what the registers hold.
func (r *Declared) personFault(d *Declaration, spells map[string][]enrolment.Insurance, elsewhere map[string]Job, declared map[string]bool) string {
	p := r.found
	switch {
	case p == nil && r.Change == Joins:
		return ""
	case p == nil || r.job == nil && r.Change != Joins:
		return "不在本单位名册；新增人员请在变动列填“增”"
	case p.Name != r.Name:
		return "姓名与登记的不符"
	case p.Region != d.Region:
		return "参保地为 " + p.Region + "，请先办理关系转移"
	case declared[p.ID]:
		return "本月已申报过"
	case r.job != nil && r.Change == Joins:
		return "已在本单位名册（自 " + r.job.From.String() + " 起）"
	case r.Change == Leaves:
		return ""
	}
	if j, ok := elsewhere[p.ID]; ok && (j.To == 0 || j.To >= d.Month) {
		return "在其他单位参保（自 " + j.From.String() + " 起），请原单位先申报减员"
	}
	for _, i := range spells[p.ID] {
		switch {
		case i.Status == policy.Deceased:
			return "已于 " + i.From.AddDays(-1).String() + " 死亡"
		case i.Scheme == policy.Employee && i.Retired && (i.To == 0 || i.To >= d.Month):
			return "已退休，不再缴费"
		}
	}
	return ""
}

// elsewhere are the open or last jobs of the people at other employers.
func (s *Service) elsewhere(ctx context.Context, tx *db.Tx, employer string, people []string) (map[string]Job, error) {
	out := map[string]Job{}
	for part := range slices.Chunk(people, 250) {
		args := make([]any, 251)
		args[0] = employer
		for i := range 250 {
			args[i+1] = part[min(i, len(part)-1)]
		}
		all, err := jobs(ctx, tx, `employer <> ? AND person IN (?`+strings.Repeat(`, ?`, 249)+`)`, args...)
		if err != nil {
			return nil, err
		}
		for _, j := range all {
			out[j.Person] = j // the last
		}
	}
	return out, nil
}

// declaredBefore are the people whom another declaration of the month has.
func (s *Service) declaredBefore(ctx context.Context, tx *db.Tx, d *Declaration) (map[string]bool, error) {
	out := map[string]bool{}
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var person string
		err := rows.Scan(&person)
		out[person] = true
		return err
	}, `SELECT r.person FROM declared r JOIN declaration d ON d.id = r.declaration WHERE d.employer = ? AND d.month = ? AND r.live = 1 AND d.id <> ?`, d.Employer, int(d.Month), d.ID)
	return out, err
}

// assessRow says what is due for a row.
func (s *Service) assessRow(ctx context.Context, tx *db.Tx, d *Declaration, r *Declared, spells map[string][]enrolment.Insurance, last civil.Date) error {
	id := ident.CitizenID(r.CitizenID)
	who := enrolment.Person{Region: d.Region, Birth: id.Birth(), Female: id.Female()}
	var all []enrolment.Insurance
	if r.found != nil {
		who.ID, all = r.found.ID, spells[r.found.ID]
	}
	b := &Bill{Person: who.ID, Region: d.Region, Scheme: policy.Employee, Kind: Employed, From: d.Month, To: last}
	c, pkg, err := s.caseOf(ctx, tx, who, all, b, d.Month)
	if err != nil {
		return err
	}
	if !pkg.SetFact(c, "wage", int64(r.wage)) {
		return fmt.Errorf("package %s of %s has no fact wage", pkg.Version, pkg.Region)
	}
	items, err := s.store.Assess(policy.Contribution, c)
	if err != nil {
		return inputError(err)
	}
	for _, a := range items {
		switch {
		case a.Period != "month":
			continue
		case a.Unknown != "":
			return &Error{"wage", r.Wage, a.Title + "：" + a.Unknown}
		case a.Payer != "person" && a.Payer != "employer":
			return &Error{"wage", r.Wage, a.Title + "：不由单位和个人负担"}
		case a.Amount > 0:
			r.Parts = append(r.Parts, partOf(a))
		}
	}
	if len(r.Parts) == 0 {
		return &Error{"wage", r.Wage, "本统筹区没有单位职工的缴费标准"}
	}
	return nil
}

// partOf is an assessed share as it is kept.
func partOf(a policy.Assessed) Part {
	p := Part{ID: a.ID, Title: a.Title, Payer: a.Payer, Amount: a.Amount, Formula: a.Formula}
	if a.Fund != nil {
		p.Fund = a.Fund.ID
	}
	if len(a.Sources) > 0 {
		p.Source = a.Sources[0].Document.Cite + " " + a.Sources[0].Article
	}
	return p
}

const sealDeclared = "contribution.declared"

// keep writes a draft with its rows.
func (s *Service) keep(ctx context.Context, tx *db.Tx, d *Declaration, actor string) error {
	if err := tx.Exec(ctx, `INSERT INTO declaration (id, n, employer, region, month, state, due_day, unit, personal, late, package, made_at, made_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET unit = excluded.unit, personal = excluded.personal, package = excluded.package, made_at = excluded.made_at, made_by = excluded.made_by`,
		d.ID, db.NextID(), d.Employer, d.Region, int(d.Month), d.State, int(d.Due), int64(d.Unit), int64(d.Personal), d.Package, clock(s.now()), actor); err != nil {
		return err
	}
	if err := tx.Exec(ctx, `DELETE FROM declared WHERE declaration = ?`, d.ID); err != nil {
		return err
	}
	rows := make([][]any, len(d.Rows))
	for i := range d.Rows {
		r := &d.Rows[i]
		raw, err := json.Marshal(map[string]string{"name": r.Name, "id": r.CitizenID, "wage": r.Wage, "change": string(r.Change), "phone": r.Phone})
		if err != nil {
			return err
		}
		parts, err := json.Marshal(r.Parts)
		if err != nil {
			return err
		}
		live := d.State == Confirmed && r.Change != Leaves
		rows[i] = []any{d.ID, r.N, s.register.Sealer().Seal(sealDeclared, string(raw)), r.Fault, r.Person, int(d.Month), string(parts), live}
	}
	return tx.Insert(ctx, "declared (declaration, n, raw, fault, person, month, parts, live)", rows)
}

// Confirm confirms a draft whose rows are all good: who joins is registered and
// on the staff, who leaves is not, and the sum is due (申报确认). A draft with a
// bad row is refused.
func (s *Service) Confirm(ctx context.Context, tx *db.Tx, id, actor string) (*Declaration, error) {
	d, err := s.holdDeclaration(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if d.State != Draft {
		return nil, &Error{"declaration", id, "已是「" + d.State.Title() + "」"}
	}
	if err := s.check(ctx, tx, d); err != nil { // the registers may have changed since
		return nil, err
	}
	if bad := d.Faulty(); len(bad) > 0 {
		return nil, &Error{"declaration", id, fmt.Sprintf("还有 %d 行有误，第 %d 行：%s", len(bad), bad[0].N, bad[0].Fault)}
	}
	var fresh []enrolment.Entry
	for i := range d.Rows {
		r := &d.Rows[i]
		if r.found == nil {
			c := ident.CitizenID(r.CitizenID)
			e := s.register.Ready(enrolment.Person{Name: r.Name, CitizenID: r.CitizenID, Birth: c.Birth(), Female: c.Female(), Region: d.Region, Phone: r.Phone})
			fresh = append(fresh, e)
			r.Person = e.ID
		} else {
			r.Person = r.found.ID
		}
	}
	if err := s.register.AddAll(ctx, tx, fresh); err != nil {
		return nil, err
	}
	ordered := make([]*Declared, len(d.Rows))
	for i := range d.Rows {
		ordered[i] = &d.Rows[i]
	}
	slices.SortFunc(ordered, func(a, b *Declared) int { return strings.Compare(a.Person, b.Person) })
	for _, r := range ordered {
		if err := s.register.ExpectAlone(ctx, tx, r.Person); err != nil {
			return nil, err
		}
		if err := s.employ(ctx, tx, d, r); err != nil {
			return nil, err
		}
	}
	d.State = Confirmed
	if err := s.keep(ctx, tx, d, actor); err != nil {
		return nil, err
	}
	if err := tx.Exec(ctx, `UPDATE declaration SET state = ? WHERE id = ?`, d.State, d.ID); err != nil {
		return nil, err
	}
	return d, s.recordEmployer(ctx, tx, d, "confirm", actor)
}

func (s *Service) recordEmployer(ctx context.Context, tx *db.Tx, d *Declaration, action, actor string) error {
	return audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: actor, Chain: "employer:" + d.Employer, Action: "declaration." + action, Subject: d.ID,
		Details: map[string]string{"month": d.Month.String()[:7], "unit": d.Unit.String(), "personal": d.Personal.String(), "late": d.Late.String()}})
}

// employ writes what a row changes of the staff.
func (s *Service) employ(ctx context.Context, tx *db.Tx, d *Declaration, r *Declared) error {
	switch r.Change {
	case Joins:
		return tx.Exec(ctx, `INSERT INTO job (person, employer, from_day, to_day, wage) VALUES (?, ?, ?, 0, ?)
			ON CONFLICT (person, from_day) DO UPDATE SET employer = excluded.employer, to_day = 0, wage = excluded.wage`, r.Person, d.Employer, int(d.Month), int64(r.wage))
	case Stays:
		return tx.Exec(ctx, `UPDATE job SET wage = ? WHERE person = ? AND from_day = ?`, int64(r.wage), r.Person, int(r.job.From))
	}
	last := d.Month.AddDays(-1)
	var err error
	if r.job.From > last {
		err = tx.Exec(ctx, `DELETE FROM job WHERE person = ? AND from_day = ?`, r.Person, int(r.job.From))
	} else {
		err = tx.Exec(ctx, `UPDATE job SET to_day = ? WHERE person = ? AND from_day = ?`, int(last), r.Person, int(r.job.From))
	}
	if err != nil {
		return err
	}
	// Nothing is paid from this month on: benefits stand still from it
	// (停缴次月暂停).
	all, err := enrolment.Timeline(ctx, tx, r.Person)
	if err != nil {
		return err
	}
	for _, i := range all {
		if i.Scheme == policy.Employee && i.Status != policy.Suspended && (i.To == 0 || i.To > last) {
			return enrolment.Change(ctx, tx, r.Person, enrolment.Insurance{Scheme: policy.Employee, From: max(d.Month, i.From), Status: policy.Suspended, Reason: "单位减员停保"})
		}
	}
	return nil
}

// holdDeclaration holds the employer of a declaration, and reads it whole.
func (s *Service) holdDeclaration(ctx context.Context, tx *db.Tx, id string) (*Declaration, error) {
	var employer string
	err := tx.QueryRow(ctx, `SELECT employer FROM declaration WHERE id = ?`, id).Scan(&employer)
	if db.IsNotFound(err) {
		return nil, &Error{"declaration", id, "没有这份申报"}
	}
	if err != nil {
		return nil, err
	}
	if err := tx.Lock(ctx, "employer:"+employer); err != nil {
		return nil, err
	}
	return s.Declaration(ctx, tx, id)
}

// Declaration reads a declaration with its rows.
func (s *Service) Declaration(ctx context.Context, tx *db.Tx, id string) (*Declaration, error) {
	all, err := s.declarations(ctx, tx, `id = ?`, id)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, &Error{"declaration", id, "没有这份申报"}
	}
	d := &all[0]
	return d, tx.Each(ctx, func(rows *db.Rows) error {
		var r Declared
		var raw []byte
		var parts string
		if err := rows.Scan(&r.N, &raw, &r.Fault, &r.Person, &parts); err != nil {
			return err
		}
		text, err := s.register.Sealer().Open(sealDeclared, raw)
		if err != nil {
			return fmt.Errorf("declaration %s row %d: %w", id, r.N, err)
		}
		if err := errors.Join(json.Unmarshal([]byte(text), &r), json.Unmarshal([]byte(parts), &r.Parts)); err != nil {
			return fmt.Errorf("declaration %s row %d: %w", id, r.N, err)
		}
		d.Rows = append(d.Rows, r)
		return nil
	}, `SELECT n, raw, fault, person, parts FROM declared WHERE declaration = ? ORDER BY n`, id)
}

// Declarations lists an employer's, the newest month first, without their rows.
func (s *Service) Declarations(ctx context.Context, tx *db.Tx, employer string) ([]Declaration, error) {
	return s.declarations(ctx, tx, `employer = ?`, employer)
}

func (s *Service) declarations(ctx context.Context, tx *db.Tx, where string, args ...any) ([]Declaration, error) {
	var out []Declaration
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var d Declaration
		var paid string
		err := rows.Scan(&d.ID, &d.Employer, &d.Region, &d.Month, &d.State, &d.Due, &d.Unit, &d.Personal, &d.Late, &d.Package, &paid, &d.Why)
		if err == nil && paid != "" {
			d.PaidAt, err = time.Parse(time.RFC3339Nano, paid)
		}
		out = append(out, d)
		return err
	}, `SELECT id, employer, region, month, state, due_day, unit, personal, late, package, paid_at, why FROM declaration WHERE `+where+` ORDER BY month DESC, n DESC`, args...)
	return out, err
}

// CancelDeclaration takes a confirmed declaration back that is not paid
// (撤销申报). What it changed of the staff stays.
func (s *Service) CancelDeclaration(ctx context.Context, tx *db.Tx, id, why, actor string) error {
	if why == "" {
		return &Error{"why", "", "须写明撤销原因"}
	}
	d, err := s.holdDeclaration(ctx, tx, id)
	if err != nil {
		return err
	}
	if d.State != Confirmed && d.State != Draft {
		return &Error{"declaration", id, "已是「" + d.State.Title() + "」，不能撤销"}
	}
	if err := errors.Join(
		tx.Exec(ctx, `UPDATE declaration SET state = ?, why = ? WHERE id = ?`, DueCanceled, why, id),
		tx.Exec(ctx, `UPDATE declared SET live = 0 WHERE declaration = ?`, id)); err != nil {
		return err
	}
	return s.recordEmployer(ctx, tx, d, "cancel", actor)
}

// LateFee is what an employer pays more if it pays on a day (滞纳金), and why.
func (s *Service) LateFee(d *Declaration, day civil.Date) (fee money.Fen, part *Part, err error) {
	late := day.DaysSince(d.Due)
	if late <= 0 {
		return 0, nil, nil
	}
	pkg, err := s.store.At(d.Region, day)
	if err != nil {
		return 0, nil, inputError(err)
	}
	c := &policy.Case{Region: d.Region, Date: day, Scheme: policy.Employee}
	pkg.SetFact(c, "arrears", int64(d.Unit+d.Personal))
	pkg.SetFact(c, "late_days", int64(late))
	items, err := s.store.Assess(policy.LateFee, c)
	if err != nil {
		return 0, nil, inputError(err)
	}
	for _, a := range items {
		if a.Unknown != "" {
			return 0, nil, &Error{"declaration", d.ID, a.Title + "：" + a.Unknown}
		}
		if a.Amount > 0 {
			p := partOf(a)
			return a.Amount, &p, nil
		}
	}
	return 0, nil, nil
}

// PayDeclaration takes a payment for a declaration, as Pay does for a bill: what
// is due on the day it came in, the late fee included, or it is held to be paid
// back. The employer's part goes to the funds, the staff's to where the package
// says, their own accounts as a rule.
func (s *Service) PayDeclaration(ctx context.Context, tx *db.Tx, n Notice) (*Payment, error) {
	if err := s.goodNotice(n); err != nil {
		return nil, err
	}
	d, err := s.holdDeclaration(ctx, tx, n.Bill)
	if err != nil {
		return nil, err
	}
	if before, err := s.before(ctx, tx, n); before != nil || err != nil {
		return before, err
	}
	day := dayOf(n.At)
	fee, part, err := s.LateFee(d, day)
	if err != nil {
		return nil, err
	}
	due := d.Unit + d.Personal + fee
	p := &Payment{Notice: n, State: Holding}
	switch {
	case d.State == DuePaid:
		p.Note = "重复缴费：已于 " + dayOf(d.PaidAt).String() + " 缴清"
	case d.State != Confirmed:
		p.Note = "这份申报" + d.State.Title() + "：" + d.Why
	case n.Amount != due:
		p.Note = "金额不符：" + day.String() + " 应缴 " + due.String() + " 元"
		if fee > 0 {
			p.Note += "（其中滞纳金 " + fee.String() + " 元）"
		}
	default:
		d.Late = fee
		if err := s.applyDeclaration(ctx, tx, d, part, n); err != nil {
			return nil, err
		}
		p.State, p.Note = Applied, d.Why
	}
	if err := s.keepPayment(ctx, tx, p, d.Region); err != nil || p.State == Applied {
		return p, err
	}
	return p, s.recordEmployer(ctx, tx, d, "held", n.Actor)
}

// declarationPostings are what a paid declaration moves.
func declarationPostings(d *Declaration, late *Part) []fund.Posting {
	funds := map[string]money.Fen{}
	var out []fund.Posting
	for _, r := range d.Rows {
		for _, p := range r.Parts {
			if p.Fund == "" {
				out = append(out, fund.Posting{Account: fund.PersonAccount(r.Person), Amount: p.Amount})
			} else {
				funds[p.Fund] += p.Amount
			}
		}
	}
	if late != nil {
		funds[late.Fund] += late.Amount
	}
	for _, id := range slices.Sorted(maps.Keys(funds)) {
		out = append(out, fund.Posting{Account: fund.FundAccount(d.Region, id), Amount: funds[id]})
	}
	return append(out, fund.Posting{Account: fund.Bank(d.Region), Amount: -(d.Unit + d.Personal + d.Late)})
}

func (s *Service) applyDeclaration(ctx context.Context, tx *db.Tx, d *Declaration, late *Part, n Notice) error {
	if d.Late > 0 && (late == nil || late.Fund == "") {
		return fmt.Errorf("declaration %s: the late fee goes to no fund", d.ID)
	}
	var people []string
	for _, r := range d.Rows {
		if r.Change != Leaves {
			people = append(people, r.Person)
		}
	}
	slices.Sort(people)
	for _, person := range people {
		if err := s.register.ExpectAlone(ctx, tx, person); err != nil {
			return err
		}
	}
	if err := fund.Post(ctx, tx, fund.Entry{At: s.now(), Kind: "contribution", Ref: d.ID, Postings: declarationPostings(d, late)}); err != nil {
		return err
	}
	d.State, d.PaidAt, d.Why = DuePaid, n.At, "已缴清"
	if d.Late > 0 {
		d.Why += "，含滞纳金 " + d.Late.String() + " 元（" + late.Formula + "；" + late.Source + "）"
	}
	if err := tx.Exec(ctx, `UPDATE declaration SET state = ?, paid_at = ?, late = ?, why = ? WHERE id = ?`, d.State, clock(n.At), int64(d.Late), d.Why, d.ID); err != nil {
		return err
	}
	for _, person := range people {
		if err := s.insureEmployed(ctx, tx, d, person, dayOf(n.At)); err != nil {
			return err
		}
	}
	return s.recordEmployer(ctx, tx, d, "paid", n.Actor)
}

// insureEmployed writes what a paid month means for an employee's insurance. It
// stays open while they are employed; who was in arrears is insured again once
// nothing that is overdue is left.
func (s *Service) insureEmployed(ctx context.Context, tx *db.Tx, d *Declaration, person string, day civil.Date) error {
	who, all, err := s.look(ctx, tx, person)
	if err != nil {
		return err
	}
	var last *enrolment.Insurance
	for i := range all {
		if all[i].Scheme == policy.Employee && (last == nil || all[i].From >= last.From) {
			last = &all[i]
		}
	}
	switch {
	case last == nil:
	case last.Status == policy.Normal && last.To == 0, last.Status == policy.Deceased:
		return nil
	case last.Status == policy.Normal && last.To >= d.Month.AddDays(-1):
		return enrolment.ExtendInsurance(ctx, tx, person, policy.Employee, last.From, 0)
	case last.Status == policy.Arrears:
		var unpaid int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM declared r JOIN declaration d ON d.id = r.declaration WHERE r.person = ? AND r.live = 1 AND d.state = ? AND d.due_day < ?`,
			person, Confirmed, int(day)).Scan(&unpaid); err != nil || unpaid > 0 {
			return err
		}
	}
	b := &Bill{Person: person, Region: d.Region, Scheme: policy.Employee, Kind: Employed, From: d.Month, To: d.Month.AddMonths(1).AddDays(-1)}
	start, err := s.starts(ctx, tx, who, all, b, day, 0)
	if err != nil {
		return err
	}
	i := enrolment.Insurance{Scheme: policy.Employee, From: d.Month, BenefitsFrom: start.From, Reason: "单位参保"}
	if last != nil && last.Status == policy.Arrears {
		i.From = max(day, last.From) // what was in arrears stays so
	}
	return enrolment.Change(ctx, tx, person, i)
}

// Overdue puts the staff of employers in arrears that have not paid a month by
// the end of it (单位欠费): their benefits stand still from the next month on
// (停缴次月暂停). It may be run as often as one likes. It says how many people it
// changed.
func (s *Service) Overdue(ctx context.Context, d *db.DB, region string) (changed int, err error) {
	today := dayOf(s.now())
	var ids []string
	if err := d.View(ctx, func(tx *db.Tx) error {
		return tx.Each(ctx, func(rows *db.Rows) error {
			var id string
			err := rows.Scan(&id)
			ids = append(ids, id)
			return err
		}, `SELECT id FROM declaration WHERE region = ? AND state = ? AND due_day < ? AND month < ? ORDER BY month, n`, region, Confirmed, int(today), int(civil.New(today.Year(), today.Month(), 1)))
	}); err != nil {
		return 0, err
	}
	for _, id := range ids {
		some := 0
		if err := d.Update(ctx, func(tx *db.Tx) error {
			some = 0
			x, err := s.holdDeclaration(ctx, tx, id)
			if err != nil || x.State != Confirmed {
				return err
			}
			from := x.Month.AddMonths(1)
			slices.SortFunc(x.Rows, func(a, b Declared) int { return strings.Compare(a.Person, b.Person) })
			for _, r := range x.Rows {
				if r.Change == Leaves {
					continue
				}
				if err := s.register.ExpectAlone(ctx, tx, r.Person); err != nil {
					return err
				}
				all, err := enrolment.Timeline(ctx, tx, r.Person)
				if err != nil {
					return err
				}
				for _, i := range all {
					if i.Scheme == policy.Employee && i.Status == policy.Normal && !i.Retired && (i.To == 0 || i.To >= from) {
						some++
						if err := enrolment.Change(ctx, tx, r.Person, enrolment.Insurance{Scheme: policy.Employee, From: max(from, i.From), Status: policy.Arrears, Reason: "单位欠费"}); err != nil {
							return err
						}
						break
					}
				}
			}
			return nil
		}); err != nil {
			return changed, err
		}
		changed += some
	}
	return changed, nil
}

// RefundDeclaration pays back money that came in for a declaration and paid
// nothing, once.
func (s *Service) RefundDeclaration(ctx context.Context, tx *db.Tx, q RefundRequest) (*Payment, error) {
	if q.Reason == "" {
		return nil, &Error{"reason", "", "须写明退费原因"}
	}
	p, err := s.found(ctx, tx, q)
	if err != nil {
		return nil, err
	}
	d, err := s.holdDeclaration(ctx, tx, p.Bill)
	if err != nil {
		return nil, err
	}
	// It may have been paid back while the employer was waited for.
	if p, err = s.found(ctx, tx, q); err != nil {
		return nil, err
	}
	switch p.State {
	case Applied:
		return nil, &Error{"reference", q.Reference, "已入账为 " + d.Month.String()[:7] + " 的缴费，不能退；多缴的人请在下月申报中更正"}
	case PaidBack, WrittenOff:
		return nil, &Error{"reference", q.Reference, "已退费（" + p.Reason + "），只退一次"}
	}
	p.State, p.Reason = PaidBack, q.Reason
	if err := s.giveBack(ctx, tx, p, release(d.Region, p.Amount)); err != nil {
		return nil, err
	}
	return p, s.recordEmployer(ctx, tx, d, "refund", q.Actor)
}

// verifyDeclarations proves that what declarations say and what the ledger holds
// agree, and adds what is held for them.
func (s *Service) verifyDeclarations(ctx context.Context, tx *db.Tx, held map[string]money.Fen) error {
	var ids []string
	if err := tx.Each(ctx, func(rows *db.Rows) error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, `SELECT id FROM declaration WHERE state <> 0 ORDER BY id`); err != nil {
		return err
	}
	for _, id := range ids {
		d, err := s.Declaration(ctx, tx, id)
		if err == nil {
			err = s.verifyDeclaration(ctx, tx, d, held)
		}
		if err != nil {
			return fmt.Errorf("declaration %s: %w", id, err)
		}
	}
	return nil
}

func (s *Service) verifyDeclaration(ctx context.Context, tx *db.Tx, d *Declaration, held map[string]money.Fen) error {
	var unit, personal, moved money.Fen
	for _, r := range d.Rows {
		for _, p := range r.Parts {
			if p.Payer == "person" {
				personal += p.Amount
			} else {
				unit += p.Amount
			}
		}
	}
	if unit != d.Unit || personal != d.Personal {
		return fmt.Errorf("its rows sum to %s and %s, it says %s and %s", unit, personal, d.Unit, d.Personal)
	}
	payments, err := s.Payments(ctx, tx, d.ID)
	if err != nil {
		return err
	}
	applied := 0
	for _, p := range payments {
		switch p.State {
		case Applied:
			applied++
			if p.Amount != unit+personal+d.Late {
				return fmt.Errorf("payment %s %s is of %s, due was %s", p.Channel, p.Reference, p.Amount, unit+personal+d.Late)
			}
		case Holding:
			held[d.Region] += p.Amount
		}
	}
	if want := map[bool]int{true: 1}[d.State == DuePaid]; applied != want {
		return fmt.Errorf("it is %s, and %d payments say that they paid it", d.State.Title(), applied)
	}
	entries, err := fund.Entries(ctx, tx, d.ID)
	if err != nil {
		return err
	}
	for _, e := range entries {
		for _, p := range e.Postings {
			moved += max(p.Amount, 0)
		}
	}
	want := money.Fen(0)
	if d.State == DuePaid {
		want = unit + personal + d.Late
	}
	if moved != want {
		return fmt.Errorf("it is %s, and its entries move %s, not %s", d.State.Title(), moved, want)
	}
	return nil
}

// Total is what is due but for late fees.
func (d *Declaration) Total() money.Fen { return d.Unit + d.Personal }

// Employers lists at most n employers, in order of their codes.
func Employers(ctx context.Context, tx *db.Tx, n int) ([]Employer, error) {
	var out []Employer
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var e Employer
		err := rows.Scan(&e.Code, &e.Name, &e.Region)
		out = append(out, e)
		return err
	}, `SELECT code, name, region FROM employer ORDER BY code LIMIT ?`, n)
	return out, err
}

// Employ puts a person on an employer's staff who is known to work there, as when
// its books are taken over.
func (s *Service) Employ(ctx context.Context, tx *db.Tx, j Job) error {
	return tx.Exec(ctx, `INSERT INTO job (person, employer, from_day, to_day, wage) VALUES (?, ?, ?, ?, ?)`, j.Person, j.Employer, int(j.From), int(j.To), int64(j.Wage))
}
