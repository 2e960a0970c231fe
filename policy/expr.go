package policy

import (
	"errors"
	"math/big"
	"slices"
	"strings"
)

// valueType is the type of an expression. Units are types: money and rates do
// not mix except by multiplication.
type valueType uint8

const (
	tyNumber valueType = iota // a bare number, which takes the type its place needs
	tyText                    // a bare text, likewise
	tyBool
	tyCount
	tyMoney
	tyRate
	tyDate
	tyEnum
	tyList
)

var typeNames = [...]string{"a number", "a text", "true or false", "a count", "an amount (元)", "a ratio", "a date", "a category", "a list"}

func (t valueType) String() string { return typeNames[t] }

// domain is the finite set of values of a category.
type domain struct {
	name   string
	title  string // in Chinese
	values []string
	labels []string // in Chinese, by value
	open   bool     // further values may be added (diseases)
}

func (d *domain) index(v string) int {
	if i := slices.Index(d.values, v); i >= 0 {
		return i
	}
	if d.open {
		d.values = append(d.values, v)
		d.labels = append(d.labels, v)
		return len(d.values) - 1
	}
	return -1
}

// expr is a checked expression.
type expr struct {
	op   string // literal, symbol, has, in, ?:, min, max, clamp, or an operator
	pos  int
	typ  valueType
	dom  *domain // of a tyEnum
	num  *big.Rat
	text string
	sym  *symbol
	mask uint64 // of has and in
	args []*expr
}

type symbolKind uint8

const (
	symSlot  symbolKind = iota // a slot of the frame
	symGuard                   // a slot that may be missing from the case
	symParam                   // a parameter
)

// symbol is a name an expression may use.
type symbol struct {
	name  string
	title string // in Chinese
	kind  symbolKind
	typ   valueType
	dom   *domain
	slot  int
	guard int // of symGuard: index into the frame's presence bits
	param *param
	used  bool
}

// symbols resolves names while a package is compiled.
type symbols interface {
	// symbol resolves "name" or "stage.quantity"; the error says what is allowed.
	symbol(name string) (*symbol, error)
	// class returns the bit of a person class that the package may use.
	class(name string) (ClassSet, error)
}

type parser struct {
	toks  []token
	i     int
	depth int
	syms  symbols
}

// parseExpr reads and checks an expression. The error is an *exprError.
func parseExpr(src string, syms symbols) (e *expr, err error) {
	defer func() {
		if r := recover(); r != nil {
			ee, ok := r.(*exprError)
			if !ok {
				panic(r)
			}
			e, err = nil, ee
		}
	}()
	p := &parser{toks: lex(src), syms: syms}
	e = p.ternary()
	if t := p.peek(); t.kind != tEOF {
		failAt(t.pos, "unexpected %q after the end of the expression", t.text)
	}
	return e, nil
}

func (p *parser) peek() token { return p.toks[p.i] }

func (p *parser) next() token {
	t := p.toks[p.i]
	if t.kind != tEOF {
		p.i++
	}
	return t
}

func (p *parser) accept(op string) (token, bool) {
	if t := p.peek(); t.kind == tOp && t.text == op {
		return p.next(), true
	}
	return token{}, false
}

func (p *parser) expect(op string) {
	if _, ok := p.accept(op); !ok {
		t := p.peek()
		found := "the end"
		if t.kind != tEOF {
			found = "\"" + t.text + "\""
		}
		failAt(t.pos, "%s found where %q is needed", found, op)
	}
}

func (p *parser) enter(pos int) {
	if p.depth++; p.depth > maxNesting {
		failAt(pos, "the expression is nested more than %d deep", maxNesting)
	}
}

func (p *parser) ternary() *expr {
	p.enter(p.peek().pos)
	defer func() { p.depth-- }()
	c := p.or()
	t, ok := p.accept("?")
	if !ok {
		return c
	}
	need(c, tyBool)
	a := p.ternary()
	p.expect(":")
	b := p.ternary()
	unify(a, b, t.pos)
	return &expr{op: "?:", pos: t.pos, typ: a.typ, dom: a.dom, args: []*expr{c, a, b}}
}

