package hisdocs_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/anji-platform/anji/his"
	"github.com/anji-platform/anji/hisdocs"
)

func description(t *testing.T) (*openapi3.T, *his.Server) {
	t.Helper()
	i := his.New(his.Config{})
	doc, err := openapi3.NewLoader().LoadFromData(hisdocs.OpenAPI(i))
	must(t, err)
	return doc, i
}

// conforms checks a message against a schema of the description.
func conforms(s *openapi3.SchemaRef, message []byte) error {
	var v any
	if err := json.Unmarshal(message, &v); err != nil {
		return err
	}
	return s.Value.VisitJSON(v, openapi3.EnableJSONSchema2020(), openapi3.MultiErrors())
}

func messages(doc *openapi3.T, number string) (request, reply *openapi3.SchemaRef) {
	post := doc.Paths.Value("/his/" + number).Post
	return post.RequestBody.Value.Content.Get("application/json").Schema, post.Responses.Value("200").Value.Content.Get("application/json").Schema
}

// TestOpenAPI validates the description and, by it, every example.
func TestOpenAPI(t *testing.T) {
	doc, i := description(t)
	must(t, doc.Validate(t.Context()))
	if doc.OpenAPI != "3.1.0" || doc.Paths.Len() != len(i.Offered()) {
		t.Errorf("OpenAPI %s with %d paths for %d transactions", doc.OpenAPI, doc.Paths.Len(), len(i.Offered()))
	}
	for _, number := range i.Offered() {
		tr := i.Spec().Transaction(number)
		request, reply := messages(doc, number)
		if err := conforms(request, i.Spec().ExampleRequest(tr)); err != nil {
			t.Errorf("%s: the example request: %v", number, err)
		}
		if tr.AnswersFile() {
			continue
		}
		if err := conforms(reply, i.Spec().ExampleReply(tr)); err != nil {
			t.Errorf("%s: the example reply: %v", number, err)
		}
	}
}

// TestSchemasRefuse changes a good message in one way that its schema must not
// take.
func TestSchemasRefuse(t *testing.T) {
	doc, i := description(t)
	request, reply := messages(doc, "2207")
	tr := i.Spec().Transaction("2207")
	good := string(i.Spec().ExampleRequest(tr))
	for _, change := range [][2]string{
		{`"infno":"2207"`, `"infno":"2304"`},
		{`"opter_type":"1"`, `"opter_type":"x"`},
		{`"psn_no":"{psn_no}",`, ``},
		{`"psn_no":"{psn_no}"`, `"psn_no":""`},
		{`"psn_no":"{psn_no}"`, `"psn_no":"` + strings.Repeat("长", 31) + `"`},
		{`"medfee_sumamt":260.00`, `"medfee_sumamt":1e14`},
		{`"medfee_sumamt":260.00`, `"medfee_sumamt":"much"`},
		{`"insutype":"310"`, `"insutype":"31"`},
		{`"input":{"data":{`, `"input":{"other":{`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("the example has no %s", change[0])
		}
		if conforms(request, []byte(bad)) == nil {
			t.Errorf("%s is taken", change[1])
		}
	}
	for _, text := range []string{
		`{"infcode":-1,"inf_refmsgid":"1","refmsg_time":"1","respond_time":"1","err_msg":"原因","warn_msg":"","output":null}`,
	} {
		if err := conforms(reply, []byte(text)); err != nil {
			t.Errorf("a refusal is not taken: %v", err)
		}
	}
}

// TestRealReplies asks the examples of a visit of a whole server and checks its
// replies against their schemas.
func TestRealReplies(t *testing.T) {
	s := sandbox(t)
	doc, i := description(t)
	known := map[string]string{"opter": "demo"}
	for n, number := range []string{"9001", "1101", "1201", "2201", "2203", "2204", "2206", "2207", "9002"} {
		text := string(i.Spec().ExampleRequest(i.Spec().Transaction(number)))
		text = regexp.MustCompile(`\{[a-z_]+\}`).ReplaceAllStringFunc(text, func(b string) string { return known[b[1:len(b)-1]] })
		text = strings.Replace(text, "0000001", "000000"+string(rune('1'+n)), 1)
		r, err := http.Post(s.URL+"/his/"+number, "application/json", strings.NewReader(text))
		must(t, err)
		var raw json.RawMessage
		must(t, json.NewDecoder(r.Body).Decode(&raw))
		must(t, r.Body.Close())
		if !strings.HasPrefix(string(raw), `{"infcode":0,`) {
			t.Fatalf("%s: %s", number, raw)
		}
		for _, m := range regexp.MustCompile(`"([a-z_]+)":"([^"]+)"`).FindAllSubmatch(raw, -1) {
			known[string(m[1])] = string(m[2])
		}
		_, reply := messages(doc, number)
		if err := conforms(reply, raw); err != nil {
			t.Errorf("%s: %v\n%s", number, err, raw)
		}
	}
}
