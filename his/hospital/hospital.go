// Package hospital is a small hospital information system (HIS) that speaks the
// national interface over HTTP. The demonstration uses it to do a hospital's
// day for real, and tests use it to talk to a server as a hospital would.
package hospital

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/anji-platform/anji/money"
)

// Hospital is one hospital's connection to the interface.
type Hospital struct {
	Base     string // address of the interface, such as http://127.0.0.1:8080/his
	Code     string // 机构编号
	Name     string
	Region   string // 就医地医保区划
	Operator string
	Client   *http.Client     // nil: http.DefaultClient
	Now      func() time.Time // nil: time.Now
	Keys     *Keys            // prove and encrypt messages; nil: they are sent as they are

	signNo string
	serial int
}

// object is a JSON object of the interface.
type object = map[string]any

// Bill is one fee line as a hospital charges it.
type Bill struct {
	Item   string // 医疗目录编码
	Name   string
	Amount string // yuan
}

// Settled is what the hospital learns from a settlement.
type Settled struct {
	ID                          string // 结算ID
	Person, Kind                string
	Total, Fund, Share          money.Fen
	Basic, FirstOwn, Deductible money.Fen
	InScope, Account, Cash      money.Fen
}

// zone is China's time, the only one of the interface.
var zone = time.FixedZone("CST", 8*60*60)

func (h *Hospital) now() time.Time {
	if h.Now != nil {
		return h.Now().In(zone)
	}
	return time.Now().In(zone)
}

// Call sends one transaction and returns its output. The error holds err_msg.
func (h *Hospital) Call(ctx context.Context, number, insured string, input object) (object, error) {
	h.serial++
	now := h.now()
	body, err := json.Marshal(object{
		"infno": number, "msgid": fmt.Sprintf("%s%s%04d", h.Code, now.Format("20060102150405"), h.serial%10000),
		"mdtrtarea_admvs": h.Region, "insuplc_admdvs": insured, "recer_sys_code": "ANJI", "infver": "V1.0",
		"opter_type": "1", "opter": h.Operator, "opter_name": h.Operator, "inf_time": now.Format(time.DateTime),
		"fixmedins_code": h.Code, "fixmedins_name": h.Name, "sign_no": h.signNo, "input": input,
	})
	if err != nil {
		return nil, err
	}
	if body, err = h.Keys.Seal(body); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.Base+"/"+number, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	h.Keys.Pass(req.Header, now)
	client := h.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return nil, err
	}
	reply, err := h.Keys.Open(data)
	if err != nil {
		return nil, fmt.Errorf("%s: status %d: %w", number, resp.StatusCode, err)
	}
	if reply["infcode"] != json.Number("0") {
		message := text(reply, "err_msg")
		if message == "" {
			message = text(reply, "message") // a gateway's
		}
		return nil, fmt.Errorf("%s: %s", number, message)
	}
	return node(reply, "output"), nil
}

// Scan asks whose code it is that a scanner read (6101), and returns the token
// that stands for the person.
func (h *Hospital) Scan(ctx context.Context, code, business string) (token string, err error) {
	out, err := h.Call(ctx, "6101", "", object{"InData": object{"orgId": h.Code, "ecQrCode": code, "businessType": business, "operatorId": h.Operator}})
	return text(node(out, "OutData"), "ecToken"), err
}

// node returns an object below out; a list gives its first.
func node(out object, name string) object {
	switch v := out[name].(type) {
	case object:
		return v
	case []any:
		if len(v) > 0 {
			o, _ := v[0].(object)
			return o
		}
	}
	return nil
}

