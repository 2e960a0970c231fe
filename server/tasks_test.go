package server

import (
	"html"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/anji-platform/anji/signin"
)

// tasks are what people come for: where it is done, and what is to be seen there.
var tasks = []struct{ name, path, sees string }{
	{"show the code of the e-credential", "/me/credential", "医保电子凭证"},
	{"see whether care is paid for today, and why", "/me/insurance", "今天看病可以报销"},
	{"pay contributions", "/me/contributions", "待缴"},
	{"see the balance of the account", "/me/account", "余额"},
	{"let the family use the account", "/me/account", "授权家人使用"},
	{"have a bill explained", "/me/care/{settlement}", "逐项说明"},
	{"find out what care would cost", "/estimate", "要花多少钱"},
	{"file for care in another region", "/me/filings/new", "您属于哪一种情况"},
	{"apply for the recognition of a disease", "/me/filings/disease", "认定哪一种病"},
	{"see how far an application is", "/me/filings/{application}", "办理进度"},
	{"claim what was paid without a card", "/me/claims/new", "为什么没有直接结算"},
	{"see how far a claim is", "/me/claims", "手工报销"},
	{"ask a question", "/answers", "医保问答"},
	{"report fraud, without a name", "/report", "举报"},
	{"look a medicine up", "/catalogue", "查药品"},
	{"find a hospital", "/providers", "查医院"},
	{"act for the family, or let somebody act", "/me/family", "委托他人代办"},
	{"have a copy of all that is held", "/me", "下载我的全部信息"},
}

var links = regexp.MustCompile(`<a [^>]*href="(/[^"#]*)"`)

// TestTasks: a newcomer finds each of the tasks in at most three taps from the
// first page.
func TestTasks(t *testing.T) {
	a := openAccess(t)
	page := func(path string) string {
		w := a.ask(http.MethodGet, path, signin.Person)
		if w.Code != http.StatusOK {
			return ""
		}
		return w.Body.String()
	}
	taps := map[string]int{"/": 0}
	for queue := []string{"/"}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if taps[at] == 3 {
			continue
		}
		for _, m := range links.FindAllStringSubmatch(page(at), -1) {
			to := html.UnescapeString(m[1])
			if _, seen := taps[to]; seen || strings.HasPrefix(to, "/static/") || strings.HasPrefix(to, "/prefs") {
				continue
			}
			taps[to] = taps[at] + 1
			queue = append(queue, to)
		}
	}
	for _, x := range tasks {
		path := a.path("GET "+x.path, a.own)
		n, ok := taps[path]
		if !ok {
			t.Errorf("%s: %s is not reached in three taps; what is: %v", x.name, path, slices.Sorted(maps.Keys(taps)))
			continue
		}
		if !strings.Contains(page(path), x.sees) {
			t.Errorf("%s: %s does not show %q", x.name, path, x.sees)
		}
		t.Logf("%s: %d taps", x.name, n)
	}
}
