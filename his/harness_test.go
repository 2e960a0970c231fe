package his

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

// fixedDay is the day of the tests: the fixtures are in their states on it.
const fixedDay civil.Date = 20250620

// A platform is the server over a real store with the fixtures.
type platform struct {
	t           testing.TB
	server      *Server
	http        *httptest.Server
	register    *enrolment.Register
	credentials *credential.Service
	signer      *gm.Signer
	log         bytes.Buffer
	now         time.Time
	messages    int
}

func newPlatform(t testing.TB) *platform {
	t.Helper()
	ctx := context.Background()
	store, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	database := dbtest.Open(t)
	sealer, err := gm.NewSealer(bytes.Repeat([]byte{7}, 48))
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{t: t, register: enrolment.New(sealer)}
	p.now = time.Date(fixedDay.Year(), time.Month(fixedDay.Month()), fixedDay.Day(), 10, 0, 0, 0, zone)
	if _, err := demo.Seed(ctx, database, p.register, demo.Options{Today: fixedDay}); err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return p.now }
	if p.signer, err = gm.NewSigner(); err != nil {
		t.Fatal(err)
	}
	issuer, err := credential.NewIssuer(p.signer, "990100", "990200")
	if err != nil {
		t.Fatal(err)
	}
	p.credentials = credential.New(credential.Config{DB: database, Register: p.register, Issuer: issuer, Faces: credential.TestVerifier{}, Now: clock})
	p.server = New(Config{
		Credentials: p.credentials,
		DB:          database, Sealer: sealer, Enrolment: p.register,
		Settlement: settlement.New(store, p.register, clock),
		Security:   Security{Signer: p.signer},
		Now:        clock, Log: slog.New(slog.NewTextHandler(&p.log, nil)),
	})
	var serial atomic.Uint64
	p.server.serial = func() uint64 { return serial.Add(1) }
	mux := http.NewServeMux()
	mux.Handle("/his", p.server)
	mux.Handle("/his/", p.server)
	p.http = httptest.NewServer(mux)
	t.Cleanup(p.http.Close)
	return p
}

// answer does what a message without a file asks.
func (s *Server) answer(ctx context.Context, body []byte, number string, st *stamp) []byte {
	_, reply, _ := s.do(ctx, body, nil, number, nil, st)
	return reply
}

// read decodes and checks a message that need not be proved.
func (s *Server) read(body []byte, number string) (*request, error) {
	m, err := s.open(body, number)
	if err != nil {
		return nil, err
	}
	return s.request(m)
}

// A desk is an operator at a provider's system.
type desk struct {
	*platform
	provider, operator, signNo, insured string
}

func (p *platform) desk(provider string) *desk {
	return &desk{platform: p, provider: provider, operator: "0001"}
}

// message is the text a desk sends; every one has a msgid of its own.
func (d *desk) message(infno, input string) string {
	d.messages++
	return fmt.Sprintf(`{"infno":%q,"msgid":"%s%s%04d","mdtrtarea_admvs":%q,"insuplc_admdvs":%q,"recer_sys_code":"ANJI","dev_no":"null",`+
		`"dev_safe_info":"","cainfo":"null","signtype":"","infver":"V1.0","opter_type":"1","opter":%q,"opter_name":"测试员",`+
		`"inf_time":%q,"fixmedins_code":%q,"fixmedins_name":"测试机构","sign_no":%q,"input":%s}`,
		infno, d.provider, d.now.Format(stampLayout), d.messages, d.provider[1:7], d.insured, d.operator,
		d.now.Format(clockLayout), d.provider, d.signNo, input)
}

// A reply as a client reads it.
type reply struct {
	raw     string
	Infcode json.Number `json:"infcode"`
	Refmsg  string      `json:"inf_refmsgid"`
	ErrMsg  string      `json:"err_msg"`
	WarnMsg string      `json:"warn_msg"`
	Output  map[string]json.RawMessage
}

