package main

import (
	"strings"
	"testing"
)

// TestFundClose: a month takes two persons, on the command line too.
func TestFundClose(t *testing.T) {
	dir, _ := clearingData(t)
	for _, x := range []struct{ command, by, want string }{
		{"confirm", "李会计", "没有人申请结账"},
		{"close", "张会计", "2025-06 已申请结账"},
		{"close", "李会计", "张会计 已申请结账"},
		{"confirm", "张会计", "不能确认自己的申请"},
		{"confirm", "李会计", "2025-06 已结账"},
		{"close", "张会计", "账已结到 2025-06-30"},
	} {
		out, _, err := anji(t, "", "fund", x.command, "--data", dir, "--month", "2025-06", "--by", x.by)
		if err != nil {
			out = err.Error()
		}
		if !strings.Contains(out, x.want) {
			t.Errorf("%s by %s: %s, want %s", x.command, x.by, out, x.want)
		}
	}
}
