package traffic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/server"
)

// HTTP measures the whole way: clients send what hospitals and pharmacies send
// for each visit, registration to settlement, over connections of their own.
func HTTP(ctx context.Context, s *server.Server, o Options) (Figures, error) {
	w, err := open(ctx, s, o)
	if err != nil {
		return Figures{}, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Figures{}, err
	}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- s.Serve(serving, l) }()
	f, err := w.drive(ctx, l.Addr().String(), o)
	stop()
	return f, errors.Join(err, <-served)
}

func (w *world) drive(ctx context.Context, address string, o Options) (Figures, error) {
	clients := make([]*Client, o.Clients)
	for i := range clients {
		clients[i] = NewClient(address, i)
	}
	for i, c := range clients {
		for _, p := range append(w.hospitals, w.pharmacies...) {
			if err := c.SignIn(p); err != nil {
				return Figures{}, fmt.Errorf("client %d: %w", i, err)
			}
		}
	}
	latencies := make([][]time.Duration, o.Clients)
	var total, fund, messages atomic.Int64
	errs := make(chan error, o.Clients)
	var wg sync.WaitGroup
	watch := begin()
	until := watch.begun.Add(o.Duration)
	for i, c := range clients {
		wg.Go(func() {
			p := w.planner(i)
			for time.Now().Before(until) && ctx.Err() == nil {
				v := p.next()
				done, err := c.visit(&v)
				if err != nil {
					errs <- err
					return
				}
				latencies[i] = append(latencies[i], done.took)
				total.Add(int64(v.total))
				fund.Add(int64(done.fund))
			}
			messages.Add(int64(c.sent))
		})
	}
	wg.Wait()
	f := watch.end(latencies)
	f.Total, f.Fund, f.Messages = money.Fen(total.Load()), money.Fen(fund.Load()), int(messages.Load())
	select {
	case err := <-errs:
		return f, err
	default:
	}
	return f, w.conserved(ctx, f)
}

// Client is one connection that speaks the national interface, and as little
// else as it can.
type Client struct {
	http     *fasthttp.HostClient
	url      string
	id       int
	serial   int
	sent     int
	operator string
	buf      bytes.Buffer
	req      fasthttp.Request
	resp     fasthttp.Response
	// told, if set, learns of every message and what came of it: the reply is
	// nil if there was none.
	told func(message, reply []byte)
}

// NewClient makes a client of the interface at host:port. Clients with other
// ids are other operators.
func NewClient(address string, id int) *Client {
	return &Client{http: &fasthttp.HostClient{Addr: address, MaxConns: 1, ReadTimeout: 30 * time.Second, MaxIdemponentCallAttempts: 1}, url: "http://" + address + "/his", id: id, operator: fmt.Sprintf("op%d", id)}
}

// SignIn signs the client's operator in at a provider.
func (c *Client) SignIn(provider string) error {
	_, err := c.Call("9001", provider, "", `{"signIn":{"opter_no":"`+c.operator+`","mac":"0","ip":"127.0.0.1"}}`)
	return err
}

// Message makes a message of a transaction, with a number of its own.
func (c *Client) Message(number, provider, insured, input string) []byte {
	c.serial++
	now := time.Now().In(china)
	b := &c.buf
	b.Reset()
	b.WriteString(`{"infno":"` + number + `","msgid":"` + provider + now.Format("20060102150405"))
	fmt.Fprintf(b, `%02d%06d`, c.id%100, c.serial)
	b.WriteString(`","mdtrtarea_admvs":"990100","insuplc_admdvs":"` + insured + `","recer_sys_code":"ANJI","infver":"V1.0","opter_type":"1","opter":"` + c.operator +
		`","opter_name":"bench","inf_time":"` + now.Format(time.DateTime) + `","fixmedins_code":"` + provider + `","fixmedins_name":"bench","sign_no":"","input":` + input + `}`)
	return b.Bytes()
}

// ErrRefused says that the interface answered with an err_msg.
var ErrRefused = errors.New("refused")

// Send sends a message and gives the reply, which is good until the next call.
// The error is ErrRefused if the interface says no, any other if there was no
// answer.
func (c *Client) Send(message []byte) ([]byte, error) {
	c.sent++
	c.req.SetRequestURI(c.url)
	c.req.Header.SetMethod("POST")
	c.req.Header.SetContentType("application/json")
	c.req.SetBody(message)
	err := c.http.Do(&c.req, &c.resp)
	var reply []byte
	if err == nil {
		reply = c.resp.Body()
	}
	if c.told != nil {
		c.told(message, reply)
	}
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(reply, []byte(`{"infcode":0,`)) {
		return reply, fmt.Errorf("%w: %s", ErrRefused, Field(reply, "err_msg"))
	}
	return reply, nil
}

// Call makes a message and sends it.
func (c *Client) Call(number, provider, insured, input string) ([]byte, error) {
	reply, err := c.Send(c.Message(number, provider, insured, input))
	if err != nil {
		err = fmt.Errorf("%s: %w", number, err)
	}
	return reply, err
}

