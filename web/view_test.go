package web

import (
	"testing"

	"github.com/anji-platform/anji/bill"
)

func TestMark(t *testing.T) {
	for _, x := range []struct {
		lang       bill.Lang
		text, want string
	}{
		{bill.English, "Paid by “大病”, A&B", `Paid by “<span lang="zh-CN">大病</span>”, A&amp;B`},
		{bill.English, "<大>", `&lt;<span lang="zh-CN">大</span>&gt;`},
		{bill.English, "安济示例市", `<span lang="zh-CN">安济示例市</span>`},
		{bill.English, "（一）", `<span lang="zh-CN">（一）</span>`},
		{bill.English, "", ``},
		{bill.Chinese, "大<病", `大&lt;病`},
	} {
		if got := string(Mark(x.lang, x.text)); got != x.want {
			t.Errorf("%q: %q, want %q", x.text, got, x.want)
		}
	}
}
