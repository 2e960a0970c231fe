// Package calc is the calculator contract: a case stated as JSON or YAML
// becomes a policy.Case, and a policy.Result becomes JSON. It is how a case is
// written anywhere: on the command line, in a scenario, in a package's own
// cases, in a bug report. It decides nothing.
package calc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// Limits on what is read.
const (
	MaxLines = 10_000  // fee lines of one case
	MaxBytes = 4 << 20 // bytes of one case
)

// Error says where a case is wrong, what was found and what is allowed.
type Error struct {
	Line, Col int    // in the text read, from 1
	Field     string // such as lines[2].amount, or "" for the text as a whole
	Message   string // in Chinese
}

func (e *Error) Error() string {
	where := ""
	if e.Line > 0 {
		where = fmt.Sprintf("%d:%d: ", e.Line, e.Col)
	}
	if e.Field == "" {
		return where + e.Message
	}
	return where + e.Field + "：" + e.Message
}

// Decoder reads cases. It may be used again and again by one goroutine.
type Decoder struct {
	store *policy.Store
	buf   bytes.Buffer
	dec   *jsontext.Decoder
	data  []byte
	lines []policy.Line
	late  [3]jsontext.Value // year_to_date, next_year_to_date, facts: read when the package is known
	at    int64             // where the value read last begins
}

// NewDecoder returns a decoder of cases under the packages of the store.
func NewDecoder(store *policy.Store) *Decoder {
	return &Decoder{store: store, dec: jsontext.NewDecoder(bytes.NewReader(nil))}
}

// Decode reads one case from JSON. c.Lines is valid until the next call. The
// error is an *Error.
func (d *Decoder) Decode(data []byte, c *policy.Case) (err error) {
	if len(data) > MaxBytes {
		return &Error{Line: 1, Col: 1, Message: fmt.Sprintf("这一例有 %d 字节，至多 %d", len(data), MaxBytes)}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return &Error{Line: 1, Col: 1, Message: "是空的；应为一个 JSON 对象"}
	}
	d.data = data
	d.late = [3]jsontext.Value{}
	d.buf.Reset()
	d.buf.Write(data)
	d.dec.Reset(&d.buf)
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			err = e
		}
	}()
	*c = policy.Case{}
	lines := d.lines[:0]
	var given struct{ region, date, lines bool }
	d.object("", func(key []byte) {
		switch string(key) {
		case "region":
			c.Region, given.region = d.text("region"), true
		case "care_region":
			c.CareRegion = d.text("care_region")
		case "date":
			c.Date, given.date = d.date("date"), true
		case "person":
			d.person(c)
		case "provider":
			d.provider(c)
		case "visit":
			d.visit(c)
		case "lines":
			given.lines = true
			lines = d.readLines(lines)
		case "year_to_date":
			d.keep(0, "year_to_date")
		case "next_year_to_date":
			d.keep(1, "next_year_to_date")
		case "facts":
			d.keep(2, "facts")
		case "account_balance":
			c.Account = d.balance("account_balance")
		case "family_account":
			c.FamilyAccount = d.amount("family_account")
		case "use_account":
			c.KeepAccount = !d.boolean("use_account")
		default:
			d.unknown(key, "", "region, care_region, date, person, provider, visit, lines, year_to_date, next_year_to_date, account_balance, family_account, use_account, facts")
		}
	})
	if _, err := d.dec.ReadToken(); err != io.EOF {
		d.syntax(err, "一例之后还有别的内容")
	}
	d.lines = lines
	c.Lines = lines
	switch {
	case !given.region:
		d.fail("region", "没有给出；应为六位统筹区区划，如 990100")
	case !given.date:
		d.fail("date", "没有给出；应为出院日或就诊日，如 2025-06-01")
	case !given.lines || len(lines) == 0:
		d.fail("lines", "没有费用；至少一行")
	}
	d.relations(c)
	return d.finish(c)
}

