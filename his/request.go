package his

import (
	"bytes"
	"errors"
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
	// operatorName is 经办人姓名, as sent.
	operatorName string
	signNo       string // 签到流水号, may be empty

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

// A message is what was sent, of which only the envelope was read. What it asks
// for is read once it is known who sent it.
type message struct {
	spec   *Transaction
	number string       // as the sender writes it
	care   ident.Region // 就医地区划, "" if it is none
	whole  *value       // as it was sent
	env    record
	in     *value // the input; nil for none
	// decrypted says that in was encrypted.
	decrypted bool
	file      *upload // what stood in 9101's field in, or nil
	received  time.Time
	check     checker
}

// open decodes a message and reads its envelope. number is the transaction
// number of the address, "" if it names none. Even a refused message gives what
// stamp needs.
func (s *Server) open(body []byte, number string) (*message, error) {
	m := &message{received: s.Now()}
	c := &m.check
	if bytes.HasPrefix(body, byteOrderMark) {
		body = body[len(byteOrderMark):]
		c.warn("报文以 BOM 开头，已忽略")
	}
	if text := bytes.TrimRight(body, "\x00 \t\r\n"); bytes.IndexByte(body[len(text):], 0) >= 0 {
		body = text
		c.warn("报文末尾有空字符（NUL），已忽略")
	}
	msg, err := parseJSON(body)
	if err != nil {
		return m, refuse("%s", err)
	}
	m.whole = msg
	if region, err := ident.ParseRegion(plainText(msg.getFold("mdtrtarea_admvs"))); err == nil {
		m.care = region
	}
	if m.number, err = transactionNumber(plainText(msg.getFold("infno")), number); err != nil {
		return m, err
	}
	if m.spec = s.spec.Transaction(m.number); m.spec == nil {
		return m, refuse("交易编号 infno“%s”不存在", clip(printable(m.number), 10))
	}
	if s.offered[base(m.number)].do == nil {
		return m, refuse("交易 %s %s 在本平台尚未开通", m.number, m.spec.Name)
	}
	m.env = envelopeRecord(c, s.spec.Envelope, msg, m.number)
	m.in = msg.getFold("input")
	return m, nil
}

// unwrap reads an input that was written as text. Its file is lifted out of it
// as out of a message.
func (s *Server) unwrap(m *message, text []byte) error {
	lifted, file, err := s.receive(bytes.NewReader(text), 1)
	if m.file == nil {
		m.file = file
	}
	if errors.Is(err, errLarge) {
		err = refuse("超过 %d 字节", int64(maxBody))
	}
	if err == nil {
		m.in, err = parseJSON(lifted)
	}
	return err
}

// request checks what a message asks for.
func (s *Server) request(m *message) (*request, error) {
	c, env := &m.check, &m.env
	r := &request{spec: m.spec, care: m.care, received: m.received}
	if m.in != nil && m.in.kind == '"' && strings.HasPrefix(strings.TrimSpace(m.in.text), "{") {
		if err := s.unwrap(m, []byte(m.in.text)); err != nil {
			return nil, refuse("input 是文字，其中的%s", err)
		}
		c.warn("input 是文字，已按 JSON 对象读取")
	}
	if !m.in.empty() {
		if m.in.kind != '{' {
			c.fault(faultForm, "input 应为对象")
		} else {
			r.input = c.input(r.spec.Input, m.in)
		}
	}
	c.region(env, "mdtrtarea_admvs")
	c.region(env, "insuplc_admdvs")
	if t := env.text("enc_type"); t != "" && !m.decrypted {
		c.fault(faultCode, "enc_type“%s”：本机构未开通报文加密，应为空", clip(t, 10))
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	r.msgid, r.provider, r.file = env.text("msgid"), env.text("fixmedins_code"), m.file
	r.operator, r.signNo, r.insured = env.text("opter"), env.text("sign_no"), env.text("insuplc_admdvs")
	r.operatorName = env.text("opter_name")
	if n := utf8.RuneCountInString(r.msgid); n != 30 {
		c.warn("msgid 为 %d 位，规范为 30 位", n)
	}
	r.digest = digest(base(m.number), env, m.in)
	r.warnings = c.warned()
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
	numbered := false
	for _, m := range msg.members {
		switch {
		case strings.EqualFold(m.name, "infno"):
			m.value, numbered = value{kind: '"', text: number}, true
		case strings.EqualFold(m.name, "input") && !m.empty():
			m.value = value{kind: '"', text: "{}"}
		}
		own.members = append(own.members, m)
	}
	if !numbered {
		own.members = append(own.members, member{"infno", value{kind: '"', text: number}})
	}
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
