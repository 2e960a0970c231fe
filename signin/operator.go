package signin

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/ident"
)

// Role is what somebody may do here (角色).
type Role string

// The roles. Person is that of everybody who signs in for themselves.
const (
	Person    Role = "person"    // 参保人
	Intake    Role = "intake"    // 受理
	Review    Role = "review"    // 初审
	Recheck   Role = "recheck"   // 复核
	Finance   Role = "finance"   // 财务
	Inspector Role = "inspector" // 稽核
	Admin     Role = "admin"     // 管理
	Viewer    Role = "viewer"    // 只读
	Employer  Role = "employer"  // 参保单位
	Counter   Role = "counter"   // 定点医药机构
)

// Officers are the roles of the agency's own staff (经办机构).
func Officers() []Role { return []Role{Intake, Review, Recheck, Finance, Inspector, Admin, Viewer} }

// Roles are all roles of operators.
func Roles() []Role { return append(Officers(), Employer, Counter) }

// Title is the role in Chinese.
func (r Role) Title() string {
	switch r {
	case Person:
		return "参保人"
	case Intake:
		return "受理"
	case Review:
		return "初审"
	case Recheck:
		return "复核"
	case Finance:
		return "财务"
	case Inspector:
		return "稽核"
	case Admin:
		return "管理"
	case Viewer:
		return "只读"
	case Employer:
		return "参保单位"
	case Counter:
		return "定点医药机构"
	}
	return string(r)
}

// Operator is somebody who works here (操作员).
type Operator struct {
	Name    string // to sign in with
	Title   string // 姓名
	Roles   []Role
	Region  string // whose agency, or where the employer or provider stands; "" is all
	Of      string // code of the employer or provider, "" for an officer
	Fresh   bool   // the password was set by somebody else, and is to be changed
	Stopped bool
}

// Officer reports whether the operator is of the agency's staff.
func (o *Operator) Officer() bool { return o.Of == "" }

// Works lists the roles in Chinese.
func (o *Operator) Works() string {
	var all []string
	for _, r := range o.Roles {
		all = append(all, r.Title())
	}
	return strings.Join(all, "、")
}

