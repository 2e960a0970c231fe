// Package account is what people do with their personal accounts (个人账户):
// letting family members use them (家庭共济), statements, and what becomes of
// them when their owner dies, moves away or leaves the country. Money in an
// account is for care: it is never paid out while its owner stays insured here
// (国发〔1998〕44号).
//
// Its methods work inside the caller's transaction.
package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
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

// Service changes accounts under the packages of a store.
type Service struct {
	store    *policy.Store
	register *enrolment.Register
	now      func() time.Time
}

// New returns a service. now tells the time of what is done; nil is time.Now.
func New(store *policy.Store, register *enrolment.Register, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{store, register, now}
}

// zone is the one time of the country (北京时间).
var zone = time.FixedZone("CST", 8*60*60)

func (s *Service) today() civil.Date { return civil.Of(s.now().In(zone)) }
func (s *Service) clock() string     { return s.now().In(zone).Format(time.RFC3339) }

// Grant lets a relative use the owner's account (家庭共济授权).
type Grant struct {
	Owner       string // person number of whose account it is (共济人)
	Beneficiary string // of who may use it (被共济人)
	Relation    policy.Relative
	Yearly      money.Fen  // most in a calendar year; 0: no limit
	PerUse      money.Fen  // most in one settlement; 0: no limit
	From, To    civil.Date // From 0: today; To 0: until it is revoked
}

