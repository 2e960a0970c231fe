// Package privacy does what the law on personal information (个人信息保护法) asks:
// who looks at sealed data says why, and it is recorded (第五十一条); a person gets
// all that is held of them (查阅、复制, 第四十五条); what need not be kept is deleted
// when they ask (删除, 第四十七条).
package privacy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
)

// Error is a fault of the request: which field, what it holds, what is allowed.
type Error struct {
	Field string
	Value string
	Want  string // in Chinese
}

func (e *Error) Error() string {
	if e.Value == "" {
		return e.Field + "：" + e.Want
	}
	return e.Field + "「" + e.Value + "」：" + e.Want
}

// Refusal says what of the request is refused, and why.
func (e *Error) Refusal() (field, value, want string) { return e.Field, e.Value, e.Want }

// A holding is one table that holds something of people.
type holding struct {
	table   string
	title   string   // in Chinese
	people  []string // columns that name whom a row is of
	columns string   // what is exported
	keep    string   // why it is kept when deletion is asked for; "" it is deleted
}

// Why records are kept.
const (
	rights  = "参保、缴费和待遇的个人权益记录，依法须完整保存（社会保险法第七十四条）"
	books   = "支付结算的会计凭证，依法须妥善保管（社会保险法第七十四条）"
	watched = "基金监督检查所需，依法须保存（医疗保障基金使用监督管理条例）"
)

// holdings are all tables that name people. A test holds the list against the
// schema.
var holdings = []holding{
	{"insurance", "参保经历", []string{"person"}, "scheme, from_day, to_day, retired, status, benefits_from, reason", rights},
	{"person_class", "人员类别", []string{"person"}, "class, from_day, to_day, authority", rights},
	{"registration", "参保登记", []string{"person"}, "scheme, from_day, to_day, kind, ground, wage", rights},
	{"bill", "应缴核定", []string{"person"}, "id, scheme, from_day, to_day, parts, due, state, made_at, paid_at, why", rights},
	{"prior_months", "视同和转入的缴费月数", []string{"person"}, "months, place, document, at", rights},
	{"retirement", "退休登记", []string{"person"}, "day, paid, prior, required, bill", rights},
	{"job", "在职记录", []string{"person"}, "employer, from_day, to_day, wage", rights},
	{"declared", "单位申报", []string{"person"}, "declaration, month, parts", rights},
	{"special_disease", "门诊慢特病", []string{"person"}, "code, name, special, from_day, to_day", rights},
	{"filing", "异地就医备案", []string{"person"}, "region, kind, from_day, to_day", rights},
	{"filing_application", "备案申请", []string{"person"}, "id, kind, region, provider, from_day, to_day, state", rights},
	{"claim", "手工报销申请", []string{"person"}, "id, reason, kind, state, provider, from_day, to_day, total, made", books},
	{"paper", "材料", []string{"person"}, "id, matter, label, name, kind, size, at, removed", books},
	{"designation", "人员定点", []string{"person"}, "purpose, provider, from_day, to_day, note", rights},
	{"visit", "就诊", []string{"person"}, "id, provider, kind, begun, disease_name, department", rights},
	{"settlement", "结算", []string{"person"}, "id, at, provider, total, in_scope, fund, account, cash, reverses, note", books},
	{"year_sum", "年度累计", []string{"person"}, "region, scheme, year_start, amounts", rights},
	{"abstract", "结算清单", []string{"person"}, "number, settlement, provider, state, admitted, discharged", books},
	{"inventory_movement", "购药记录", []string{"person"}, "kind, visit, settlement", books},
	{"finding", "监管提示", []string{"person"}, "id, phase, provider, rule, severity, at", watched},
	{"family_aid", "家庭共济授权", []string{"owner", "beneficiary"}, "owner, beneficiary, relation, yearly, per_use, from_day, to_day, ended_at", books},
	{"family_aid_use", "家庭共济使用", []string{"owner", "beneficiary"}, "settlement, owner, beneficiary, day, amount", books},
	{"account_closed", "个人账户清退", []string{"person"}, "day, reason, paid, parts", books},
	{"bank_row", "银行代扣", []string{"payer"}, "batch, bill, amount, state, why", books},
	{"household_member", "家庭户", []string{"person"}, "household, relation, from_day, to_day", rights},
	{"mandate", "代扣协议", []string{"payer"}, "bank, at", ""},
	{"credential_token", "身份核验令牌", []string{"person"}, "provider, business, at", ""},
	{"credential_device", "绑定的设备", []string{"person"}, "name, bound_at", ""},
	{"credential_family", "亲情账户", []string{"guardian", "dependant"}, "guardian, dependant, relation, from_day, to_day", ""},
	{"credential", "电子凭证", []string{"person"}, "state, changed_at, why", ""},
	{"login_password", "登录密码", []string{"person"}, "changed_at", ""},
	{"session", "登录会话", []string{"person"}, "seen_ms, until_ms", ""},
	{"agency", "委托代办", []string{"principal", "agent"}, "principal, agent, from_day, to_day, at", ""},
	{"card_stop", "社保卡挂失", []string{"person"}, "changed_at, why", ""},
}