// relations checks fields against each other.
func (d *Decoder) relations(c *policy.Case) {
	if c.CareRegion != "" && !validRegion(c.CareRegion) {
		d.fail("care_region", quoted(c.CareRegion)+"不是区划；应为六位数字，如 500000")
	}
	if c.Birth > c.Date {
		d.fail("person.birth", c.Birth.String()+" 晚于 "+c.Date.String())
	}
	if c.Admitted > c.Date {
		d.fail("visit.admitted", c.Admitted.String()+" 晚于 "+c.Date.String())
	}
	for i := range c.Lines {
		if l := &c.Lines[i]; l.Date > c.Date || l.Date != 0 && c.Admitted != 0 && l.Date < c.Admitted {
			d.fail(lineField(i, "date"), l.Date.String()+" 不在就诊期间")
		}
	}
}

func validRegion(s string) bool {
	if len(s) != 6 {
		return false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	p := s[:2]
	return p >= "11" && p <= "65" || p == "71" || p == "81" || p == "82" || p == "91" || p == "99"
}

func (d *Decoder) person(c *policy.Case) {
	d.object("person", func(key []byte) {
		switch string(key) {
		case "scheme":
			c.Scheme = policy.Scheme(d.enum("person.scheme", "scheme"))
		case "retired":
			c.Retired = d.boolean("person.retired")
		case "birth":
			if v := d.scalar("person.birth"); len(v) > 0 {
				c.Birth = d.parseDate("person.birth", v)
			}
		case "sex":
			c.Female = d.enum("person.sex", "sex") == 1
		case "classes":
			d.array("person.classes", func(i int) {
				field := "person.classes[" + strconv.Itoa(i) + "]"
				name := string(d.scalar(field))
				set, ok := d.store.Class(name)
				if !ok {
					d.fail(field, quoted(name)+"不是人员类别；应为 "+strings.Join(d.store.Classes(), "、")+" 之一")
				}
				c.Classes |= set
			})
		case "insured":
			d.object("person.insured", func(key []byte) {
				switch string(key) {
				case "status":
					c.Insured = policy.InsuredStatus(d.enum("person.insured.status", "insured"))
				case "benefits_from":
					c.BenefitsFrom = d.date("person.insured.benefits_from")
				case "arrears_months":
					c.ArrearsMonths = d.integer("person.insured.arrears_months", 0, 1200)
				default:
					d.unknown(key, "person.insured.", "status, benefits_from, arrears_months")
				}
			})
		default:
			d.unknown(key, "person.", "scheme, retired, birth, sex, classes, insured")
		}
	})
}

func (d *Decoder) provider(c *policy.Case) {
	d.object("provider", func(key []byte) {
		switch string(key) {
		case "level":
			c.Level = policy.Level(d.enum("provider.level", "level"))
		case "kind":
			c.ProviderKind = policy.ProviderKind(d.enum("provider.kind", "provider"))
		case "designated":
			c.Undesignated = !d.boolean("provider.designated")
		case "private":
			c.Private = d.boolean("provider.private")
		default:
			d.unknown(key, "provider.", "level, kind, designated, private")
		}
	})
}

func (d *Decoder) visit(c *policy.Case) {
	d.object("visit", func(key []byte) {
		switch string(key) {
		case "kind":
			c.Visit = policy.VisitKind(d.enum("visit.kind", "visit"))
		case "disease":
			c.Disease = d.text("visit.disease")
		case "nth_this_year":
			c.Nth = d.integer("visit.nth_this_year", 1, 10000)
		case "filing":
			c.Filing = policy.Filing(d.enum("visit.filing", "filing"))
		case "cause":
			c.Cause = policy.Cause(d.enum("visit.cause", "cause"))
		case "admitted":
			c.Admitted = d.date("visit.admitted")
		case "deductible_borne":
			c.StayBorne = d.amount("visit.deductible_borne")
		default:
			d.unknown(key, "visit.", "kind, disease, nth_this_year, filing, cause, admitted, deductible_borne")
		}
	})
}

func (d *Decoder) readLines(lines []policy.Line) []policy.Line {
	d.array("lines", func(i int) {
		if i >= MaxLines {
			d.fail("lines", fmt.Sprintf("费用行超过 %d 行", MaxLines))
		}
		l := policy.Line{FirstPay: policy.FirstPayUnstated, Ceiling: policy.NoCeiling}
		amount := false
		d.object("lines", func(key []byte) {
			switch string(key) {
			case "name":
				l.Name = d.lineText(i, "name")
			case "class":
				l.Class = policy.LineClass(d.lineEnum(i, "class"))
			case "amount":
				amount = true
				l.Amount = d.lineAmount(i, "amount", false)
			case "first_pay":
				l.FirstPay = d.lineRate(i)
			case "ceiling":
				l.Ceiling = d.lineAmount(i, "ceiling", true)
			case "date":
				l.Date = d.parseDate("lines", d.scalar("lines"))
			default:
				d.unknown(key, "lines["+strconv.Itoa(i)+"].", "name, class, amount, first_pay, ceiling, date")
			}
		})
		switch {
		case !amount:
			d.fail(lineField(i, "amount"), "没有给出；应为金额，如 \"1234.56\"")
		case l.Class == policy.ClassA && l.FirstPay > 0:
			d.fail(lineField(i, "first_pay"), "甲类没有先行自付，应为 0 或不写；写的是 "+l.FirstPay.String())
		}
		lines = append(lines, l)
	})
	return lines
}

func lineField(i int, name string) string { return "lines[" + strconv.Itoa(i) + "]." + name }

// finish reads what depends on the package.
func (d *Decoder) finish(c *policy.Case) error {
	p, err := d.store.At(c.Region, c.Date)
	if err != nil {
		var ie *policy.InputError
		if errors.As(err, &ie) {
			d.fail(ie.Field, quoted(ie.Value)+"："+ie.Want)
		}
		return &Error{Message: err.Error()}
	}
	for k, target := range []*policy.Accumulators{&c.YearToDate, &c.NextYear} {
		if len(d.late[k]) == 0 {
			continue
		}
		top := [...]string{"year_to_date", "next_year_to_date"}[k]
		d.again(k)
		d.object(top, func(key []byte) {
			slot := p.AccumulatorSlot(string(key))
			if slot < 0 {
				d.unknown(key, top+".", strings.Join(p.Accumulators(), ", "))
			}
			target[slot] = d.amount(top + "." + string(key))
		})
	}
	if len(d.late[2]) > 0 {
		d.again(2)
		d.object("facts", func(key []byte) {
			slot := p.FactSlot(string(key))
			if slot < 0 {
				names := strings.Join(p.FactNames(), ", ")
				if names == "" {
					names = "（本统筹区没有）"
				}
				d.unknown(key, "facts.", names)
			}
			field := "facts." + string(key)
			var v []byte
			if k := d.dec.PeekKind(); k == 't' || k == 'f' {
				v = d.value(field)
			} else {
				v = d.scalar(field)
			}
			n, err := p.ParseFact(slot, string(v))
			if err != nil {
				d.fail(field, "为"+quoted(string(v))+"，"+err.Error())
			}
			c.Facts[slot] = n
			c.FactsSet |= 1 << slot
		})
	}
	return nil
}

// keep sets a value aside until the package is known.
func (d *Decoder) keep(k int, field string) {
	if kind := d.dec.PeekKind(); kind != '{' && kind != 'n' {
		d.wrongKind(field, kind, "一个对象")
	}
	v := d.value(field)
	if v.Kind() == 'n' {
		return
	}
	d.late[k] = v.Clone()
}

func (d *Decoder) again(k int) {
	d.buf.Reset()
	d.buf.Write(d.late[k])
	d.dec.Reset(&d.buf)
}

// The readers below panic with an *Error, which Decode returns.

func (d *Decoder) fail(field, message string) {
	line, col := position(d.data, d.at)
	if field == "region" || field == "date" || field == "lines" || strings.HasPrefix(field, "year") || strings.HasPrefix(field, "next") || strings.HasPrefix(field, "facts") {
		line, col = fieldPosition(d.data, field)
	}
	panic(&Error{Line: line, Col: col, Field: field, Message: message})
}

// fieldPosition finds a top field that is checked after the whole was read.
func fieldPosition(data []byte, field string) (int, int) {
	top, rest, _ := strings.Cut(field, ".")
	i := bytes.Index(data, []byte(`"`+top+`"`))
	if i < 0 {
		return 1, 1
	}
	if rest != "" {
		if j := bytes.Index(data[i:], []byte(`"`+rest+`"`)); j >= 0 {
			i += j
		}
	}
	return position(data, int64(i))
}

// position counts lines and columns (in characters) up to an offset.
func position(data []byte, offset int64) (line, col int) {
	head := data[:min(int(offset), len(data))]
	line = 1 + bytes.Count(head, []byte("\n"))
	return line, 1 + utf8.RuneCount(head[bytes.LastIndexByte(head, '\n')+1:])
}

func (d *Decoder) syntax(err error, fallback string) {
	message := fallback
	offset := d.dec.InputOffset()
	var se *jsontext.SyntacticError
	field := ""
	if errors.As(err, &se) {
		offset = se.ByteOffset
		field = fieldOf(se.JSONPointer)
		message = "不是正确的 JSON：" + se.Err.Error()
		if errors.Is(err, jsontext.ErrDuplicateName) {
			message = "这个字段写了两次"
		}
	} else if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		message = "不是正确的 JSON：还没有写完"
	}
	line, col := position(d.data, offset)
	panic(&Error{Line: line, Col: col, Field: field, Message: message})
}