// Field is the first value of the name in a reply, as text.
func Field(reply []byte, name string) string {
	i := bytes.Index(reply, []byte(`"`+name+`":`))
	if i < 0 {
		return ""
	}
	v := reply[i+len(name)+3:]
	if len(v) > 0 && v[0] == '"' {
		v = v[1:]
		return string(v[:max(0, bytes.IndexByte(v, '"'))])
	}
	return string(v[:max(0, bytes.IndexAny(v, ",}]"))])
}

// settled is what a client learns of a visit.
type settled struct {
	id   string
	fund money.Fen
	took time.Duration // of the settlement
}

// visit makes a visit, registration to settlement.
func (c *Client) visit(v *plan) (settled, error) {
	now := time.Now().In(china).Format(time.DateTime)
	scheme := "310"
	if v.person.scheme == policy.Resident {
		scheme = "390"
	}
	stay := v.Kind == policy.Inpatient
	open := `{"data":{"psn_no":"` + v.person.id + `","insutype":"` + scheme + `","begntime":"` + now + `","mdtrt_cert_type":"02","mdtrt_cert_no":"` + v.person.citizenID +
		`","ipt_otp_no":"1","atddr_no":"D001","dr_name":"医生","dept_code":"A03","dept_name":"内科","caty":"A03"}}`
	number := "2201"
	diagnosis := `"diseinfo":[{"psn_no":"` + v.person.id + `","diag_type":"1","maindiag_flag":"1","diag_srt_no":1,"diag_code":"J18.900","diag_name":"肺炎","adm_cond":"1","diag_dept":"内科","dise_dor_no":"D001","dise_dor_name":"医生","diag_time":"` + now + `","vali_flag":"1"}]`
	if stay {
		number = "2401"
		open = `{"mdtrtinfo":{"psn_no":"` + v.person.id + `","insutype":"` + scheme + `","begntime":"` + now + `","mdtrt_cert_type":"02","mdtrt_cert_no":"` + v.person.citizenID +
			`","med_type":"21","ipt_no":"1","medrcdno":"1","atddr_no":"D001","chfpdr_name":"医生","adm_diag_dscr":"肺炎","adm_dept_codg":"A03","adm_dept_name":"内科","adm_bed":"1","dscg_maindiag_code":"J18.900","dscg_maindiag_name":"肺炎"},` + diagnosis + `}`
	}
	reply, err := c.Call(number, v.provider, "990100", open)
	if err != nil {
		return settled{}, err
	}
	id := Field(reply, "mdtrt_id")
	if !stay {
		if _, err := c.Call("2203", v.provider, "990100", `{"mdtrtinfo":{"mdtrt_id":"`+id+`","psn_no":"`+v.person.id+`","med_type":"`+v.MedType+`","begntime":"`+now+`","dise_codg":"J18.900","dise_name":"肺炎"},`+diagnosis+`}`); err != nil {
			return settled{}, err
		}
	}
	var fees bytes.Buffer
	fees.WriteString(`{"feedetail":[`)
	for i, l := range v.lines {
		if i > 0 {
			fees.WriteByte(',')
		}
		amount := l.amount.String()
		fees.WriteString(`{"feedetl_sn":"` + strconv.Itoa(i+1) + `","mdtrt_id":"` + id + `","psn_no":"` + v.person.id + `","chrg_bchno":"1","med_type":"` + v.MedType + `","rx_circ_flag":"0","fee_ocur_time":"` + now +
			`","med_list_codg":"` + l.item + `","medins_list_codg":"` + l.item + `","det_item_fee_sumamt":` + amount + `,"cnt":1,"pric":` + amount +
			`,"bilg_dept_codg":"A03","bilg_dept_name":"内科","bilg_dr_codg":"D001","bilg_dr_name":"医生","hosp_appr_flag":"0"}`)
	}
	fees.WriteString(`]}`)
	number = "2204"
	if stay {
		number = "2301"
	}
	if _, err := c.Call(number, v.provider, "990100", fees.String()); err != nil {
		return settled{}, err
	}
	settle := `{"data":{"psn_no":"` + v.person.id + `","mdtrt_cert_type":"02","mdtrt_cert_no":"` + v.person.citizenID + `","med_type":"` + v.MedType + `","medfee_sumamt":` + v.total.String() +
		`,"psn_setlway":"01","mdtrt_id":"` + id + `","chrg_bchno":"1","acct_used_flag":"1","insutype":"` + scheme + `","fulamt_ownpay_amt":0,"overlmt_selfpay":0,"preselfpay_amt":` + v.firstPay.String() +
		`,"inscp_scp_amt":` + (v.total - v.firstPay).String()
	number = "2207"
	if stay {
		number = "2304"
		settle += `,"mid_setl_flag":"0","dscgTime":"` + now[:10] + `"`
	}
	from := time.Now()
	reply, err = c.Call(number, v.provider, "990100", settle+`}}`)
	if err != nil {
		return settled{}, err
	}
	took := time.Since(from)
	fund, err := money.Parse(Field(reply, "fund_pay_sumamt"))
	return settled{Field(reply, "setl_id"), fund, took}, err
}