func text(o object, name string) string {
	switch v := o[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

func amount(o object, name string) (money.Fen, error) {
	v, err := money.Parse(text(o, name))
	if err != nil {
		return 0, fmt.Errorf("%s %q: %w", name, text(o, name), err)
	}
	return v, nil
}

// SignIn signs the operator in (9001); the other calls carry its number.
func (h *Hospital) SignIn(ctx context.Context) error {
	out, err := h.Call(ctx, "9001", "", object{"signIn": object{"opter_no": h.Operator, "mac": "00-00-00-00-00-00", "ip": "127.0.0.1"}})
	if err == nil {
		h.signNo = text(node(out, "signinoutb"), "sign_no")
	}
	return err
}

// patient is a person as the interface introduced them.
type patient struct {
	number, name, region, scheme, citizenID string
}

func (h *Hospital) patient(ctx context.Context, m Means, citizenID, name string) (patient, error) {
	out, err := h.Call(ctx, "1101", "", object{"data": object{"mdtrt_cert_type": m.Kind, "mdtrt_cert_no": m.Number, "psn_cert_type": "01", "certno": citizenID, "psn_name": name}})
	if err != nil {
		return patient{}, err
	}
	base, insu := node(out, "baseinfo"), node(out, "insuinfo")
	return patient{number: text(base, "psn_no"), name: text(base, "psn_name"), region: text(insu, "insuplc_admdvs"), scheme: text(insu, "insutype"), citizenID: citizenID}, nil
}

func (h *Hospital) feeLines(visit string, p patient, medType string, lines []Bill) ([]any, money.Fen, error) {
	var out []any
	var total money.Fen
	at := h.now().Format(time.DateTime)
	for i, b := range lines {
		a, err := money.Parse(b.Amount)
		if err != nil {
			return nil, 0, err
		}
		total += a
		out = append(out, object{
			"feedetl_sn": fmt.Sprint(i + 1), "mdtrt_id": visit, "psn_no": p.number, "chrg_bchno": "1", "med_type": medType, "rx_circ_flag": "0",
			"fee_ocur_time": at, "med_list_codg": b.Item, "medins_list_codg": b.Item, "det_item_fee_sumamt": b.Amount, "cnt": 1, "pric": b.Amount,
			"bilg_dept_codg": "A03", "bilg_dept_name": "内科", "bilg_dr_codg": "D001", "bilg_dr_name": "示例医生", "hosp_appr_flag": "0",
		})
	}
	return out, total, nil
}

func diagnosis(p patient, at string) object {
	return object{"psn_no": p.number, "diag_type": "1", "maindiag_flag": "1", "diag_srt_no": 1, "diag_code": "J18.900", "diag_name": "肺炎", "adm_cond": "1",
		"diag_dept": "内科", "dise_dor_no": "D001", "dise_dor_name": "示例医生", "diag_time": at, "vali_flag": "1"}
}

// Inpatient admits a person, charges the lines, and settles the stay:
// 1101 → 2401 → 2301 → 2303 → 2304.
func (h *Hospital) Inpatient(ctx context.Context, citizenID, name string, lines []Bill) (Settled, error) {
	p, err := h.patient(ctx, Means{Kind: "02", Number: citizenID}, citizenID, name)
	if err != nil {
		return Settled{}, err
	}
	at := h.now().Format(time.DateTime)
	out, err := h.Call(ctx, "2401", p.region, object{
		"mdtrtinfo": object{"psn_no": p.number, "insutype": p.scheme, "begntime": at, "mdtrt_cert_type": "02", "mdtrt_cert_no": citizenID, "med_type": "21",
			"ipt_no": "ZY" + h.now().Format("20060102150405"), "medrcdno": "BL1", "atddr_no": "D001", "chfpdr_name": "示例医生", "adm_diag_dscr": "肺炎",
			"adm_dept_codg": "A03", "adm_dept_name": "内科", "adm_bed": "1", "dscg_maindiag_code": "J18.900", "dscg_maindiag_name": "肺炎"},
		"diseinfo": []any{diagnosis(p, at)},
	})
	if err != nil {
		return Settled{}, err
	}
	visit := text(node(out, "result"), "mdtrt_id")
	fees, total, err := h.feeLines(visit, p, "21", lines)
	if err != nil {
		return Settled{}, err
	}
	if _, err := h.Call(ctx, "2301", p.region, object{"feedetail": fees}); err != nil {
		return Settled{}, err
	}
	request := object{"data": object{"psn_no": p.number, "mdtrt_cert_type": "02", "mdtrt_cert_no": citizenID, "medfee_sumamt": total.String(), "psn_setlway": "01",
		"mdtrt_id": visit, "acct_used_flag": "1", "insutype": p.scheme, "mid_setl_flag": "0", "dscgTime": h.now().Format(time.DateOnly)}}
	return h.settle(ctx, p, "住院", "2303", "2304", request)
}

// Means is how a person is recognised and pays.
type Means struct {
	Kind    string // 就诊凭证类型: 01 token of the e-credential, 02 citizen ID, 03 social security card
	Number  string
	Account string // 个人账户使用标志: 0 not, 1 own, 2 the family's too
	Care    string // 医疗类别
	// Disease and DiseaseName are of a chronic or special disease (病种); "" is the
	// pneumonia of every visit here.
	Disease, DiseaseName string
}

// Outpatient registers a person, charges the lines, and settles the visit:
// 2201 → 2203 → 2204 → 2206 → 2207, after 1101.
func (h *Hospital) Outpatient(ctx context.Context, citizenID, name string, lines []Bill) (Settled, error) {
	return h.OutpatientBy(ctx, Means{Kind: "02", Number: citizenID, Account: "1", Care: "11"}, citizenID, name, lines)
}

// OutpatientBy is Outpatient by other means.
func (h *Hospital) OutpatientBy(ctx context.Context, m Means, citizenID, name string, lines []Bill) (Settled, error) {
	p, err := h.patient(ctx, m, citizenID, name)
	if err != nil {
		return Settled{}, err
	}
	if m.Disease == "" {
		m.Disease, m.DiseaseName = "J18.900", "肺炎"
	}
	at := h.now().Format(time.DateTime)
	out, err := h.Call(ctx, "2201", p.region, object{"data": object{"psn_no": p.number, "insutype": p.scheme, "begntime": at, "mdtrt_cert_type": m.Kind, "mdtrt_cert_no": m.Number,
		"ipt_otp_no": "MZ" + h.now().Format("20060102150405"), "atddr_no": "D001", "dr_name": "示例医生", "dept_code": "A03", "dept_name": "内科", "caty": "A03"}})
	if err != nil {
		return Settled{}, err
	}
	visit := text(node(out, "data"), "mdtrt_id")
	if _, err := h.Call(ctx, "2203", p.region, object{
		"mdtrtinfo": object{"mdtrt_id": visit, "psn_no": p.number, "med_type": m.Care, "begntime": at, "dise_codg": m.Disease, "dise_name": m.DiseaseName},
		"diseinfo":  []any{diagnosis(p, at)},
	}); err != nil {
		return Settled{}, err
	}
	fees, total, err := h.feeLines(visit, p, m.Care, lines)
	if err != nil {
		return Settled{}, err
	}
	if _, err := h.Call(ctx, "2204", p.region, object{"feedetail": fees}); err != nil {
		return Settled{}, err
	}
	request := object{"data": object{"psn_no": p.number, "mdtrt_cert_type": m.Kind, "mdtrt_cert_no": m.Number, "med_type": m.Care, "medfee_sumamt": total.String(),
		"psn_setlway": "01", "mdtrt_id": visit, "chrg_bchno": "1", "acct_used_flag": m.Account, "insutype": p.scheme}}
	return h.settle(ctx, p, "门诊", "2206", "2207", request)
}

// settle asks first what settling would give, then settles and compares.
func (h *Hospital) settle(ctx context.Context, p patient, kind, preview, final string, request object) (Settled, error) {
	before, err := h.Call(ctx, preview, p.region, request)
	if err != nil {
		return Settled{}, err
	}
	data := node(request, "data")
	for _, f := range []string{"fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt"} {
		data[f] = node(before, "setlinfo")[f] // what the hospital was told, it tells back
	}
	out, err := h.Call(ctx, final, p.region, request)
	if err != nil {
		return Settled{}, err
	}
	info, first := node(out, "setlinfo"), node(before, "setlinfo")
	s := Settled{ID: text(info, "setl_id"), Person: p.name, Kind: kind}
	for _, f := range []struct {
		name string
		into *money.Fen
	}{{"medfee_sumamt", &s.Total}, {"fund_pay_sumamt", &s.Fund}, {"psn_part_amt", &s.Share}, {"hifp_pay", &s.Basic}, {"preselfpay_amt", &s.FirstOwn},
		{"act_pay_dedc", &s.Deductible}, {"inscp_scp_amt", &s.InScope}, {"acct_pay", &s.Account}, {"psn_cash_pay", &s.Cash}} {
		if *f.into, err = amount(info, f.name); err != nil {
			return Settled{}, fmt.Errorf("%s: %w", final, err)
		}
		if told := text(first, f.name); told != text(info, f.name) {
			return Settled{}, fmt.Errorf("%s said %s of %s, %s says %s", preview, f.name, told, final, text(info, f.name))
		}
	}
	return s, nil
}

// Sample is a message to try by hand: a sign-in, ready to be posted.
func Sample() string {
	return `{"infno":"9001","msgid":"H99010000101202506011200000001","mdtrtarea_admvs":"990100","insuplc_admdvs":"","recer_sys_code":"ANJI",` +
		`"infver":"V1.0","opter_type":"1","opter":"001","opter_name":"示例","inf_time":"2025-06-01 12:00:00","fixmedins_code":"H99010000101",` +
		`"fixmedins_name":"安济示例市人民医院","sign_no":"","input":{"signIn":{"opter_no":"001","mac":"00-00-00-00-00-00","ip":"127.0.0.1"}}}`
}
