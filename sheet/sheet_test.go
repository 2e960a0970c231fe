package sheet

import (
	"bytes"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
)

func TestWrite(t *testing.T) {
	var b bytes.Buffer
	at := time.Date(2025, 6, 1, 4, 30, 0, 0, time.UTC)
	err := Write(&b, Table{Title: "名单", Note: "王 2025-06-01", Head: []string{"姓名", "金额", "人数", "日期", "时间"},
		Rows: [][]any{{"=1+1", money.Fen(123456789), 3, civil.Date(20250601), at}, {"李四", money.Fen(-5), 0, civil.Date(0), at}}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for cell, want := range map[string]string{"A1": "名单", "A2": "王 2025-06-01", "B3": "金额", "A4": "=1+1", "B4": "1,234,567.89", "C4": "3", "D4": "2025-06-01", "E4": "2025-06-01 12:30", "B5": "-0.05", "D5": ""} {
		if got, err := f.GetCellValue("Sheet1", cell); err != nil || got != want {
			t.Errorf("%s is %q, want %q, %v", cell, got, want, err)
		}
	}
	if formula, err := f.GetCellFormula("Sheet1", "A4"); err != nil || formula != "" {
		t.Errorf("a text became the formula %q, %v", formula, err)
	}
}
