package enrolment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
)

// Relations of members of a household to its head (与户主关系, as GB/T 4761 divides
// them).
var relations = map[string]string{"head": "户主", "spouse": "配偶", "child": "子女", "grandchild": "孙子女、外孙子女", "parent": "父母", "grandparent": "祖父母、外祖父母", "sibling": "兄弟姐妹", "other": "其他"}

// RelationTitle is a relation in Chinese, "" if there is none of the name.
func RelationTitle(relation string) string { return relations[relation] }

// HouseholdMember is a person of a household (家庭户成员).
type HouseholdMember struct {
	Person    string
	Household string
	Relation  string     // head, spouse, child, grandchild, parent, grandparent, sibling or other
	From, To  civil.Date // To 0: open
}

// ErrHousehold says that a household cannot be as asked for; its text says why,
// in Chinese.
var ErrHousehold = errors.New("家庭户")

func householdError(format string, args ...any) error {
	return fmt.Errorf("%w：%s", ErrHousehold, fmt.Sprintf(format, args...))
}

// AddHousehold makes a household of its head, and returns its number (户编号). The
// head leaves the household that they were in.
func AddHousehold(ctx context.Context, tx *db.Tx, region, head string, from civil.Date, at time.Time) (string, error) {
	id := "F" + random(8)
	if err := tx.Exec(ctx, `INSERT INTO household (id, region, at) VALUES (?, ?, ?)`, id, region, at.UTC().Format(time.RFC3339)); err != nil {
		return "", err
	}
	return id, JoinHousehold(ctx, tx, HouseholdMember{head, id, "head", from, 0})
}

// JoinHousehold adds a person to a household; the one that they were in is left
// the day before.
func JoinHousehold(ctx context.Context, tx *db.Tx, m HouseholdMember) error {
	if RelationTitle(m.Relation) == "" {
		var names []string
		for n := range relations {
			names = append(names, n)
		}
		slices.Sort(names)
		return householdError("与户主关系“%s”应为 %s", m.Relation, strings.Join(names, "、"))
	}
	if !m.From.Valid() {
		return householdError("须写明自哪一天起")
	}
	if err := tx.Lock(ctx, "household:"+m.Household); err != nil {
		return err
	}
	all, err := Household(ctx, tx, m.Household, m.From)
	if err != nil {
		return err
	}
	hasHead := slices.ContainsFunc(all, func(o HouseholdMember) bool { return o.Relation == "head" })
	switch {
	case len(all) == 0 && m.Relation != "head":
		return householdError("户 %s 在 %s 没有户主", m.Household, m.From)
	case hasHead && m.Relation == "head":
		return householdError("户 %s 已有户主", m.Household)
	case slices.ContainsFunc(all, func(o HouseholdMember) bool { return o.Person == m.Person }):
		return householdError("已在户 %s", m.Household)
	}
	if err := LeaveHousehold(ctx, tx, m.Person, m.From.AddDays(-1)); err != nil {
		return err
	}
	return tx.Exec(ctx, `INSERT INTO household_member (person, household, relation, from_day, to_day) VALUES (?, ?, ?, ?, 0)
		ON CONFLICT (person, from_day) DO UPDATE SET household = excluded.household, relation = excluded.relation, to_day = 0`, m.Person, m.Household, m.Relation, int(m.From))
}

// LeaveHousehold ends a person's membership with a day, if they have one.
func LeaveHousehold(ctx context.Context, tx *db.Tx, person string, last civil.Date) error {
	if err := tx.Exec(ctx, `DELETE FROM household_member WHERE person = ? AND from_day > ?`, person, int(last)); err != nil {
		return err
	}
	return tx.Exec(ctx, `UPDATE household_member SET to_day = ? WHERE person = ? AND to_day = 0`, int(last), person)
}

// Household lists the members of a household on a day, the head first.
func Household(ctx context.Context, tx *db.Tx, id string, day civil.Date) ([]HouseholdMember, error) {
	return members(ctx, tx, `household = ? AND from_day <= ? AND (to_day = 0 OR to_day >= ?)`, id, int(day), int(day))
}

// HouseholdOf is the household of a person on a day; ok is false if there is none.
func HouseholdOf(ctx context.Context, tx *db.Tx, person string, day civil.Date) (m HouseholdMember, ok bool, err error) {
	all, err := members(ctx, tx, `person = ? AND from_day <= ? AND (to_day = 0 OR to_day >= ?)`, person, int(day), int(day))
	if len(all) == 0 {
		return m, false, err
	}
	return all[0], true, err
}

func members(ctx context.Context, tx *db.Tx, where string, args ...any) ([]HouseholdMember, error) {
	var out []HouseholdMember
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var m HouseholdMember
		err := rows.Scan(&m.Person, &m.Household, &m.Relation, &m.From, &m.To)
		out = append(out, m)
		return err
	}, `SELECT person, household, relation, from_day, to_day FROM household_member WHERE `+where+` ORDER BY from_day, person`, args...)
	slices.SortStableFunc(out, func(a, b HouseholdMember) int {
		head := map[bool]int{true: 0, false: 1}
		return head[a.Relation == "head"] - head[b.Relation == "head"]
	})
	return out, err
}
