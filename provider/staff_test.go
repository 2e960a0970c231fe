package provider

import (
	"bytes"
	"context"
	"testing"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/gm"
)

func TestDirectory(t *testing.T) {
	ctx := context.Background()
	d := dbtest.Open(t)
	sealer, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		t.Fatal(err)
	}
	directory := NewDirectory(sealer)
	const id, phone = "990100198001019001", "13800000000"
	err = d.Update(ctx, func(tx *db.Tx) error {
		for _, code := range []string{"H1", "H2"} {
			if err := Add(ctx, tx, Provider{Code: code, Name: "同名医院"}); err != nil {
				return err
			}
		}
		if err := directory.AddDepartment(ctx, tx, Department{Provider: "H1", Code: "A", Name: "内科", From: 20250101, Phone: phone, Beds: 3}); err != nil {
			return err
		}
		for _, s := range []Staff{
			{Provider: "H1", Code: "D1", Name: "甲", Kind: Doctor, Department: "A", CitizenID: id, From: 20250101, To: 20250131},
			{Provider: "H1", Code: "D2", Name: "乙", Kind: Doctor, Department: "A", CitizenID: "x", From: 20250115, Insured: true},
			{Provider: "H1", Code: "N1", Name: "丙", Kind: Nurse, Department: "B", CitizenID: "y", From: 20250101},
			{Provider: "H2", Code: "D1", Name: "甲", Kind: Doctor, Department: "A", CitizenID: id, From: 20250101},
		} {
			if err := directory.AddStaff(ctx, tx, s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = d.View(ctx, func(tx *db.Tx) error {
		for on, want := range map[int]int{20250101: 1, 20250120: 2, 20250201: 1, 20241231: 0} {
			all, err := directory.Departments(ctx, tx, "H1", civil.Date(on))
			if err != nil || len(all) != 1 || all[0].Employed[Doctor] != want || all[0].Employed[Nurse] != 0 || all[0].Phone != phone || all[0].Beds != 3 {
				t.Errorf("on %d: %+v, %v", on, all, err)
			}
		}
		for _, x := range []struct {
			f    StaffFilter
			want int
		}{
			{StaffFilter{Provider: "H1"}, 3}, {StaffFilter{Provider: "H1", Kind: Doctor}, 2}, {StaffFilter{Provider: "H1", CitizenID: id}, 1},
			{StaffFilter{Provider: "H2", Name: "甲"}, 1}, {StaffFilter{Provider: "H1", Code: "D1", Name: "乙"}, 0}, {StaffFilter{Provider: "H3"}, 0},
		} {
			if all, err := directory.Staff(ctx, tx, x.f); err != nil || len(all) != x.want {
				t.Errorf("%+v: %+v, %v", x.f, all, err)
			}
		}
		if all, err := directory.Staff(ctx, tx, StaffFilter{Provider: "H1", Code: "D1"}); err != nil || all[0].CitizenID != id || all[0].To != 20250131 {
			t.Errorf("%+v, %v", all, err)
		}
		if all, err := Named(ctx, tx, "同名医院", 5); err != nil || len(all) != 2 || all[0].Code != "H1" {
			t.Errorf("%+v, %v", all, err)
		}
		return tx.Each(ctx, func(rows *db.Rows) error {
			var a, b []byte
			err := rows.Scan(&a, &b)
			if bytes.Contains(a, []byte(id)) || bytes.Contains(b, []byte(phone)) {
				t.Error("personal data lies open")
			}
			return err
		}, `SELECT citizen_id, phone FROM staff, department`)
	})
	if err != nil {
		t.Fatal(err)
	}
}
