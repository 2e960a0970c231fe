package policy_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/policy"
)

func TestQuick(t *testing.T) {
	st, err := policy.Load(os.DirFS("../policies"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(st.Warnings())
	d, _ := civil.Parse("2025-06-01")
	c := policy.Case{Region: "990200", Date: d, Visit: policy.Inpatient, Lines: []policy.Line{
		{Amount: 200000, FirstPay: -1, Ceiling: -1}, {Amount: 300000, FirstPay: -1, Ceiling: -1}, {Class: policy.ClassB, Amount: 500000, FirstPay: -1, Ceiling: -1}}}
	var r policy.Result
	var tr policy.Trace
	if err := st.Settle(&c, &r, &tr); err != nil {
		t.Fatal(err)
	}
	for _, s := range tr.Steps {
		fmt.Printf("%d %s | %s | %s | %v %v %v\n", s.Kind, s.Title, s.What, s.Formula, s.Base, s.Rate, s.Amount)
	}
	c.Region, c.Level, c.Account = "990100", policy.Level3, 100000
	c.Lines[0].Amount = 20000000
	set, _ := st.Class("低保")
	c.Classes = set
	tr.Steps = nil
	if err := st.Settle(&c, &r, &tr); err != nil {
		t.Fatal(err)
	}
	for _, s := range tr.Steps {
		fmt.Printf("%d %s | %s | %s | %v %v %v rest %v\n", s.Kind, s.Title, s.What, s.Formula, s.Base, s.Rate, s.Amount, s.Rest)
	}
}
