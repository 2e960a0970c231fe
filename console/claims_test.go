package console

import (
	"strings"
	"testing"

	"github.com/anji-platform/anji/settlement"
	"github.com/anji-platform/anji/web"
)

func TestReadLines(t *testing.T) {
	got, err := readLines("诊疗服务,,1,2000\r\n\r\n甲类药品\tdrg990000001\t2.5\t15.123456\n头孢，，1，8", 3)
	if err != nil || len(got) != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	if x := got[1]; x.Invoice != 3 || x.Item != "DRG990000001" || x.Quantity != 25_000 || x.Price != 15_123_456 {
		t.Errorf("%+v", x)
	}
	if got[2].Name != "头孢" {
		t.Errorf("%+v", got[2])
	}
	for text, want := range map[string]string{
		"":                    "至少录入一条",
		"诊疗服务 1 2000":         "应有四格",
		"诊疗服务,,一,2000":        "数量「一」不是数字",
		"诊疗服务,,1.00001,2000":  "数量",
		"诊疗服务,,1,-5":          "单价「-5」",
		"诊疗服务,,1,1.0000001":   "单价",
		"诊疗服务,,1,1\n错,,1":     "第 2 行",
		"诊疗服务,,1,99999999999": "单价",
	} {
		_, err := readLines(text, 1)
		if _, said, ok := web.Refusal(err); !ok || !strings.Contains(said, want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzReadLines(f *testing.F) {
	f.Add("诊疗服务,,1,2000\n甲类药品\tDRG990000001\t2\t15.5")
	f.Add("，，，")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := readLines(text, 1)
		if err != nil {
			if _, _, ok := web.Refusal(err); !ok {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		for _, l := range got {
			if l.Quantity < 0 || l.Price < 0 || l.Quantity > 1_000_000_000*10_000 || settlement.Multiply(l.Quantity, l.Price) < 0 {
				t.Fatalf("%+v", l)
			}
		}
	})
}