// fieldOf spells a pointer as the contract spells fields: lines[2].amount.
func fieldOf(p jsontext.Pointer) string {
	var out strings.Builder
	for token := range p.Tokens() {
		if out.Len() > 80 {
			return out.String() + "…"
		}
		if _, err := strconv.Atoi(token); err == nil {
			fmt.Fprintf(&out, "[%s]", token)
			continue
		}
		if out.Len() > 0 {
			out.WriteByte('.')
		}
		out.WriteString(strings.Trim(quoted(token), "「」"))
	}
	return out.String()
}

func (d *Decoder) value(field string) jsontext.Value {
	v, err := d.dec.ReadValue()
	if err != nil {
		d.syntax(err, field)
	}
	d.at = d.dec.InputOffset() - int64(len(v))
	return v
}

func kindWords(k jsontext.Kind) string {
	switch k {
	case '{':
		return "一个对象"
	case '[':
		return "一个列表"
	case '"':
		return "一个文本"
	case '0':
		return "一个数"
	case 't', 'f':
		return "true 或 false"
	case 'n':
		return "null"
	}
	return "别的内容"
}

func (d *Decoder) wrongKind(field string, k jsontext.Kind, want string) {
	if k == 0 { // not JSON: say what is wrong with the text
		_, err := d.dec.ReadToken()
		d.syntax(err, field)
	}
	d.at = d.dec.InputOffset()
	d.fail(field, "是"+kindWords(k)+"，应为"+want)
}