func (p *parser) or() *expr  { return p.logic("||", p.and) }
func (p *parser) and() *expr { return p.logic("&&", p.comparison) }

func (p *parser) logic(op string, sub func() *expr) *expr {
	e := sub()
	for {
		t, ok := p.accept(op)
		if !ok {
			return e
		}
		r := sub()
		need(e, tyBool)
		need(r, tyBool)
		e = &expr{op: op, pos: t.pos, typ: tyBool, args: []*expr{e, r}}
	}
}

func (p *parser) comparison() *expr {
	e := p.sum()
	t := p.peek()
	if t.kind == tIdent && t.text == "in" {
		p.next()
		return p.in(e, t.pos)
	}
	if t.kind != tOp {
		return e
	}
	switch t.text {
	case "==", "!=", "<", "<=", ">", ">=":
	default:
		return e
	}
	p.next()
	r := p.sum()
	unify(e, r, t.pos)
	switch {
	case e.typ == tyText:
		failAt(t.pos, "two texts are compared; one side must be a name of the case or the package")
	case (e.typ == tyEnum || e.typ == tyBool) && t.text != "==" && t.text != "!=":
		failAt(t.pos, "%s cannot be ordered; use == or !=", e.typ)
	}
	return &expr{op: t.text, pos: t.pos, typ: tyBool, args: []*expr{e, r}}
}

func (p *parser) in(e *expr, pos int) *expr {
	p.expect("[")
	if e.typ != tyEnum || e.op != "symbol" {
		failAt(e.pos, "in needs the name of a category on its left")
	}
	var mask uint64
	for {
		item := p.primary()
		convert(item, tyEnum, e.dom)
		v := e.dom.index(item.text)
		if v > 63 {
			failAt(item.pos, "the category %s has too many values", e.dom.name)
		}
		if mask&(1<<v) != 0 {
			failAt(item.pos, "%q stands twice in the list", item.text)
		}
		mask |= 1 << v
		if _, ok := p.accept(","); !ok {
			break
		}
	}
	p.expect("]")
	return &expr{op: "in", pos: pos, typ: tyBool, dom: e.dom, mask: mask, args: []*expr{e}}
}

func (p *parser) sum() *expr {
	e := p.product()
	for {
		t := p.peek()
		if t.kind != tOp || t.text != "+" && t.text != "-" {
			return e
		}
		p.next()
		r := p.product()
		unify(e, r, t.pos)
		switch e.typ {
		case tyNumber, tyCount, tyMoney, tyRate:
		default:
			failAt(t.pos, "%s cannot be added or subtracted", e.typ)
		}
		e = fold(&expr{op: t.text, pos: t.pos, typ: e.typ, args: []*expr{e, r}})
	}
}

func (p *parser) product() *expr {
	e := p.unary()
	for {
		t := p.peek()
		if t.kind != tOp || t.text != "*" && t.text != "/" {
			return e
		}
		p.next()
		r := p.unary()
		typ := productType(t, e, r)
		e = fold(&expr{op: t.text, pos: t.pos, typ: typ, args: []*expr{e, r}})
	}
}

func productType(t token, a, b *expr) valueType {
	for _, x := range []*expr{a, b} {
		switch x.typ {
		case tyNumber, tyCount, tyMoney, tyRate:
		default:
			failAt(x.pos, "%s cannot be multiplied or divided", x.typ)
		}
	}
	if a.typ == tyNumber && b.typ == tyNumber {
		return tyNumber
	}
	if t.text == "/" {
		switch {
		case a.typ == tyMoney && b.typ == tyMoney:
			return tyRate
		case b.typ == tyNumber:
			convert(b, tyCount, nil)
			return a.typ
		case b.typ == tyCount && a.typ != tyNumber:
			return a.typ
		}
		failAt(t.pos, "%s cannot be divided by %s; a divisor is a whole number", a.typ, b.typ)
	}
	// A bare number is a ratio beside money or a ratio, a count beside a count.
	for _, x := range [][2]*expr{{a, b}, {b, a}} {
		if x[0].typ == tyNumber {
			if x[1].typ == tyCount && x[0].num.IsInt() {
				convert(x[0], tyCount, nil)
			} else {
				convert(x[0], tyRate, nil)
			}
		}
	}
	switch {
	case a.typ == tyMoney && b.typ == tyMoney:
		failAt(t.pos, "an amount cannot be multiplied by an amount")
	case a.typ == tyMoney || b.typ == tyMoney:
		return tyMoney
	case a.typ == tyRate || b.typ == tyRate:
		return tyRate
	}
	return tyCount
}