// Grant lets a relative use the owner's account, as the package of the owner's
// region allows. A grant to somebody who has one takes its place; what was used
// in the year counts on.
func (s *Service) Grant(ctx context.Context, tx *db.Tx, g Grant, actor string) error {
	today := s.today()
	if g.From == 0 {
		g.From = today
	}
	switch {
	case g.Owner == g.Beneficiary:
		return &Error{"beneficiary", g.Beneficiary, "不能授权给本人"}
	case g.Yearly < 0:
		return &Error{"yearly", g.Yearly.String(), "年度限额不能为负；不限填 0"}
	case g.PerUse < 0:
		return &Error{"per_use", g.PerUse.String(), "单次限额不能为负；不限填 0"}
	case g.To != 0 && g.To < max(g.From, today):
		return &Error{"to", g.To.String(), "早于" + max(g.From, today).String()}
	}
	owner, err := s.hold(ctx, tx, "owner", g.Owner)
	if err != nil {
		return err
	}
	user, ok, err := s.register.ByID(ctx, tx, g.Beneficiary)
	if err != nil {
		return err
	}
	if !ok {
		return &Error{"beneficiary", g.Beneficiary, "没有这个人员编号"}
	}
	if owner.Region != user.Region {
		return &Error{"beneficiary", g.Beneficiary, "参保地 " + user.Region + " 与账户所有人的参保地 " + owner.Region + " 不同，暂不能共济"}
	}
	if err := s.open(ctx, tx, g.Owner); err != nil {
		return err
	}
	pkg, err := s.store.At(owner.Region, today)
	if err != nil {
		return err
	}
	if ok, _ := pkg.LetsUse(g.Relation); !ok {
		titles := []string{}
		for _, r := range pkg.Relatives() {
			titles = append(titles, r.Title())
		}
		want := "本统筹区个人账户不给家庭成员使用"
		if len(titles) > 0 {
			want = "应为" + strings.Join(titles, "、")
		}
		return &Error{"relation", g.Relation.Title(), want}
	}
	spells, err := enrolment.Timeline(ctx, tx, g.Owner)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(spells, func(i enrolment.Insurance) bool { return i.Scheme == policy.Employee }) {
		return &Error{"owner", g.Owner, "没有参加过职工医保，没有个人账户"}
	}
	if err := s.end(ctx, tx, g.Owner, g.Beneficiary); err != nil {
		return err
	}
	if err := tx.Exec(ctx, `INSERT INTO family_aid (id, owner, beneficiary, relation, yearly, per_use, from_day, to_day, granted_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		db.NextID(), g.Owner, g.Beneficiary, g.Relation.String(), int64(g.Yearly), int64(g.PerUse), int(g.From), int(g.To), s.clock()); err != nil {
		return err
	}
	return s.record(ctx, tx, g.Owner, actor, "grant", map[string]string{"beneficiary": g.Beneficiary, "relation": g.Relation.String(), "yearly": g.Yearly.String(), "per_use": g.PerUse.String()})
}

func (s *Service) record(ctx context.Context, tx *db.Tx, person, actor, action string, details any) error {
	return audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: actor, Chain: audit.OfPerson(person), Action: "account." + action, Subject: person, Details: details})
}

// hold holds a person, so that what is decided upon their account happens one
// after the other.
func (s *Service) hold(ctx context.Context, tx *db.Tx, field, person string) (enrolment.Person, error) {
	if err := s.register.ExpectAlone(ctx, tx, person); err != nil {
		return enrolment.Person{}, err
	}
	p, ok, err := s.register.ByID(ctx, tx, person)
	if err == nil && !ok {
		err = &Error{field, person, "没有这个人员编号"}
	}
	return p, err
}

func (s *Service) end(ctx context.Context, tx *db.Tx, owner, beneficiary string) error {
	return tx.Exec(ctx, `UPDATE family_aid SET ended_at = ? WHERE owner = ? AND beneficiary = ? AND ended_at = ''`, s.clock(), owner, beneficiary)
}

// Revoke ends a grant. What was paid stays paid.
func (s *Service) Revoke(ctx context.Context, tx *db.Tx, owner, beneficiary, actor string) error {
	if _, err := s.hold(ctx, tx, "owner", owner); err != nil {
		return err
	}
	n, err := tx.ExecCount(ctx, `UPDATE family_aid SET ended_at = ? WHERE owner = ? AND beneficiary = ? AND ended_at = ''`, s.clock(), owner, beneficiary)
	if err != nil {
		return err
	}
	if n == 0 {
		return &Error{"beneficiary", beneficiary, "没有授权给这个人"}
	}
	return s.record(ctx, tx, owner, actor, "revoke", map[string]string{"beneficiary": beneficiary})
}

// Standing is a grant that holds, and what was used of it in the year.
type Standing struct {
	Grant
	Used money.Fen
}

// Given lists whom a person lets use their account; Received, whose account a
// person may use.
func (s *Service) Given(ctx context.Context, tx *db.Tx, owner string) ([]Standing, error) {
	return s.standing(ctx, tx, `g.owner = ?`, owner)
}

// Received lists whose accounts a person may use.
func (s *Service) Received(ctx context.Context, tx *db.Tx, beneficiary string) ([]Standing, error) {
	return s.standing(ctx, tx, `g.beneficiary = ?`, beneficiary)
}

func (s *Service) standing(ctx context.Context, tx *db.Tx, where, person string) ([]Standing, error) {
	var out []Standing
	year := s.today().Year()
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var g Standing
		var relation string
		err := rows.Scan(&g.Owner, &g.Beneficiary, &relation, &g.Yearly, &g.PerUse, &g.From, &g.To, &g.Used)
		g.Relation, _ = policy.ParseRelative(relation)
		out = append(out, g)
		return err
	}, `SELECT g.owner, g.beneficiary, g.relation, g.yearly, g.per_use, g.from_day, g.to_day,
		COALESCE((SELECT SUM(u.amount) FROM family_aid_use u WHERE u.owner = g.owner AND u.beneficiary = g.beneficiary AND u.day >= ? AND u.day <= ?), 0)
		FROM family_aid g WHERE g.ended_at = '' AND `+where+` ORDER BY g.id`, int(civil.New(year, 1, 1)), int(civil.New(year, 12, 31)), person)
	return out, err
}

// Available is what one family member's account can pay now.
type Available struct {
	Owner  string
	Amount money.Fen
}

// Share is what a family member's account pays of a settlement. It is negative
// in a reversal.
type Share struct {
	Owner  string
	Amount money.Fen
}

// Owners lists those whose accounts a person may use on a day, in order of their
// numbers. Who pays from the accounts holds them all first.
func Owners(ctx context.Context, tx *db.Tx, beneficiary string, day civil.Date) ([]string, error) {
	var out []string
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var owner string
		err := rows.Scan(&owner)
		out = append(out, owner)
		return err
	}, `SELECT owner FROM family_aid WHERE beneficiary = ? AND ended_at = '' AND from_day <= ? AND (to_day = 0 OR to_day >= ?) ORDER BY owner`, beneficiary, int(day), int(day))
	return out, err
}

// LaterAvailable reads what each family member's account can pay on a day: its
// balance, within what its owner allows for one settlement and for the calendar
// year. The order is that of the grants.
func LaterAvailable(ctx context.Context, tx *db.Tx, into *[]Available, beneficiary string, day civil.Date) error {
	*into = nil
	return tx.Later(ctx, func(rows *db.Rows) error {
		var a Available
		var yearly, perUse, used money.Fen
		if err := rows.Scan(&a.Owner, &a.Amount, &yearly, &perUse, &used); err != nil {
			return err
		}
		if perUse > 0 {
			a.Amount = min(a.Amount, perUse)
		}
		if yearly > 0 {
			a.Amount = min(a.Amount, yearly-used)
		}
		if a.Amount > 0 {
			*into = append(*into, a)
		}
		return nil
	}, `SELECT g.owner, COALESCE(a.balance, 0), g.yearly, g.per_use,
		COALESCE((SELECT SUM(u.amount) FROM family_aid_use u WHERE u.owner = g.owner AND u.beneficiary = g.beneficiary AND u.day >= ? AND u.day <= ?), 0)
		FROM family_aid g LEFT JOIN account a ON a.id = '`+fund.PersonAccount("")+`' || g.owner
		WHERE g.beneficiary = ? AND g.ended_at = '' AND g.from_day <= ? AND (g.to_day = 0 OR g.to_day >= ?) ORDER BY g.id`,
		int(civil.New(day.Year(), 1, 1)), int(civil.New(day.Year(), 12, 31)), beneficiary, int(day), int(day))
}

// Divide takes an amount from what is available, in its order.
func Divide(all []Available, amount money.Fen) ([]Share, error) {
	var out []Share
	for _, a := range all {
		if part := min(a.Amount, amount); part > 0 {
			out = append(out, Share{a.Owner, part})
			amount -= part
		}
	}
	if amount != 0 {
		return nil, fmt.Errorf("family members' accounts do not cover %s", amount)
	}
	return out, nil
}

// What begins the references of uses that are no settlement's: a contribution
// paid from an account, and given back to it.
const (
	ContributionUse  = "wallet:"
	ContributionBack = "wallet.back:"
)

// Use writes what a settlement took from family members' accounts. The postings
// are the settlement's own.
func Use(ctx context.Context, tx *db.Tx, settlement, beneficiary string, day civil.Date, shares []Share) error {
	rows := make([][]any, len(shares))
	for i, x := range shares {
		rows[i] = []any{settlement, x.Owner, beneficiary, int(day), int64(x.Amount)}
	}
	return tx.Insert(ctx, "family_aid_use (settlement, owner, beneficiary, day, amount)", rows)
}

// Shares are what a settlement took from family members' accounts.
func Shares(ctx context.Context, tx *db.Tx, settlement string) ([]Share, error) {
	var out []Share
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var x Share
		err := rows.Scan(&x.Owner, &x.Amount)
		out = append(out, x)
		return err
	}, `SELECT owner, amount FROM family_aid_use WHERE settlement = ? ORDER BY owner`, settlement)
	return out, err
}

func (s *Service) recordRegion(ctx context.Context, tx *db.Tx, region, actor string, details any) error {
	return audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: actor, Action: "account.handover", Subject: region, Details: details})
}