var goodName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,39}$`)

func (s *Service) check(o *Operator) error {
	switch {
	case !goodName.MatchString(o.Name):
		return &Error{"name", o.Name, "应为 2 至 40 个小写字母、数字、点、横线或下划线，以字母或数字开头"}
	case strings.TrimSpace(o.Title) == "":
		return &Error{"title", "", "缺少姓名"}
	case len(o.Roles) == 0:
		return &Error{"roles", "", "至少选一个角色"}
	}
	if o.Region != "" {
		if _, err := ident.ParseRegion(o.Region); err != nil {
			return &Error{"region", o.Region, "应为六位区划代码，不填为全部"}
		}
	}
	for _, r := range o.Roles {
		if !slices.Contains(Roles(), r) {
			return &Error{"roles", string(r), "没有这个角色"}
		}
		outside := r == Employer || r == Counter
		switch {
		case outside && (o.Of == "" || len(o.Roles) > 1):
			return &Error{"roles", r.Title(), "只能单独授予，并须写明单位或机构编码"}
		case !outside && o.Of != "":
			return &Error{"of", o.Of, "经办人员不属于单位或定点机构"}
		}
	}
	// Who pays may not also decide what is paid (不相容岗位).
	if slices.Contains(o.Roles, Finance) && (slices.Contains(o.Roles, Review) || slices.Contains(o.Roles, Recheck)) {
		return &Error{"roles", Finance.Title(), "不能与初审、复核同时授予一人"}
	}
	if slices.Contains(o.Roles, Inspector) && len(o.Roles) > 1 {
		return &Error{"roles", Inspector.Title(), "不能与其他角色同时授予一人"}
	}
	return nil
}

// AddOperator adds an operator with a first password.
func (s *Service) AddOperator(ctx context.Context, tx *db.Tx, o Operator, password, actor string) error {
	if err := s.check(&o); err != nil {
		return err
	}
	if err := goodPassword(password, MinOperator, o.Name); err != nil {
		return err
	}
	if err := tx.Lock(ctx, "operator "+o.Name); err != nil {
		return err
	}
	if _, ok, err := GetOperator(ctx, tx, o.Name); err != nil {
		return err
	} else if ok {
		return &Error{"name", o.Name, "已有这个用户名"}
	}
	secret, err := s.hash(o.Name, password)
	if err != nil {
		return err
	}
	if err := tx.Exec(ctx, `INSERT INTO operator (name, title, roles, region, of, secret, fresh, failures, locked_ms, stopped, changed_at, changed_by) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?)`,
		o.Name, strings.TrimSpace(o.Title), join(o.Roles), o.Region, o.Of, secret, o.Fresh, s.stamp(), actor); err != nil {
		return err
	}
	return s.record(ctx, tx, o.Name, actor, "add")
}

// ChangeOperator changes an operator's name, roles and region, and whether they
// may sign in. It holds for open sessions at once. Nobody changes themselves.
func (s *Service) ChangeOperator(ctx context.Context, tx *db.Tx, o Operator, actor string) error {
	if o.Name == actor {
		return &Error{"name", o.Name, "不能修改自己的权限，请由另一位管理员办理"}
	}
	if err := s.check(&o); err != nil {
		return err
	}
	n, err := tx.ExecCount(ctx, `UPDATE operator SET title = ?, roles = ?, region = ?, of = ?, stopped = ?, changed_at = ?, changed_by = ? WHERE name = ?`,
		strings.TrimSpace(o.Title), join(o.Roles), o.Region, o.Of, o.Stopped, s.stamp(), actor, o.Name)
	if err != nil {
		return err
	}
	if n == 0 {
		return &Error{"name", o.Name, "没有这个用户名"}
	}
	if o.Stopped {
		if err := s.EndAll(ctx, tx, o.Name); err != nil {
			return err
		}
	}
	return s.record(ctx, tx, o.Name, actor, "change")
}

// ResetPassword gives an operator a password that they must change, and ends
// their sessions.
func (s *Service) ResetPassword(ctx context.Context, tx *db.Tx, name, password, actor string) error {
	if err := s.setOperator(ctx, tx, name, password, true); err != nil {
		return err
	}
	if err := s.EndAll(ctx, tx, name); err != nil {
		return err
	}
	return s.record(ctx, tx, name, actor, "reset")
}

// ChangePassword changes an operator's own password, who knows the old one.
func (s *Service) ChangePassword(ctx context.Context, name, old, password string) error {
	token, err := s.ByName(ctx, name, old) // counts failures
	if err != nil {
		return err
	}
	if old == password {
		return &Error{"password", "", "新密码不能与原密码相同"}
	}
	return s.DB.Update(ctx, func(tx *db.Tx) error {
		if err := tx.Exec(ctx, `DELETE FROM session WHERE digest = ?`, s.digest(token)); err != nil {
			return err
		}
		if err := s.setOperator(ctx, tx, name, password, false); err != nil {
			return err
		}
		return s.record(ctx, tx, name, name, "password")
	})
}

func (s *Service) setOperator(ctx context.Context, tx *db.Tx, name, password string, fresh bool) error {
	if err := goodPassword(password, MinOperator, name); err != nil {
		return err
	}
	secret, err := s.hash(name, password)
	if err != nil {
		return err
	}
	n, err := tx.ExecCount(ctx, `UPDATE operator SET secret = ?, fresh = ?, failures = 0, locked_ms = 0, changed_at = ? WHERE name = ?`, secret, fresh, s.stamp(), name)
	if err == nil && n == 0 {
		return &Error{"name", name, "没有这个用户名"}
	}
	return err
}

func join(roles []Role) string {
	var all []string
	for _, r := range Roles() { // one order, each once
		if slices.Contains(roles, r) {
			all = append(all, string(r))
		}
	}
	return strings.Join(all, " ")
}

const operatorColumns = `name, title, roles, region, of, fresh, stopped`

func scanOperator(scan func(...any) error) (o Operator, err error) {
	var roles string
	err = scan(&o.Name, &o.Title, &roles, &o.Region, &o.Of, &o.Fresh, &o.Stopped)
	for r := range strings.FieldsSeq(roles) {
		o.Roles = append(o.Roles, Role(r))
	}
	return o, err
}

// GetOperator finds an operator.
func GetOperator(ctx context.Context, tx *db.Tx, name string) (o Operator, ok bool, err error) {
	o, err = scanOperator(tx.QueryRow(ctx, `SELECT `+operatorColumns+` FROM operator WHERE name = ?`, name).Scan)
	if db.IsNotFound(err) {
		return o, false, nil
	}
	return o, err == nil, err
}

// Operators lists all operators, in order of their names.
func Operators(ctx context.Context, tx *db.Tx) (out []Operator, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		o, err := scanOperator(rows.Scan)
		out = append(out, o)
		return err
	}, `SELECT `+operatorColumns+` FROM operator ORDER BY name`)
	return out, err
}