func (p *parser) unary() *expr {
	t := p.peek()
	if t.kind == tOp && (t.text == "-" || t.text == "!") {
		p.next()
		p.enter(t.pos)
		defer func() { p.depth-- }()
		e := p.unary()
		if t.text == "!" {
			need(e, tyBool)
			return &expr{op: "!", pos: t.pos, typ: tyBool, args: []*expr{e}}
		}
		switch e.typ {
		case tyNumber, tyCount, tyMoney, tyRate:
			return fold(&expr{op: "neg", pos: t.pos, typ: e.typ, args: []*expr{e}})
		}
		failAt(t.pos, "%s has no negative", e.typ)
	}
	return p.primary()
}

func (p *parser) primary() *expr {
	t := p.next()
	switch t.kind {
	case tNumber:
		return &expr{op: "literal", pos: t.pos, typ: tyNumber, num: t.num, text: t.text}
	case tPercent:
		return typed(&expr{op: "literal", pos: t.pos, typ: tyRate, num: t.num, text: t.text})
	case tYuan:
		return typed(&expr{op: "literal", pos: t.pos, typ: tyMoney, num: t.num, text: t.text})
	case tString:
		return &expr{op: "literal", pos: t.pos, typ: tyText, text: t.text}
	case tIdent:
		return p.name(t)
	case tOp:
		if t.text == "(" {
			e := p.ternary()
			p.expect(")")
			return e
		}
	}
	if t.kind == tEOF {
		failAt(t.pos, "the expression ends where a value is needed")
	}
	failAt(t.pos, "unexpected %q where a value is needed", t.text)
	return nil
}

func (p *parser) name(t token) *expr {
	switch t.text {
	case "true", "false":
		e := &expr{op: "literal", pos: t.pos, typ: tyBool, num: new(big.Rat), text: t.text}
		if t.text == "true" {
			e.num.SetInt64(1)
		}
		return e
	case "has":
		p.expect("(")
		s := p.next()
		if s.kind != tString {
			failAt(s.pos, "has needs a class of persons in quotes, such as has('低保')")
		}
		set, err := p.syms.class(s.text)
		if err != nil {
			failAt(s.pos, "%v", err)
		}
		p.expect(")")
		return &expr{op: "has", pos: t.pos, typ: tyBool, mask: uint64(set), text: s.text}
	case "min", "max", "clamp":
		return p.call(t)
	}
	full := t.text
	if _, ok := p.accept("."); ok {
		q := p.next()
		if q.kind != tIdent {
			failAt(q.pos, "a name is needed after %s.", full)
		}
		full += "." + q.text
	}
	sym, err := p.syms.symbol(full)
	if err != nil {
		failAt(t.pos, "%v", err)
	}
	sym.used = true
	return &expr{op: "symbol", pos: t.pos, typ: sym.typ, dom: sym.dom, sym: sym, text: full}
}

func (p *parser) call(t token) *expr {
	p.expect("(")
	p.enter(t.pos)
	defer func() { p.depth-- }()
	var args []*expr
	for {
		args = append(args, p.ternary())
		if _, ok := p.accept(","); !ok {
			break
		}
	}
	p.expect(")")
	if t.text == "clamp" && len(args) != 3 {
		failAt(t.pos, "clamp needs three values: clamp(x, lowest, highest); %d are given", len(args))
	}
	if len(args) < 2 || len(args) > 8 {
		failAt(t.pos, "%s needs two to eight values; %d are given", t.text, len(args))
	}
	for range 2 { // twice, so that a bare number before the first typed value is typed too
		for _, a := range args[1:] {
			unify(args[0], a, a.pos)
		}
	}
	switch args[0].typ {
	case tyNumber, tyCount, tyMoney, tyRate:
	default:
		failAt(t.pos, "%s needs numbers, not %s", t.text, args[0].typ)
	}
	return &expr{op: t.text, pos: t.pos, typ: args[0].typ, args: args}
}

