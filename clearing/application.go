package clearing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/settlement"
)

// State is where an application stands (清算状态). The numbers are those of the
// national dictionary; what is withdrawn is as if it had not been filed.
type State uint8

// The states.
const (
	Withdrawn State = 0  // 未申报
	Filed     State = 10 // 已申报
	Approved  State = 40 // 审核完成
	Paid      State = 60 // 已拨付
)

var stateTitles = map[State]string{Withdrawn: "已撤回", Filed: "已申报", Approved: "审核完成", Paid: "已拨付"}

// Title is the state's name in Chinese.
func (s State) Title() string { return stateTitles[s] }

// Act says who did something, and when; the zero Act was not done.
type Act struct {
	At time.Time
	By string
}

// Application is a provider's application for what it is owed for the care of
// some kinds in one month (清算申请).
type Application struct {
	ID        string
	Provider  string
	Region    string // of care: its agency pays
	Month     Month
	Kinds     []policy.VisitKind // it holds; a withdrawn one holds none
	State     State
	Parts     []Part // as they were when it was filed
	Total     Totals
	Filed     Act
	Approved  Act
	Paid      Act
	Withdrawn Act
	Reason    string // why it was withdrawn
}

// ApplyRequest files an application.
type ApplyRequest struct {
	Provider string
	Month    Month
	Kinds    []policy.VisitKind
	Stated   []Amount // what the provider's own books say; all must agree
	At       time.Time
	Actor    string
}

// Apply files an application (清算申请). The month must be over, hold
// settlements of these kinds, and not have been applied for; figures that are
// not the ledger's are a *Disagreement.
func Apply(ctx context.Context, tx *db.Tx, q ApplyRequest) (*Application, error) {
	p, ok, err := provider.Get(ctx, tx, q.Provider)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &settlement.Error{Field: "provider", Value: q.Provider, Want: "没有登记这个医药机构"}
	}
	if !q.Month.Over(q.At) {
		return nil, &settlement.Error{Field: "month", Value: q.Month.String(), Want: "这个月尚未结束，" + q.Month.Period().To.AddDays(1).String() + " 起方可申请清算"}
	}
	a := &Application{Provider: p.Code, Region: p.Region, Month: q.Month, Kinds: slices.Clone(q.Kinds), State: Filed, Filed: Act{q.At, q.Actor}}
	if err := a.notApplied(ctx, tx); err != nil {
		return nil, err
	}
	if a.Parts, err = parts(ctx, tx, a.scope()); err != nil {
		return nil, err
	}
	for _, part := range a.Parts {
		a.Total.Add(part.Totals)
	}
	if gaps := a.Total.Gaps(q.Stated...); len(gaps) > 0 {
		return nil, &Disagreement{gaps}
	}
	if len(a.Parts) == 0 {
		return nil, &settlement.Error{Field: "month", Value: q.Month.String(), Want: "本机构这个月没有这一类别的结算"}
	}
	if err := a.write(ctx, tx); err != nil {
		return nil, err
	}
	return a, a.record(ctx, tx, "clearing.file", a.Filed)
}

func (a *Application) scope() Scope {
	return Scope{Provider: a.Provider, Period: a.Month.Period(), Kinds: a.Kinds}
}

// notApplied refuses what was applied for already.
func (a *Application) notApplied(ctx context.Context, tx *db.Tx) error {
	for _, k := range a.Kinds {
		var id string
		err := tx.QueryRow(ctx, `SELECT clearing FROM clearing_kind WHERE provider = ? AND month = ? AND kind = ?`, a.Provider, a.Month, k).Scan(&id)
		if err == nil {
			return &settlement.Error{Field: "kinds", Value: k.Title(), Want: a.Month.String() + " 已申请清算，申请 " + id}
		}
		if !db.IsNotFound(err) {
			return err
		}
	}
	return nil
}

