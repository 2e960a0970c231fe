package server

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/claim"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/filing"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/paper"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/settlement"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/tipoff"
	"github.com/anji-platform/anji/web"
)

// access is a store in which everything that an address can name is there twice:
// the visitor's own, and another's.
type access struct {
	testing.TB
	sandbox  *Sandbox
	server   *Server
	own      map[string]string    // parameter of an address → what it names, of the visitor
	other    map[string]string    // of somebody else
	far      map[string]string    // of a person of another region
	regional map[signin.Role]bool // whose officer is of one region
	tokens   map[signin.Role]string
	asked    int
}

var parameter = regexp.MustCompile(`\{(\w+)\}`)

func (a *access) path(pattern string, names map[string]string) string {
	_, path, _ := strings.Cut(pattern, " ")
	path = strings.ReplaceAll(path, "{$}", "")
	return parameter.ReplaceAllStringFunc(path, func(p string) string {
		name := p[1 : len(p)-1]
		if name == "paper" && strings.Contains(pattern, "{application}") {
			name = "sheet" // the paper of an application, not of a claim
		}
		v, ok := names[name]
		if !ok {
			a.Fatalf("%s: the test knows no %s; say in access_test.go what it names", pattern, name)
		}
		return v
	})
}

func (a *access) ask(method, path string, role signin.Role) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if method == http.MethodPost {
		r = httptest.NewRequest(method, path, strings.NewReader("x=1"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if token := a.tokens[role]; token != "" {
		r.AddCookie(&http.Cookie{Name: "anji", Value: token})
	}
	a.asked++
	r.RemoteAddr = fmt.Sprintf("10.0.%d.%d:1", a.asked/250, a.asked%250) // so that none asks too often
	w := httptest.NewRecorder()
	a.server.Handler.ServeHTTP(w, r)
	return w
}

func openAccess(t testing.TB) *access {
	t.Helper()
	s := openSandbox(t, t.TempDir())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	a := &access{TB: t, sandbox: s, server: s.current.Server, own: map[string]string{}, other: map[string]string{}, far: map[string]string{}, regional: map[signin.Role]bool{}, tokens: map[signin.Role]string{}}
	h := httptest.NewServer(s)
	defer h.Close()
	care(t, h.URL)
	careOf(t, h.URL, "990100198503120014", "张安", "H99010000101")
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	person := func(citizenID string, names map[string]string) (id string) {
		must(a.server.DB.Update(ctx, func(tx *db.Tx) error {
			p, ok, err := a.server.Register.ByCitizenID(ctx, tx, citizenID)
			if err != nil || !ok {
				t.Fatalf("%s: %v", citizenID, err)
			}
			id = p.ID
			names["person"], names["beneficiary"], names["agent"] = id, id, id
			rows, err := a.server.Settlement.Recent(ctx, tx, 100)
			for _, st := range rows {
				if st.Person.ID == id {
					names["settlement"] = st.ID
				}
			}
			return err
		}))
		return id
	}
	me := person(demo.LiJi, a.own)
	person("990100198503120014", a.other)
	residents := func(citizenID string) (id string) { // one who pays for next year
		must(a.server.DB.Update(ctx, func(tx *db.Tx) error {
			p, _, err := a.server.Register.ByCitizenID(ctx, tx, citizenID)
			if err != nil {
				return err
			}
			bills, err := a.server.dues.Bills(ctx, tx, p.ID)
			if len(bills) > 0 {
				id = bills[0].ID
			}
			return err
		}))
		return id
	}
	declaration := func(code, name string) (id string) {
		must(a.server.DB.Update(ctx, func(tx *db.Tx) error {
			if _, ok, err := contribution.GetEmployer(ctx, tx, code); err != nil {
				return err
			} else if !ok {
				if err := a.server.dues.AddEmployer(ctx, tx, contribution.Employer{Code: code, Name: name, Region: "990100"}, "test"); err != nil {
					return err
				}
			}
			d, err := a.server.dues.Declare(ctx, tx, code, civil.Date(20250601), []contribution.Declared{{N: 2, Name: "新来的", CitizenID: "990100199509010010", Wage: "6000", Change: contribution.Joins}}, "test")
			if err == nil {
				id = d.ID
			}
			return err
		}))
		return id
	}
	a.own["bill"], a.other["bill"] = orElse(residents(demo.LiJi), "B0"), orElse(residents("990100199001010119"), "B1")
	a.own["declaration"] = declaration(demo.Employer.Code, "")
	a.other["declaration"] = declaration("91990100MA0000023Q", "别的公司")
	a.own["operator"], a.other["operator"] = "shouli", "nobody"
	a.own["region"], a.other["region"] = "990100", "000001"
	a.own["from"], a.other["from"] = "2025-01-01", "1999-01-01"
	a.own["edition"], a.other["edition"] = issueNext(t, a.server, "2025-07-01"), "nothing"
	a.own["provider"], a.other["provider"] = "H99010000101", "H00000000000"
	a.own["proposal"], a.other["proposal"] = agree(t, a.server, &Config{Now: now}, provider.Proposal{Provider: "H99010000102", Kind: provider.Suspend, From: 20250701}), "nothing"
	a.own["item"], a.other["item"] = "DRG990000002", "nothing"
	a.own["revision"], a.other["revision"] = revise(t, a.server, &Config{Now: now}), "nothing"
	a.own["name"], a.other["name"] = "x.css", "x.css"
	entry := func(provider string) (id string) {
		must(a.server.DB.View(ctx, func(tx *db.Tx) error {
			leaf, err := fund.Leaf(ctx, tx, fund.Payable(provider), fund.Period{}, 0, 1)
			if err == nil && len(leaf.Movements) > 0 {
				id = strconv.FormatInt(leaf.Movements[0].Entry, 10)
			}
			return err
		}))
		return id
	}
	a.own["account"], a.other["account"] = fund.Payable("H99010000201"), fund.Payable("H99020000101")
	a.own["entry"], a.other["entry"] = entry("H99010000201"), "1"
	a.own["provider"], a.other["provider"] = "H99010000201", "H99020000101"
	a.own["month"], a.other["month"] = "2025-05", "2025-04"
	a.own["clearing"], a.other["clearing"] = "C2025050000000001", "C2025050000000002"
	a.own["question"], a.other["question"] = "33", "1"
	told := func() (id string) {
		must(a.server.DB.Update(ctx, func(tx *db.Tx) error {
			x, err := a.server.tipoffs.Enter(ctx, tx, tipoff.Entry{Region: "990100", Channel: tipoff.Online, Behaviour: tipoff.Other, About: tipoff.Person,
				Subject: "某人", Text: "某天在某处冒用别人的卡看病。", Code: tipoff.NewCode()})
			if err == nil {
				id = x.ID
			}
			return err
		}))
		return id
	}
	a.own["tipoff"], a.other["tipoff"] = told(), told()
	a.own["notice"], a.other["notice"] = "0", "0"
	filed := func(person string, names map[string]string) { // returned, so that papers may be handed in
		must(a.server.DB.Update(ctx, func(tx *db.Tx) error {
			x, err := a.server.filings.ApplyAway(ctx, tx, filing.AwayRequest{Person: person, Channel: filing.Window, Actor: "test",
				Away: filing.Away{Group: "异地长期居住人员", Destination: "310000"}})
			if err != nil {
				return err
			}
			names["application"] = x.ID
			if _, err := a.server.filings.HandIn(ctx, tx, x.ID, person, []filing.Sheet{{Label: "居住证", Name: "a.jpg", Clean: picture(t)}}, "test"); err != nil {
				return err
			}
			files, err := a.server.filings.Papers(ctx, tx, x)
			names["sheet"] = files[0].ID
			return err
		}))
	}
	filed(me, a.own)
	filed(a.other["person"], a.other)
	claimed := func(person string, names map[string]string) {
		must(a.server.DB.Update(ctx, func(tx *db.Tx) error {
			c, err := a.server.Claims.Begin(ctx, tx, person, claim.Window, claim.Form{Reason: "新参保未发卡", Kind: policy.Inpatient}, "test")
			if err != nil {
				return err
			}
			f, err := a.server.Papers.Put(ctx, tx, paper.Handed{Matter: c.ID, Person: person, Label: "收费票据", Clean: picture(t), Actor: "test"})
			names["claim"], names["evidence"] = c.ID, f.ID
			return err
		}))
	}
	claimed(me, a.own)
	claimed(a.other["person"], a.other)
	guo := person(demo.Guo, map[string]string{})
	a.far["person"] = guo
	filed(guo, a.far)
	claimed(guo, a.far)
	a.own["batch"], a.other["batch"] = "Z1", "Z2"
	visit := func(provider string) (id string) {
		must(a.server.DB.Update(ctx, func(tx *db.Tx) error {
			x, err := a.server.Settlement.Open(ctx, tx, settlement.OpenRequest{Person: me, Provider: provider, Begun: now(), Actor: "test"})
			id = x.ID
			return err
		}))
		return id
	}
	a.other["visit"] = visit("H99010000101")
	for _, o := range demo.Operators {
		if slices.Contains(o.Roles, signin.Counter) && a.own["visit"] == "" {
			a.own["visit"] = visit(o.Of)
		}
	}
	token, err := a.server.SignIn.BeginPerson(ctx, me)
	must(err)
	a.tokens[signin.Person] = token
	for _, role := range signin.Roles() {
		i := slices.IndexFunc(demo.Operators, func(o signin.Operator) bool { return slices.Contains(o.Roles, role) })
		if i < 0 {
			t.Fatalf("nobody has the role %s", role)
		}
		a.regional[role] = demo.Operators[i].Region != ""
		if a.tokens[role], err = a.server.SignIn.BeginOperator(ctx, demo.Operators[i].Name); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// away is the address of a route for what is of another region's people, "" if its
// address names nobody's. Officers of a region find none of it.
func (a *access) away(pattern string) string {
	names, found := maps.Clone(a.own), false
	for k, v := range a.far {
		names[k] = v
		found = found || strings.Contains(pattern, "{"+k+"}") && k != "sheet" && k != "evidence"
	}
	if !found {
		return ""
	}
	return a.path(pattern, names)
}

// theirs are the parameters that name something of one person or employer alone:
// asking for another's must find nothing.
var theirs = []string{"settlement", "bill", "declaration", "application", "claim", "paper", "evidence", "visit", "beneficiary", "agent"}

// TestAccess asks for every route as every role, for what is the visitor's own and
// for what is another's. A new route is asked for too: what its address names must
// be said above.
func TestAccess(t *testing.T) {
	a := openAccess(t)
	everybody := append([]signin.Role{"", signin.Person}, signin.Roles()...)
	routes := a.server.site.Routes()
	if len(routes) < 30 {
		t.Fatalf("%d routes", len(routes))
	}
	elsewhere := 0
	for _, r := range routes {
		method, _, _ := strings.Cut(r.Pattern, " ")
		public := slices.Equal(r.For, web.Everyone)
		for _, role := range everybody {
			if method == http.MethodPost && strings.HasSuffix(r.Pattern, "/sign-out") {
				continue // it would end the session that the others are asked with
			}
			own := a.ask(method, a.path(r.Pattern, a.own), role)
			name := r.Pattern + " as " + string(role)
			switch {
			case own.Code >= 500:
				t.Errorf("%s: %d", name, own.Code)
			case public:
				if own.Code == http.StatusForbidden {
					t.Errorf("%s: is for everybody and forbidden", name)
				}
			case role == "":
				if own.Code != http.StatusSeeOther || !strings.Contains(own.Header().Get("Location"), "sign-in") {
					t.Errorf("%s: %d to %q, want the way to sign in", name, own.Code, own.Header().Get("Location"))
				}
			case !slices.Contains(r.For, role):
				if own.Code != http.StatusForbidden {
					t.Errorf("%s: %d, want it forbidden", name, own.Code)
				}
			case own.Code == http.StatusForbidden || strings.Contains(own.Header().Get("Location"), "sign-in"):
				t.Errorf("%s: %d, though the route is for it", name, own.Code)
			}
			if far := a.away(r.Pattern); far != "" && slices.Contains(r.For, role) && a.regional[role] {
				elsewhere++
				if w := a.ask(method, far, role); w.Code != http.StatusNotFound {
					t.Errorf("%s, of another region: %d, want that nothing is found", name, w.Code)
				}
			}
			if role == "" || public || !slices.Contains(r.For, role) || !(role == signin.Person || role == signin.Employer || role == signin.Counter) {
				continue
			}
			for _, m := range parameter.FindAllStringSubmatch(r.Pattern, -1) {
				if !slices.Contains(theirs, m[1]) {
					continue
				}
				names := map[string]string{}
				for k, v := range a.own {
					names[k] = v
				}
				names[m[1]] = a.other[m[1]]
				if m[1] == "paper" {
					names["sheet"] = a.other["sheet"]
				}
				if w := a.ask(method, a.path(r.Pattern, names), role); w.Code != http.StatusNotFound && w.Code != http.StatusUnprocessableEntity {
					t.Errorf("%s, another's %s: %d, want that nothing is found", name, m[1], w.Code)
				}
			}
		}
	}
	if elsewhere < 50 {
		t.Errorf("only %d routes were asked for what is of another region", elsewhere)
	}
}

// TestOtherSites: nothing is changed from another site, and no page of ours is
// shown inside theirs.
func TestOtherSites(t *testing.T) {
	a := openAccess(t)
	for i, r := range a.server.site.Routes() {
		method, _, _ := strings.Cut(r.Pattern, " ")
		req := httptest.NewRequest(method, a.path(r.Pattern, a.own), nil)
		req.RemoteAddr = fmt.Sprintf("10.1.%d.%d:1", i/250, i%250) // so that none asks too often
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		w := httptest.NewRecorder()
		a.server.site.ServeHTTP(w, req)
		if method == http.MethodPost && w.Code != http.StatusForbidden {
			t.Errorf("%s from another site: %d", r.Pattern, w.Code)
		}
		if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe-inline") {
			t.Errorf("%s: content policy %q", r.Pattern, csp)
		}
	}
}

func TestTooOften(t *testing.T) {
	a := openAccess(t)
	var last int
	for range 400 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "198.51.100.7:1234"
		w := httptest.NewRecorder()
		a.server.site.ServeHTTP(w, r)
		if last = w.Code; last == http.StatusTooManyRequests {
			break
		}
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("400 requests at once: %d", last)
	}
}

func orElse(a, b string) string {
	if a == "" {
		return b
	}
	return a
}