func (p *platform) post(path, contentType, body string) (*http.Response, string) {
	p.t.Helper()
	resp, err := http.Post(p.http.URL+path, contentType, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp, string(raw)
}

func (p *platform) send(message string) reply {
	p.t.Helper()
	resp, raw := p.post("/his", "application/json", message)
	if resp.StatusCode != http.StatusOK {
		p.t.Fatalf("status %s: %s", resp.Status, raw)
	}
	return p.parse(raw)
}

func (p *platform) parse(raw string) reply {
	p.t.Helper()
	r := reply{raw: raw}
	if err := json.Unmarshal([]byte(raw), &r); err != nil {
		p.t.Fatalf("%v: %s", err, raw)
	}
	return r
}

// ask sends a transaction that must be done, and checks the form of its output
// by the table.
func (d *desk) ask(infno, input string) reply {
	d.t.Helper()
	r := d.send(d.message(infno, input))
	if r.Infcode != "0" {
		d.t.Fatalf("%s: %s", infno, r.ErrMsg)
	}
	d.conforms(infno, r)
	return r
}

// refused sends a transaction that must not be done and returns err_msg.
func (d *desk) refused(infno, input string) string {
	d.t.Helper()
	r := d.send(d.message(infno, input))
	if r.Infcode != "-1" || r.Output != nil {
		d.t.Fatalf("%s was done: %s", infno, r.raw)
	}
	return r.ErrMsg
}

// conforms checks an output by the same table that checks inputs.
func (p *platform) conforms(infno string, r reply) {
	p.t.Helper()
	v, err := parseJSON([]byte(r.raw))
	if err != nil {
		p.t.Fatal(err)
	}
	var c checker
	for _, n := range p.server.spec.Transaction(infno).Output {
		if at := v.get("output").get(n.Name); at != nil {
			c.node(n, at)
		}
	}
	if err := c.err(); err != nil {
		p.t.Errorf("%s: the output does not conform: %v\n%s", infno, err, r.raw)
	}
}

// object is the one row of a node.
func (r reply) object(t testing.TB, node string) map[string]any {
	t.Helper()
	var m map[string]any
	r.decode(t, node, &m)
	return m
}

// list are the rows of a node.
func (r reply) list(t testing.TB, node string) []map[string]any {
	t.Helper()
	var m []map[string]any
	r.decode(t, node, &m)
	return m
}

func (r reply) decode(t testing.TB, node string, into any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(r.Output[node]))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		t.Fatalf("node %s: %v in %s", node, err, r.raw)
	}
}

// fen reads amounts of a row.
func fen(t testing.TB, row map[string]any, name string) money.Fen {
	t.Helper()
	a, err := money.Parse(fmt.Sprint(row[name]))
	if err != nil {
		t.Fatalf("%s = %v: %v", name, row[name], err)
	}
	return a
}

func sum(t testing.TB, row map[string]any, names ...string) (total money.Fen) {
	t.Helper()
	for _, n := range names {
		total += fen(t, row, n)
	}
	return total
}

// balanced checks the identities of the amounts of a settlement.
func balanced(t testing.TB, r reply) {
	t.Helper()
	info := r.object(t, "setlinfo")
	var details money.Fen
	for _, d := range r.list(t, "setldetail") {
		details += fen(t, d, "fund_payamt")
	}
	total := fen(t, info, "medfee_sumamt")
	for _, id := range []struct {
		what      string
		got, want money.Fen
	}{
		{"the division of the total", sum(t, info, "fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt"), total},
		{"fund, person and hospital", sum(t, info, "fund_pay_sumamt", "psn_part_amt", "hosp_part_amt"), total},
		{"account and cash", sum(t, info, "acct_pay", "psn_cash_pay"), fen(t, info, "psn_part_amt")},
		{"the funds", sum(t, info, "hifp_pay", "cvlserv_pay", "hifes_pay", "hifmi_pay", "hifob_pay", "maf_pay", "oth_pay", "hifdm_pay"), fen(t, info, "fund_pay_sumamt")},
		{"the details", details, sum(t, info, "fund_pay_sumamt", "acct_pay", "hosp_part_amt")},
	} {
		if id.got != id.want {
			t.Errorf("%s: %s, want %s in %s", id.what, id.got, id.want, r.raw)
		}
	}
}

// signedIn signs the desk in.
func (d *desk) signIn() *desk {
	d.t.Helper()
	r := d.ask("9001", `{"signIn":{"opter_no":"`+d.operator+`","mac":"00-00-00-00","ip":"10.0.0.1"}}`)
	d.signNo = r.object(d.t, "signinoutb")["sign_no"].(string)
	return d
}

// person asks 1101 by citizen ID.
func (d *desk) person(citizenID, name string) (reply, string) {
	d.t.Helper()
	r := d.ask("1101", `{"data":{"mdtrt_cert_type":"02","mdtrt_cert_no":"`+citizenID+`","card_sn":"","begntime":"","psn_cert_type":"01","certno":"`+citizenID+`","psn_name":"`+name+`"}}`)
	return r, r.object(d.t, "baseinfo")["psn_no"].(string)
}

// A bill is what fee lines are made of.
type item struct {
	code     string
	quantity string
	price    string
	amount   string
}

func (d *desk) fees(infno, visit, person, medType string, items []item) reply {
	d.t.Helper()
	return d.ask(infno, feesInput(visit, person, medType, d.now, items))
}

