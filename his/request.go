package his

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emmansun/gmsm/sm3"

	"github.com/anji-platform/anji/ident"
)

// A request is a message that passed the envelope's checks.
type request struct {
	spec *Transaction

	msgid    string
	provider string       // 机构编号
	care     ident.Region // 就医地区划
	insured  string       // 参保地区划 as sent, may be empty
	operator string       // 经办人
	signNo   string       // 签到流水号, may be empty

	input    map[string][]record
	digest   [sm3.Size]byte // of what is asked, not of how it was sent
	received time.Time
	warnings []string
	subject  string  // what the message made, such as a settlement's id; "" for nothing that can be undone
	file     *upload // what stood in 9101's field in, or nil
}

// one returns the row of a node that has one. The checker has seen that a
// transaction's first node is there; others may be nil.
func (r *request) one(node string) *record {
	if rows := r.input[node]; len(rows) > 0 {
		return &rows[0]
	}
	return nil
}

var byteOrderMark = []byte("\uFEFF")

// read decodes and checks a message. number is the transaction number of the
// address, "" if it names none. Even a refused message gives what stamp needs.
func (s *Server) read(body []byte, number string) (*request, error) {
	r := &request{received: s.Now()}
	var c checker
	if bytes.HasPrefix(body, byteOrderMark) {
		body = body[len(byteOrderMark):]
		c.warn("报文以 BOM 开头，已忽略")
	}
	msg, err := parseJSON(body)
	if err != nil {
		return r, refuse("%s", err)
	}
	if region, err := ident.ParseRegion(plainText(msg.get("mdtrtarea_admvs"))); err == nil {
		r.care = region
	}
	if number, err = transactionNumber(plainText(msg.get("infno")), number); err != nil {
		return r, err
	}
	if r.spec = s.spec.Transaction(number); r.spec == nil {
		return r, refuse("交易编号 infno“%s”不存在", clip(printable(number), 10))
	}
	if s.offered[base(number)].do == nil {
		return r, refuse("交易 %s %s 在本平台尚未开通", number, r.spec.Name)
	}
	env := envelopeRecord(&c, s.spec.Envelope, msg, number)
	in := msg.get("input")
	if in != nil && in.kind == '"' && strings.HasPrefix(strings.TrimSpace(in.text), "{") {
		if in, err = parseJSON([]byte(in.text)); err != nil {
			return r, refuse("input 是文字，其中的%s", err)
		}
		c.warn("input 是文字，已按 JSON 对象读取")
	}
	if !in.empty() {
		if in.kind != '{' {
			c.fault(faultForm, "input 应为对象")
		} else {
			r.input = c.input(r.spec.Input, in)
		}
	}
	c.region(&env, "mdtrtarea_admvs")
	c.region(&env, "insuplc_admdvs")
	if t := env.text("enc_type"); t != "" {
		c.fault(faultCode, "enc_type“%s”：本平台未开通报文加密，应为空", clip(t, 10))
	}
	if err := c.err(); err != nil {
		return r, err
	}
	r.msgid, r.provider = env.text("msgid"), env.text("fixmedins_code")
	r.operator, r.signNo, r.insured = env.text("opter"), env.text("sign_no"), env.text("insuplc_admdvs")
	if n := utf8.RuneCountInString(r.msgid); n != 30 {
		c.warn("msgid 为 %d 位，规范为 30 位", n)
	}
	r.digest = digest(base(number), &env, in)
	r.warnings = c.warnings
	return r, nil
}

// plainText is the scalar's text, "" for nothing.
func plainText(v *value) string {
	if v.empty() || v.kind == '{' || v.kind == '[' {
		return ""
	}
	return strings.TrimSpace(v.text)
}

// transactionNumber is the number of the message or, if it has none, of the
// address. The two may differ in the suffix A only.
func transactionNumber(infno, address string) (string, error) {
	switch {
	case infno == "" && address == "":
		return "", refuse("缺少 infno（交易编号）")
	case infno == "":
		return address, nil
	case address != "" && base(infno) != base(address):
		return "", refuse("infno“%s”与地址中的交易编号“%s”不一致", clip(printable(infno), 10), clip(printable(address), 10))
	}
	return infno, nil
}

// envelopeRecord checks the envelope's own fields.
func envelopeRecord(c *checker, n *Node, msg *value, number string) record {
	// The number may stand in the address only, and input is checked by the
	// transaction's own table.
	own := &value{kind: '{', members: make([]member, 0, len(msg.members)+1)}
	for _, m := range msg.members {
		switch m.name {
		case "infno":
		case "input":
			if !m.empty() {
				own.members = append(own.members, member{"input", value{kind: '"', text: "{}"}})
			}
		default:
			own.members = append(own.members, m)
		}
	}
	own.members = append(own.members, member{"infno", value{kind: '"', text: number}})
	return c.row(n, own, 0)
}

// region checks that a field of the envelope holds a region code.
func (c *checker) region(r *record, field string) {
	s := r.text(field)
	if s == "" {
		return
	}
	if _, err := ident.ParseRegion(s); err != nil {
		c.fault(faultForm, "%s“%s”：应为六位医保区划", r.node.Fields[r.node.byName[field]].at(r), clip(printable(s), 10))
	}
}

// digest is the SM3 digest of what a message asks for. Its time, sign-in
// number and signature are left out: a client that sends a message again after
// a lost connection may renew them.
func digest(number string, env *record, in *value) [sm3.Size]byte {
	b := make([]byte, 0, 1024)
	for _, s := range []string{number, env.text("fixmedins_code"), env.text("mdtrtarea_admvs"), env.text("insuplc_admdvs")} {
		b = appendString(b, s)
	}
	return sm3.Sum(appendCanonical(b, in))
}
