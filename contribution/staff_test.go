package contribution_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
)

// prepares declares a month from the staff list.
func (w *world) prepares(month civil.Date, rows ...contribution.Declared) (d *contribution.Declaration, err error) {
	err = w.db.Update(w.ctx, func(tx *db.Tx) (err error) {
		d, err = w.service.Prepare(w.ctx, tx, factory, month, rows, "test")
		return err
	})
	return d, err
}

// said are the rows of a declaration in a line.
func said(d *contribution.Declaration) string {
	var out []string
	for _, r := range d.Rows {
		out = append(out, fmt.Sprintf("%d %s %s %s%s", r.N, r.Name, r.Wage, r.Change, r.Fault))
	}
	return strings.Join(out, "; ")
}

// TestPrepare: a month is declared from the staff list, with who joins, leaves or
// earns more than before; the month's draft goes on.
func TestPrepare(t *testing.T) {
	w := open(t, 20250605)
	w.employer(factory)
	if _, err := w.prepares(20250601); err == nil || !strings.Contains(err.Error(), "名册是空的") {
		t.Errorf("without anybody: %v", err)
	}
	if d, err := w.prepares(20250601, row(1, "8000", contribution.Joins)); err != nil || said(d) != "1 职工1 8000 增" {
		t.Fatalf("%s, %v", said(d), err)
	}
	d, err := w.prepares(20250601, row(2, "9000", contribution.Joins))
	if err != nil || said(d) != "1 职工1 8000 增; 2 职工2 9000 增" {
		t.Errorf("%s, %v", said(d), err)
	}
	// A slip is taken back before anything is due.
	if d, err = w.prepares(20250601, row(3, "1", contribution.Joins)); err != nil || len(d.Rows) != 3 {
		t.Errorf("%s, %v", said(d), err)
	}
	if d, err = w.prepares(20250601, row(3, "", contribution.Leaves)); err != nil || said(d) != "1 职工1 8000 增; 2 职工2 9000 增" {
		t.Errorf("%s, %v", said(d), err)
	}
	if d, err = w.confirm(d.ID); err != nil || d.State != contribution.Confirmed {
		t.Fatalf("%+v, %v", d, err)
	}
	// Everybody is declared: only somebody new can be, on a declaration of their own.
	if _, err := w.prepares(20250601); err == nil || !strings.Contains(err.Error(), "都已申报") {
		t.Errorf("a month twice: %v", err)
	}
	if d, err = w.prepares(20250601, row(3, "7000", contribution.Joins)); err != nil || said(d) != "1 职工3 7000 增" {
		t.Errorf("%s, %v", said(d), err)
	}
	if _, err = w.confirm(d.ID); err != nil {
		t.Fatal(err)
	}
	// The month after: one leaves, one earns more, the third stays.
	d, err = w.prepares(20250701, row(1, "", contribution.Leaves), row(2, "9500.50", contribution.Stays))
	w.must(err)
	if got := said(d); !strings.Contains(got, "职工1  减") || !strings.Contains(got, "职工2 9500.50") || !strings.Contains(got, "职工3 7000.00") || len(d.Faulty()) > 0 {
		t.Errorf("%s", got)
	}
	// Who was never there is a bad row, and said so.
	if d, err = w.prepares(20250701, row(9, "5000", contribution.Stays)); err != nil || len(d.Faulty()) != 1 || !strings.Contains(said(d), "不在本单位名册") {
		t.Errorf("%s, %v", said(d), err)
	}
	if _, err = w.prepares(20250901); err == nil || !strings.Contains(err.Error(), "至多提前一个月") {
		t.Errorf("far ahead: %v", err)
	}
	w.proved()
}

func TestMembers(t *testing.T) {
	w := open(t, 20250605)
	w.employer(factory)
	w.employer(school)
	w.confirmed(factory, 20250601, row(1, "8000", contribution.Joins), row(12, "9000", contribution.Joins), row(3, "7000", contribution.Joins))
	w.confirmed(school, 20250601, row(5, "8000", contribution.Joins))
	for _, x := range []struct {
		f    contribution.StaffFilter
		want string
		all  int
	}{
		{contribution.StaffFilter{}, "职工1 职工12 职工3", 3},
		{contribution.StaffFilter{Limit: 1, Offset: 1}, "职工12", 3},
		{contribution.StaffFilter{Search: " 工1 "}, "职工1 职工12", 2},
		{contribution.StaffFilter{Search: row(3, "", "").CitizenID}, "职工3", 1},
		{contribution.StaffFilter{Search: row(5, "", "").CitizenID}, "", 0},
		{contribution.StaffFilter{Search: "%"}, "", 0},
		{contribution.StaffFilter{Search: "_工1"}, "", 0},
		{contribution.StaffFilter{Person: w.personOf(row(3, "", ""))}, "职工3", 1},
		{contribution.StaffFilter{Person: w.personOf(row(5, "", ""))}, "", 0},
		{contribution.StaffFilter{Day: 20250531}, "", 0},
	} {
		x.f.Employer = factory
		if x.f.Day == 0 {
			x.f.Day = 20250605
		}
		w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
			list, all, err := w.service.Members(w.ctx, tx, x.f)
			var got []string
			for _, m := range list {
				got = append(got, m.Name)
				if len(m.CitizenID) != 18 || m.From != 20250601 || m.Wage == 0 {
					t.Errorf("%+v", m)
				}
			}
			if strings.Join(got, " ") != x.want || all != x.all {
				t.Errorf("%+v: %v of %d, want %s of %d", x.f, got, all, x.want, x.all)
			}
			return err
		}))
	}
}