func (a *Application) write(ctx context.Context, tx *db.Tx) error {
	var n int64
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(n), 0) + 1 FROM clearing`).Scan(&n); err != nil {
		return err
	}
	a.ID = fmt.Sprintf("C%06d%010d", a.Month, n)
	if err := tx.Exec(ctx, `INSERT INTO clearing (id, n, provider, region, month, state, filed_at, filed_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		a.ID, n, a.Provider, a.Region, a.Month, a.State, clock(a.Filed.At), a.Filed.By); err != nil {
		return err
	}
	for _, k := range a.Kinds {
		if err := tx.Exec(ctx, `INSERT INTO clearing_kind (provider, month, kind, clearing) VALUES (?, ?, ?, ?)`, a.Provider, a.Month, k, a.ID); err != nil {
			return err
		}
	}
	for _, p := range a.Parts {
		if err := tx.Exec(ctx, `INSERT INTO clearing_part (clearing, region, scheme, kind, count, visits, total, in_scope, fund, account, cash, hospital)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, a.ID, p.Region, p.Scheme, p.Kind, p.Count, p.Visits,
			int64(p.Total), int64(p.InScope), int64(p.Fund), int64(p.Account), int64(p.Cash), int64(p.Hospital)); err != nil {
			return err
		}
		for _, f := range p.Funds {
			if err := tx.Exec(ctx, `INSERT INTO clearing_fund (clearing, region, scheme, kind, fund, title, amount) VALUES (?, ?, ?, ?, ?, ?, ?)`,
				a.ID, p.Region, p.Scheme, p.Kind, f.Fund, f.Title, int64(f.Amount)); err != nil {
				return err
			}
		}
	}
	return nil
}

// record appends what was done to the audit record.
func (a *Application) record(ctx context.Context, tx *db.Tx, action string, act Act) error {
	return audit.Append(ctx, tx, audit.Record{At: act.At, Actor: act.By, Action: action, Subject: a.ID, Details: map[string]any{
		"provider": a.Provider, "month": a.Month.String(), "count": a.Total.Count, "due": a.Total.Due(),
	}})
}

// Approve approves an application (审核). Its sums are held against the ledger
// once more.
func Approve(ctx context.Context, tx *db.Tx, id string, act Act) (*Application, error) {
	a, err := find(ctx, tx, id, act, Filed)
	if err != nil {
		return nil, err
	}
	now, err := parts(ctx, tx, a.scope())
	if err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(now, a.Parts) {
		return nil, &settlement.Error{Field: "clearing", Value: id, Want: "申报后结算有变动，请退回重新申报"}
	}
	a.Approved = act
	if err := a.move(ctx, tx, Approved, `approved_at = ?, approved_by = ?`, clock(act.At), act.By); err != nil {
		return nil, err
	}
	return a, a.record(ctx, tx, "clearing.approve", act)
}

// Pay pays an approved application (拨付): what is owed to the provider leaves
// the care region's bank account, and what it paid for people insured
// elsewhere becomes its claim on their regions. Where reversals outweigh the
// settlements of a month, the provider pays back. Who approves does not pay
// (不相容岗位分离).
func Pay(ctx context.Context, tx *db.Tx, id string, act Act) (*Application, error) {
	a, err := find(ctx, tx, id, act, Approved)
	if err != nil {
		return nil, err
	}
	if act.By == a.Approved.By {
		return nil, &settlement.Error{Field: "actor", Value: act.By, Want: "审核与拨付须由不同的人办理"}
	}
	a.Paid = act
	if err := a.move(ctx, tx, Paid, `paid_at = ?, paid_by = ?`, clock(act.At), act.By); err != nil {
		return nil, err
	}
	if err := fund.Post(ctx, tx, fund.Entry{At: act.At, Kind: "clearing", Ref: a.ID, Postings: a.postings()}); err != nil {
		return nil, err
	}
	return a, a.record(ctx, tx, "clearing.pay", act)
}

func (a *Application) postings() []fund.Posting {
	due := a.Total.Due()
	out := []fund.Posting{{Account: fund.Payable(a.Provider), Amount: -due}, {Account: fund.Bank(a.Region), Amount: due}}
	for _, p := range a.Parts {
		if p.Region != a.Region {
			out = append(out,
				fund.Posting{Account: fund.Receivable(a.Region, p.Region), Amount: -p.Due()},
				fund.Posting{Account: fund.Owed(p.Region, a.Region), Amount: p.Due()})
		}
	}
	return out
}

// Withdraw takes back an application that is not paid: the provider withdraws
// it or the agency returns it. Its month and kinds may be applied for again.
func Withdraw(ctx context.Context, tx *db.Tx, id, reason string, act Act) (*Application, error) {
	a, err := find(ctx, tx, id, act, Filed, Approved)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(reason) == "" {
		return nil, &settlement.Error{Field: "reason", Want: "须说明撤回或退回的原因"}
	}
	a.Withdrawn, a.Reason = act, reason
	if err := a.move(ctx, tx, Withdrawn, `withdrawn_at = ?, withdrawn_by = ?, reason = ?`, clock(act.At), act.By, reason); err != nil {
		return nil, err
	}
	if err := tx.Exec(ctx, `DELETE FROM clearing_kind WHERE clearing = ?`, a.ID); err != nil {
		return nil, err
	}
	return a, a.record(ctx, tx, "clearing.withdraw", act)
}

// find finds an application that is in one of the states.
func find(ctx context.Context, tx *db.Tx, id string, act Act, states ...State) (*Application, error) {
	if act.By == "" {
		return nil, &settlement.Error{Field: "actor", Want: "须写明办理人"}
	}
	found, err := applications(ctx, tx, `WHERE c.id = ?`, id)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, &settlement.Error{Field: "clearing", Value: id, Want: "没有这个清算申请"}
	}
	a := &found[0]
	if slices.Contains(states, a.State) {
		return a, nil
	}
	titles := make([]string, len(states))
	for i, s := range states {
		titles[i] = s.Title()
	}
	return nil, &settlement.Error{Field: "clearing", Value: id, Want: "现为" + a.State.Title() + "，应为" + strings.Join(titles, "或")}
}

// move changes the state, from the one that was read.
func (a *Application) move(ctx context.Context, tx *db.Tx, to State, set string, args ...any) error {
	n, err := tx.ExecCount(ctx, `UPDATE clearing SET state = ?, `+set+` WHERE id = ? AND state = ?`,
		append(append([]any{to}, args...), a.ID, a.State)...)
	if err == nil && n != 1 {
		err = errors.New("clearing " + a.ID + " was changed meanwhile")
	}
	a.State = to
	return err
}

// Applications lists the applications for a month, of one provider or, if code
// is "", of all, oldest first.
func Applications(ctx context.Context, tx *db.Tx, m Month, code string) ([]Application, error) {
	if code == "" {
		return applications(ctx, tx, `WHERE c.month = ?`, m)
	}
	return applications(ctx, tx, `WHERE c.month = ? AND c.provider = ?`, m, code)
}

func applications(ctx context.Context, tx *db.Tx, where string, args ...any) ([]Application, error) {
	var out []Application
	index := map[string]int{}
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var a Application
		var at [4]string
		if err := rows.Scan(&a.ID, &a.Provider, &a.Region, &a.Month, &a.State, &at[0], &a.Filed.By, &at[1], &a.Approved.By,
			&at[2], &a.Paid.By, &at[3], &a.Withdrawn.By, &a.Reason); err != nil {
			return err
		}
		for i, to := range []*time.Time{&a.Filed.At, &a.Approved.At, &a.Paid.At, &a.Withdrawn.At} {
			if at[i] == "" {
				continue
			}
			var err error
			if *to, err = time.ParseInLocation(time.DateTime, at[i], zone); err != nil {
				return err
			}
		}
		index[a.ID] = len(out)
		out = append(out, a)
		return nil
	}, `SELECT c.id, c.provider, c.region, c.month, c.state, c.filed_at, c.filed_by, c.approved_at, c.approved_by,
		c.paid_at, c.paid_by, c.withdrawn_at, c.withdrawn_by, c.reason FROM clearing c `+where+` ORDER BY c.n`, args...)
	if err != nil {
		return nil, err
	}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var id string
		var p Part
		if err := rows.Scan(&id, &p.Region, &p.Scheme, &p.Kind, &p.Count, &p.Visits, &p.Total, &p.InScope, &p.Fund, &p.Account, &p.Cash, &p.Hospital); err != nil {
			return err
		}
		a := &out[index[id]]
		a.Parts = append(a.Parts, p)
		a.Total.Add(p.Totals)
		return nil
	}, `SELECT p.clearing, p.region, p.scheme, p.kind, p.count, p.visits, p.total, p.in_scope, p.fund, p.account, p.cash, p.hospital
		FROM clearing_part p JOIN clearing c ON c.id = p.clearing `+where+` ORDER BY p.clearing, p.region, p.scheme, p.kind`, args...)
	if err != nil {
		return nil, err
	}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var id string
		var k policy.VisitKind
		if err := rows.Scan(&id, &k); err != nil {
			return err
		}
		a := &out[index[id]]
		a.Kinds = append(a.Kinds, k)
		return nil
	}, `SELECT k.clearing, k.kind FROM clearing_kind k JOIN clearing c ON c.id = k.clearing `+where+` ORDER BY k.clearing, k.kind`, args...)
	if err != nil {
		return nil, err
	}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		var id, region string
		var s policy.Scheme
		var k policy.VisitKind
		var f FundPaid
		if err := rows.Scan(&id, &region, &s, &k, &f.Fund, &f.Title, &f.Amount); err != nil {
			return err
		}
		a := &out[index[id]]
		for i := range a.Parts {
			if p := &a.Parts[i]; p.Region == region && p.Scheme == s && p.Kind == k {
				p.Funds = append(p.Funds, f)
			}
		}
		return nil
	}, `SELECT f.clearing, f.region, f.scheme, f.kind, f.fund, f.title, f.amount
		FROM clearing_fund f JOIN clearing c ON c.id = f.clearing `+where, args...)
	if err != nil {
		return nil, err
	}
	for i := range out {
		for _, p := range out[i].Parts {
			slices.SortFunc(p.Funds, func(a, b FundPaid) int { return cmp.Compare(a.Fund, b.Fund) })
		}
	}
	return out, nil
}

// clock is how times are kept: the time of China, to the second.
func clock(at time.Time) string { return at.In(zone).Format(time.DateTime) }