func (d *Decoder) object(field string, each func(key []byte)) {
	switch k := d.dec.PeekKind(); k {
	case '{':
	case 'n':
		if field != "" {
			d.value(field)
			return
		}
		fallthrough
	default:
		d.wrongKind(field, k, "一个对象")
	}
	if _, err := d.dec.ReadToken(); err != nil {
		d.syntax(err, field)
	}
	var short [64]byte
	for d.dec.PeekKind() == '"' {
		key := d.value(field)
		each(append(short[:0], unquoted(key)...))
	}
	if _, err := d.dec.ReadToken(); err != nil {
		d.syntax(err, field)
	}
}

func (d *Decoder) array(field string, each func(i int)) {
	switch k := d.dec.PeekKind(); k {
	case '[':
	case 'n':
		d.value(field)
		return
	default:
		d.wrongKind(field, k, "一个列表")
	}
	if _, err := d.dec.ReadToken(); err != nil {
		d.syntax(err, field)
	}
	for i := 0; ; i++ {
		if k := d.dec.PeekKind(); k == ']' || k == 0 {
			break
		}
		each(i)
	}
	if _, err := d.dec.ReadToken(); err != nil {
		d.syntax(err, field)
	}
}

func unquoted(v []byte) []byte {
	if len(v) >= 2 && v[0] == '"' {
		if bytes.IndexByte(v, '\\') < 0 {
			return v[1 : len(v)-1]
		}
		out, err := jsontext.AppendUnquote(nil, v)
		if err == nil {
			return out
		}
	}
	return v
}

// scalar reads a text or a number as its characters; null is "".
func (d *Decoder) scalar(field string) []byte {
	switch k := d.dec.PeekKind(); k {
	case '"', '0':
		return unquoted(d.value(field))
	case 'n':
		d.value(field)
		return nil
	default:
		d.wrongKind(field, k, "一个值")
	}
	return nil
}