func need(e *expr, typ valueType) {
	if e.typ != typ {
		failAt(e.pos, "%s found where %s is needed", e.typ, typ)
	}
}

// unify gives a and b one type or fails.
func unify(a, b *expr, pos int) {
	switch {
	case a.typ == b.typ && a.dom == b.dom:
	case a.typ == tyNumber || a.typ == tyText:
		convert(a, b.typ, b.dom)
	case b.typ == tyNumber || b.typ == tyText:
		convert(b, a.typ, a.dom)
	default:
		failAt(pos, "%s and %s do not go together here", a.typ, b.typ)
	}
}

// convert gives a bare number or text the type its place needs.
func convert(e *expr, typ valueType, dom *domain) {
	if e.typ == typ && e.dom == dom {
		return
	}
	switch {
	case e.typ == tyText && typ == tyEnum:
		v := dom.index(e.text)
		if v < 0 {
			failAt(e.pos, "%q is not a value of %s; allowed: %s", e.text, dom.name, strings.Join(dom.values, ", "))
		}
		e.typ, e.dom, e.num = tyEnum, dom, big.NewRat(int64(v), 1)
	case e.typ == tyText && typ == tyDate:
		d, err := parseDate(e.text)
		if err != nil {
			failAt(e.pos, "%q %v", e.text, err)
		}
		e.typ, e.num = tyDate, big.NewRat(int64(d), 1)
	case e.typ == tyNumber && (typ == tyCount || typ == tyMoney || typ == tyRate):
		if e.op != "literal" { // an operation on bare numbers that did not fold
			for _, a := range e.args {
				if a.typ == tyNumber {
					convert(a, typ, nil)
				}
			}
		}
		e.typ = typ
		typed(e)
	default:
		failAt(e.pos, "%s found where %s is needed", e.typ, typ)
	}
}

// typed checks that a literal is exact in its unit.
func typed(e *expr) *expr {
	if e.num == nil {
		return e
	}
	if _, err := scaled(e.num, e.typ); err != nil {
		failAt(e.pos, "%s: %v", e.text, err)
	}
	return e
}

// scaled turns a literal into the integer of its type: fen, 10^-8, or itself.
func scaled(num *big.Rat, typ valueType) (int64, error) {
	scale := int64(1)
	switch typ {
	case tyMoney:
		scale = 100
	case tyRate, tyNumber:
		scale = 100_000_000
	}
	v := new(big.Rat).Mul(num, big.NewRat(scale, 1))
	if !v.IsInt() {
		return 0, errors.New([...]string{tyCount: "a whole number is needed", tyMoney: "an amount has at most two decimals", tyRate: "a ratio has at most eight decimals", tyNumber: "a number has at most eight decimals"}[typ])
	}
	n := v.Num()
	if !n.IsInt64() || n.Int64() > 1e17 || n.Int64() < -1e17 {
		return 0, errors.New("the number is too large")
	}
	return n.Int64(), nil
}

// fold computes operations on literals exactly.
func fold(e *expr) *expr {
	for _, a := range e.args {
		if a.op != "literal" {
			return e
		}
	}
	if e.typ != tyNumber && (e.op == "*" || e.op == "/") && e.typ != tyRate {
		return e // rounding of amounts happens where the engine rounds
	}
	num := new(big.Rat)
	switch e.op {
	case "+":
		num.Add(e.args[0].num, e.args[1].num)
	case "-":
		num.Sub(e.args[0].num, e.args[1].num)
	case "*":
		num.Mul(e.args[0].num, e.args[1].num)
	case "/":
		if e.args[1].num.Sign() == 0 {
			failAt(e.pos, "division by zero")
		}
		num.Quo(e.args[0].num, e.args[1].num)
	case "neg":
		num.Neg(e.args[0].num)
	default:
		return e
	}
	if num.Num().BitLen() > 200 || num.Denom().BitLen() > 200 {
		failAt(e.pos, "the number is too large")
	}
	out := &expr{op: "literal", pos: e.pos, typ: e.typ, num: num, text: num.RatString()}
	if e.typ != tyNumber {
		typed(out)
	}
	return out
}