// where is the condition that a row is of a person, and its arguments.
func (h *holding) where(person string) (string, []any) {
	var parts []string
	var args []any
	for _, c := range h.people {
		parts = append(parts, c+" = ?")
		args = append(args, person)
	}
	return strings.Join(parts, " OR "), args
}

// Service shows and deletes what is held of people.
type Service struct {
	register *enrolment.Register
	now      func() time.Time
}

// New returns a service. now tells the time of what is done; nil is time.Now.
func New(register *enrolment.Register, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{register, now}
}

func (s *Service) record(ctx context.Context, tx *db.Tx, person, actor, action, purpose string, details map[string]any) error {
	if details == nil {
		details = map[string]any{}
	}
	details["purpose"] = purpose
	return audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: actor, Chain: audit.OfPerson(person), Action: "privacy." + action, Subject: person, Details: details})
}

func (s *Service) find(ctx context.Context, tx *db.Tx, person, actor, purpose string) (enrolment.Person, error) {
	if strings.TrimSpace(purpose) == "" {
		return enrolment.Person{}, &Error{"purpose", "", "须写明查看的目的"}
	}
	if strings.TrimSpace(actor) == "" {
		return enrolment.Person{}, &Error{"actor", "", "须写明查看的人"}
	}
	if err := s.register.ExpectAlone(ctx, tx, person); err != nil {
		return enrolment.Person{}, err
	}
	p, ok, err := s.register.ByID(ctx, tx, person)
	if err == nil && !ok {
		err = &Error{"person", person, "没有这个人员编号"}
	}
	return p, err
}

// Reveal opens a person's sealed data (citizen ID, phone) for a purpose, and
// records who saw it and why, in one transaction.
func (s *Service) Reveal(ctx context.Context, tx *db.Tx, person, actor, purpose string) (enrolment.Person, error) {
	p, err := s.find(ctx, tx, person, actor, purpose)
	if err != nil {
		return enrolment.Person{}, err
	}
	return p, s.record(ctx, tx, person, actor, "reveal", purpose, nil)
}

// Section is what one table holds of a person.
type Section struct {
	Title string           `json:"title"`
	Table string           `json:"table"`
	Rows  []map[string]any `json:"rows"`
}

// Copy is all that is held of a person (个人信息副本).
type Copy struct {
	Person    string          `json:"person"`
	Name      string          `json:"name"`
	CitizenID string          `json:"citizen_id"`
	Phone     string          `json:"phone"`
	Birth     string          `json:"birth"`
	Region    string          `json:"region"`
	Employer  string          `json:"employer"`
	Ethnicity string          `json:"ethnicity"`
	Account   []fund.Movement `json:"account"` // of the personal account
	Sections  []Section       `json:"sections"`
}