func (d *Decoder) text(field string) string {
	v := d.scalar(field)
	if len(v) > 200 {
		d.fail(field, "超过 200 字节")
	}
	return string(v)
}

func (d *Decoder) boolean(field string) bool {
	switch k := d.dec.PeekKind(); k {
	case 't', 'f':
		return d.value(field).Kind() == 't'
	case '"':
		switch v := d.scalar(field); string(v) {
		case "true":
			return true
		case "false":
			return false
		default:
			d.fail(field, quoted(string(v))+"不是 true 或 false")
		}
	default:
		d.wrongKind(field, k, "true 或 false")
	}
	return false
}

func (d *Decoder) integer(field string, lo, hi int) int {
	v := d.scalar(field)
	n, err := strconv.Atoi(string(v))
	if err != nil || n < lo || n > hi {
		d.fail(field, quoted(string(v))+fmt.Sprintf("不是 %d 到 %d 的整数", lo, hi))
	}
	return n
}

func (d *Decoder) enum(field, enumeration string) int {
	return d.enumOf(field, d.scalar(field), enumeration)
}

func (d *Decoder) enumOf(field string, v []byte, enumeration string) int {
	names := policy.Names(enumeration)
	for i, n := range names {
		if string(v) == n {
			return i
		}
	}
	d.fail(field, quoted(string(v))+"不在允许之列；应为 "+strings.Join(names, "、")+" 之一")
	return 0
}

func (d *Decoder) date(field string) civil.Date {
	v := d.scalar(field)
	if len(v) == 0 && field != "date" {
		return 0
	}
	return d.parseDate(field, v)
}

func (d *Decoder) parseDate(field string, v []byte) civil.Date {
	day, err := civil.Parse(v)
	if err != nil {
		d.fail(field, quoted(string(v))+"不是日期；应如 2025-06-01")
	}
	return day
}

func (d *Decoder) amount(field string) money.Fen {
	v := d.scalar(field)
	a, err := money.Parse(v)
	if err != nil || a < 0 {
		d.fail(field, amountMessage(v, err))
	}
	return a
}

func (d *Decoder) balance(field string) money.Fen {
	v := d.scalar(field)
	a, err := money.Parse(v)
	if err != nil {
		d.fail(field, amountMessage(v, err))
	}
	return a
}

// The readers of a line's fields make the field's name only when it is needed.

func (d *Decoder) lineText(i int, name string) string {
	v := d.scalar("lines")
	if len(v) > 500 {
		d.fail(lineField(i, name), "超过 500 字节")
	}
	return string(v)
}

func (d *Decoder) lineEnum(i int, name string) int {
	v := d.scalar("lines")
	switch string(v) {
	case "甲":
		return 0
	case "乙":
		return 1
	case "丙":
		return 2
	}
	return d.enumOf(lineField(i, name), v, name)
}

func (d *Decoder) lineAmount(i int, name string, mayBeEmpty bool) money.Fen {
	v := d.scalar("lines")
	if len(v) == 0 && mayBeEmpty {
		return policy.NoCeiling
	}
	a, err := money.Parse(v)
	if err != nil || a < 0 {
		d.fail(lineField(i, name), amountMessage(v, err))
	}
	return a
}

func (d *Decoder) lineRate(i int) money.Rate {
	v := d.scalar("lines")
	if len(v) == 0 {
		return policy.FirstPayUnstated
	}
	r, err := money.ParseRate(v)
	if err != nil || r < 0 || r > money.One {
		d.fail(lineField(i, "first_pay"), quoted(string(v))+"不是 0 到 1 的比例，如 0.10")
	}
	return r
}

func amountMessage(v []byte, err error) string {
	s := quoted(string(v))
	switch {
	case errors.Is(err, money.ErrDecimals):
		return s + "多于两位小数；最小单位是 0.01 元"
	case errors.Is(err, money.ErrTooLarge):
		return s + "太大；至多 1000000000000.00 元"
	case err != nil:
		return s + "不是金额；应如 \"1234.56\""
	}
	return s + "为负；金额不得为负"
}

func quoted(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:57]) + "…"
	}
	return "「" + s + "」"
}

func (d *Decoder) unknown(key []byte, prefix, allowed string) {
	d.fail(prefix+string(key), "不认识这个字段；允许 "+allowed)
}