func feesInput(visit, person, medType string, at time.Time, items []item) string {
	rows := make([]string, len(items))
	for i, it := range items {
		rows[i] = fmt.Sprintf(`{"feedetl_sn":"%d","mdtrt_id":%q,"psn_no":%q,"chrg_bchno":"B1","med_type":%q,"rx_circ_flag":"0","fee_ocur_time":%q,`+
			`"med_list_codg":%q,"medins_list_codg":"L%d","det_item_fee_sumamt":%s,"cnt":%s,"pric":%s,"bilg_dept_codg":"A03","bilg_dept_name":"内科",`+
			`"bilg_dr_codg":"D1","bilg_dr_name":"示例医师","hosp_appr_flag":"0"}`, i+1, visit, person, medType, at.Format(clockLayout), it.code, i+1, it.amount, it.quantity, it.price)
	}
	return `{"feedetail":[` + strings.Join(rows, ",") + `]}`
}

// register, describe: an outpatient visit of a kind of care.
func (d *desk) outpatient(person, citizenID, insutype, medType string) string {
	d.t.Helper()
	r := d.ask("2201", fmt.Sprintf(`{"data":{"psn_no":%q,"insutype":%q,"begntime":%q,"mdtrt_cert_type":"02","mdtrt_cert_no":%q,"ipt_otp_no":"M1","atddr_no":"D1","dr_name":"示例医师","dept_code":"A03","dept_name":"内科","caty":"A03"}}`,
		person, insutype, d.now.Format(clockLayout), citizenID))
	visit := r.object(d.t, "data")["mdtrt_id"].(string)
	d.ask("2203A", fmt.Sprintf(`{"mdtrtinfo":{"mdtrt_id":%q,"psn_no":%q,"med_type":%q,"begntime":%q,"dise_codg":"","dise_name":""},`+
		`"diseinfo":[{"diag_type":"1","diag_srt_no":"1","diag_code":"J06.9","diag_name":"急性上呼吸道感染","diag_dept":"内科","dise_dor_no":"D1","dise_dor_name":"示例医师","diag_time":%q,"vali_flag":"1"}]}`,
		visit, person, medType, d.now.Format(clockLayout), d.now.Format(clockLayout)))
	return visit
}

func (d *desk) admission(person, citizenID, insutype, medType, begun string) string {
	d.t.Helper()
	return d.ask("2401", admission(person, citizenID, insutype, medType, begun)).object(d.t, "result")["mdtrt_id"].(string)
}

func admission(person, citizenID, insutype, medType, begun string) string {
	return fmt.Sprintf(`{"mdtrtinfo":{"psn_no":%q,"insutype":%q,"begntime":%q,"mdtrt_cert_type":"02","mdtrt_cert_no":%q,"med_type":%q,"ipt_no":"Z1","atddr_no":"D1","chfpdr_name":"示例医师",`+
		`"adm_diag_dscr":"肺炎","adm_dept_codg":"A03","adm_dept_name":"内科","adm_bed":"1","dscg_maindiag_code":"J18.9","dscg_maindiag_name":"肺炎"},`+
		`"diseinfo":[{"psn_no":%q,"diag_type":"1","maindiag_flag":"1","diag_srt_no":"1","diag_code":"J18.9","diag_name":"肺炎","diag_dept":"内科","dise_dor_no":"D1","dise_dor_name":"示例医师","diag_time":%q}]}`,
		person, insutype, begun, citizenID, medType, person, begun)
}

// outpatientBill is the input of 2206 and 2207.
func outpatientBill(person, citizenID, visit, insutype, medType, total, amounts string) string {
	return fmt.Sprintf(`{"data":{"psn_no":%q,"mdtrt_cert_type":"02","mdtrt_cert_no":%q,"med_type":%q,"medfee_sumamt":%s,"psn_setlway":"01","mdtrt_id":%q,"chrg_bchno":"B1","insutype":%q,"acct_used_flag":"1",%s}}`,
		person, citizenID, medType, total, visit, insutype, amounts)
}

const noAmounts = `"fulamt_ownpay_amt":0,"overlmt_selfpay":0,"preselfpay_amt":0,"inscp_scp_amt":0`

// stayBill is the input of 2303 and 2304.
func stayBill(person, citizenID, visit, insutype, total, discharged, amounts string) string {
	return fmt.Sprintf(`{"data":{"psn_no":%q,"mdtrt_cert_type":"02","mdtrt_cert_no":%q,"medfee_sumamt":%s,"psn_setlway":"01","mdtrt_id":%q,"acct_used_flag":"1","insutype":%q,"mid_setl_flag":"0","dscgTime":%q,%s}}`,
		person, citizenID, total, visit, insutype, discharged, amounts)
}