// Export gives all that is held of a person, and records that it was given.
func (s *Service) Export(ctx context.Context, tx *db.Tx, person, actor, purpose string) (*Copy, error) {
	p, err := s.find(ctx, tx, person, actor, purpose)
	if err != nil {
		return nil, err
	}
	out := &Copy{Person: p.ID, Name: p.Name, CitizenID: p.CitizenID, Phone: p.Phone, Birth: p.Birth.String(), Region: p.Region, Employer: p.Employer, Ethnicity: p.Ethnicity}
	statement, err := fund.Statement(ctx, tx, fund.PersonAccount(person), fund.Period{})
	if err != nil {
		return nil, err
	}
	out.Account = statement.Movements
	for i := range holdings {
		h := &holdings[i]
		where, args := h.where(person)
		names := strings.Split(h.columns, ", ")
		x := Section{Title: h.title, Table: h.table}
		if err := tx.Each(ctx, func(rows *db.Rows) error {
			values := make([]any, len(names))
			to := make([]any, len(names))
			for i := range values {
				to[i] = &values[i]
			}
			if err := rows.Scan(to...); err != nil {
				return err
			}
			row := map[string]any{}
			for i, n := range names {
				if b, ok := values[i].([]byte); ok {
					values[i] = string(b)
				}
				row[n] = values[i]
			}
			x.Rows = append(x.Rows, row)
			return nil
		}, `SELECT `+h.columns+` FROM `+h.table+` WHERE `+where, args...); err != nil {
			return nil, fmt.Errorf("%s: %w", h.table, err)
		}
		if len(x.Rows) > 0 {
			out.Sections = append(out.Sections, x)
		}
	}
	return out, s.record(ctx, tx, person, actor, "export", purpose, nil)
}

// Kept is what is not deleted, and why.
type Kept struct {
	Title string `json:"title"` // in Chinese
	Rows  int    `json:"rows"`
	Why   string `json:"why"` // in Chinese
}

// Erased is what came of deleting a person's data.
type Erased struct {
	Deleted []string `json:"deleted"` // titles, in Chinese
	Kept    []Kept   `json:"kept"`
	Whole   bool     `json:"whole"` // the person is not registered any more
}

// Erase deletes what is held of a person as far as no law demands that it be kept,
// and says what is kept and why. Of who was never insured and never cared for
// nothing is left but that they asked.
func (s *Service) Erase(ctx context.Context, tx *db.Tx, person, actor, purpose string) (*Erased, error) {
	p, err := s.find(ctx, tx, person, actor, purpose)
	if err != nil {
		return nil, err
	}
	out := &Erased{}
	for i := range holdings {
		h := &holdings[i]
		where, args := h.where(person)
		var n int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM `+h.table+` WHERE `+where, args...).Scan(&n); err != nil {
			return nil, err
		}
		switch {
		case n == 0:
		case h.keep != "":
			out.Kept = append(out.Kept, Kept{h.title, n, h.keep})
		default:
			if err := tx.Exec(ctx, `DELETE FROM `+h.table+` WHERE `+where, args...); err != nil {
				return nil, err
			}
			out.Deleted = append(out.Deleted, h.title)
		}
	}
	balance, err := fund.Balance(ctx, tx, fund.PersonAccount(person))
	if err != nil {
		return nil, err
	}
	statement, err := fund.Statement(ctx, tx, fund.PersonAccount(person), fund.Period{})
	if err != nil {
		return nil, err
	}
	if len(statement.Movements) > 0 {
		out.Kept = append(out.Kept, Kept{"个人账户明细", len(statement.Movements), books})
	}
	if balance != 0 {
		return nil, &Error{"person", person, "个人账户尚有余额 " + balance.String() + " 元，请先办理清退"}
	}
	if out.Whole = len(out.Kept) == 0; out.Whole {
		out.Deleted = append(out.Deleted, "人员登记")
		err = tx.Exec(ctx, `DELETE FROM person WHERE id = ?`, person)
	} else {
		if p.Phone != "" {
			out.Deleted = append(out.Deleted, "手机号")
		}
		out.Kept = append(out.Kept, Kept{"人员登记", 1, rights})
		err = tx.Exec(ctx, `UPDATE person SET phone = NULL, phone_digest = NULL, card_serial_digest = NULL WHERE id = ?`, person)
	}
	return out, errors.Join(err, s.record(ctx, tx, person, actor, "erase", purpose, map[string]any{"whole": out.Whole}))
}
