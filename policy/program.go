package policy

import (
	"math"
	"math/bits"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
)

func parseDate(s string) (civil.Date, error) { return civil.Parse(s) }

// The frame of a settlement: every quantity an expression may name has a slot.
const (
	slotScheme = iota
	slotStatus // 0 active, 1 retired
	slotLevel
	slotProviderKind
	slotDesignated
	slotVisit
	slotDisease
	slotFiling
	slotPlace
	slotCause
	slotInsured
	slotSex
	slotNth
	slotAge
	slotDays
	slotArrears
	slotWaiting
	slotDate
	slotClasses
	slotTotal
	slotFullOwnPay
	slotOverCeiling
	slotFirstOwnPay
	slotInScope
	slotPaid   // by funds so far
	slotRest   // of in scope, what no fund has paid so far
	slotPerson // of the total, what no fund has paid so far
	slotAccumulators
	slotFacts  = slotAccumulators + MaxAccumulators
	slotFacets = slotFacts + MaxFacts
	maxFacets  = 16
	slotStages = slotFacets + maxFacets
	maxOutputs = 24 // quantities of stages that expressions refer to
	slotTemps  = slotStages + maxOutputs
	maxTemps   = 20
	frameSize  = slotTemps + maxTemps
)

type frame struct {
	s        [frameSize]int64
	present  uint32 // facts given; bit birthBit: birth is known
	unknown  *param // a parameter whose figure is not known was needed
	missing  int    // 1 + the guard bit of a fact that was needed and not given
	disabled bool
}

const birthBit = MaxFacts

type opcode uint8

const (
	opConst opcode = iota
	opMove
	opGuard // fail unless the fact with bit imm is given
	opParam
	opAdd
	opSub
	opNeg
	opMul   // × count
	opMulR  // × rate
	opMulRR // rate × rate
	opDiv   // ÷ count, half up
	opDivI  // count ÷ count, towards zero
	opRatio // amount ÷ amount
	opEq
	opNe
	opLt
	opLe
	opMin
	opMax
	opNot
	opHas
	opIn
	opJump
	opJumpFalse
)

type op struct {
	code      opcode
	dst, a, b uint8
	imm       int64
	p         *param
}

// val is a compiled value: a constant, a slot, a parameter or a program.
type val struct {
	kind valKind
	slot uint8
	c    int64
	p    *param
	code []op
	typ  valueType
	src  *expr // nil for a plain literal
	bad  bool  // could not be read; the fault is reported
}

type valKind uint8

const (
	valConst valKind = iota
	valSlot
	valParam
	valCode
	valUnknown
	valAbsent
)

// param is a parameter: a value, or a table of values by dimensions.
type param struct {
	name, title, unit, note string
	typ                     valueType
	dims                    []dim
	cells                   []int64 // unknownCell and codeCell mark the others
	progs                   []val   // by cell, where a cell is an expression
	sources                 []*Source
	used                    bool
	line, col               int
}

type dim struct {
	sym    *symbol
	stride int64
}

const (
	unknownCell = math.MinInt64
	codeCell    = math.MinInt64 + 1
)

func (p *param) index(f *frame) int64 {
	i := int64(0)
	for k := range p.dims {
		i += f.s[p.dims[k].sym.slot] * p.dims[k].stride
	}
	return i
}

func (p *param) get(f *frame) int64 {
	i := p.index(f)
	c := p.cells[i]
	if c > codeCell {
		return c
	}
	if c == codeCell {
		return p.progs[i].get(f)
	}
	f.unknown = p
	return 0
}

func (v *val) get(f *frame) int64 {
	switch v.kind {
	case valConst:
		return v.c
	case valSlot:
		return f.s[v.slot]
	case valParam:
		return v.p.get(f)
	case valCode:
		return run(v.code, f)
	case valUnknown:
		f.unknown = v.p
	}
	return 0
}

// run executes a program; its result is in the destination of the last op.
func run(code []op, f *frame) int64 {
	i := 0
	for i < len(code) {
		o := &code[i]
		i++
		switch o.code {
		case opConst:
			f.s[o.dst] = o.imm
		case opMove:
			f.s[o.dst] = f.s[o.a]
		case opGuard:
			if f.present&(1<<uint(o.imm)) == 0 {
				f.missing = int(o.imm) + 1
			}
		case opParam:
			f.s[o.dst] = o.p.get(f)
		case opAdd:
			f.s[o.dst] = clampAmount(f.s[o.a] + f.s[o.b])
		case opSub:
			f.s[o.dst] = clampAmount(f.s[o.a] - f.s[o.b])
		case opNeg:
			f.s[o.dst] = -f.s[o.a]
		case opMul:
			f.s[o.dst] = mulClamped(f.s[o.a], f.s[o.b])
		case opMulR, opMulRR:
			f.s[o.dst] = clampAmount(int64(money.Fen(f.s[o.a]).Mul(money.Rate(f.s[o.b]))))
		case opDiv:
			f.s[o.dst] = divHalfUp(f.s[o.a], f.s[o.b])
		case opDivI:
			if d := f.s[o.b]; d != 0 {
				f.s[o.dst] = f.s[o.a] / d
			} else {
				f.s[o.dst] = 0
			}
		case opRatio:
			f.s[o.dst] = ratioOf(f.s[o.a], f.s[o.b])
		case opEq:
			f.s[o.dst] = truth(f.s[o.a] == f.s[o.b])
		case opNe:
			f.s[o.dst] = truth(f.s[o.a] != f.s[o.b])
		case opLt:
			f.s[o.dst] = truth(f.s[o.a] < f.s[o.b])
		case opLe:
			f.s[o.dst] = truth(f.s[o.a] <= f.s[o.b])
		case opMin:
			f.s[o.dst] = min(f.s[o.a], f.s[o.b])
		case opMax:
			f.s[o.dst] = max(f.s[o.a], f.s[o.b])
		case opNot:
			f.s[o.dst] = 1 - f.s[o.a]
		case opHas:
			f.s[o.dst] = truth(f.s[slotClasses]&o.imm == o.imm)
		case opIn:
			f.s[o.dst] = o.imm >> uint(f.s[o.a]&63) & 1
		case opJump:
			i += int(o.imm)
		case opJumpFalse:
			if f.s[o.a] == 0 {
				i += int(o.imm)
			}
		}
	}
	return f.s[code[len(code)-1].dst]
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// maxQuantity bounds every intermediate quantity: ten times the largest total.
const maxQuantity = 10 * int64(money.Max)

func clampAmount(v int64) int64 { return max(-maxQuantity, min(maxQuantity, v)) }

func mulClamped(a, b int64) int64 {
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	v := maxQuantity
	if hi == 0 && lo < uint64(maxQuantity) {
		v = int64(lo)
	}
	if (a < 0) != (b < 0) {
		return -v
	}
	return v
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return uint64(-v)
	}
	return uint64(v)
}

func divHalfUp(a, b int64) int64 {
	if b == 0 {
		return 0
	}
	if b < 0 {
		a, b = -a, -b
	}
	if a < 0 {
		return -((-a + b/2) / b)
	}
	return (a + b/2) / b
}

func ratioOf(a, b int64) int64 {
	if b <= 0 || a <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(a), uint64(money.One))
	if hi >= uint64(b) {
		return maxQuantity
	}
	q, r := bits.Div64(hi, lo, uint64(b))
	if r >= uint64(b)-r {
		q++
	}
	return int64(min(q, uint64(maxQuantity)))
}

// compile turns a checked expression into a value.
func compile(e *expr) (v val, err error) {
	defer func() {
		if r := recover(); r != nil {
			ee, ok := r.(*exprError)
			if !ok {
				panic(r)
			}
			err = ee
		}
	}()
	v = val{typ: e.typ, src: e}
	switch {
	case e.op == "literal":
		c, err := scaled(e.num, e.typ)
		if err != nil {
			return v, &exprError{e.pos, err.Error()}
		}
		v.kind, v.c = valConst, c
		return v, nil
	case e.op == "symbol" && e.sym.kind == symSlot:
		v.kind, v.slot = valSlot, uint8(e.sym.slot)
		return v, nil
	case e.op == "symbol" && e.sym.kind == symParam:
		v.kind, v.p = valParam, e.sym.param
		return v, nil
	}
	c := &compiler{}
	c.emitTo(e, slotTemps)
	v.kind, v.code = valCode, c.code
	return v, nil
}

type compiler struct{ code []op }

func (c *compiler) add(o op) int { c.code = append(c.code, o); return len(c.code) - 1 }

// emit leaves the value of e in some slot: its own, or temp.
func (c *compiler) emit(e *expr, temp int) uint8 {
	if e.op == "symbol" && e.sym.kind == symSlot {
		return uint8(e.sym.slot)
	}
	c.emitTo(e, temp)
	return uint8(temp)
}

// emitTo leaves the value of e in temp, as the destination of the last op.
func (c *compiler) emitTo(e *expr, temp int) {
	if temp >= frameSize-2 {
		failAt(e.pos, "the expression needs too many intermediate values; divide it into parameters")
	}
	dst := uint8(temp)
	switch e.op {
	case "literal":
		v, err := scaled(e.num, e.typ)
		if err != nil {
			failAt(e.pos, "%v", err)
		}
		c.add(op{code: opConst, dst: dst, imm: v})
	case "symbol":
		switch e.sym.kind {
		case symSlot:
			c.add(op{code: opMove, dst: dst, a: uint8(e.sym.slot)})
		case symGuard:
			c.add(op{code: opGuard, imm: int64(e.sym.guard)})
			c.add(op{code: opMove, dst: dst, a: uint8(e.sym.slot)})
		case symParam:
			c.add(op{code: opParam, dst: dst, p: e.sym.param})
		}
	case "has":
		c.add(op{code: opHas, dst: dst, imm: int64(e.mask)})
	case "in":
		c.add(op{code: opIn, dst: dst, a: c.emit(e.args[0], temp), imm: int64(e.mask)})
	case "!":
		c.add(op{code: opNot, dst: dst, a: c.emit(e.args[0], temp)})
	case "neg":
		c.add(op{code: opNeg, dst: dst, a: c.emit(e.args[0], temp)})
	case "?:":
		cond := c.emit(e.args[0], temp)
		j := c.add(op{code: opJumpFalse, a: cond})
		c.emitTo(e.args[1], temp)
		k := c.add(op{code: opJump})
		c.code[j].imm = int64(len(c.code) - j - 1)
		c.emitTo(e.args[2], temp)
		c.code[k].imm = int64(len(c.code) - k - 1)
		c.add(op{code: opMove, dst: dst, a: dst}) // the last op names the result
	case "&&", "||":
		c.emitTo(e.args[0], temp)
		test := uint8(temp)
		if e.op == "||" {
			test = uint8(temp + 1)
			c.add(op{code: opNot, dst: test, a: dst})
		}
		j := c.add(op{code: opJumpFalse, a: test})
		c.emitTo(e.args[1], temp)
		c.code[j].imm = int64(len(c.code) - j - 1)
		c.add(op{code: opMove, dst: dst, a: dst})
	case "min", "max":
		code := opMin
		if e.op == "max" {
			code = opMax
		}
		acc := c.emit(e.args[0], temp)
		for _, a := range e.args[1:] {
			b := c.emit(a, temp+1)
			c.add(op{code: code, dst: dst, a: acc, b: b})
			acc = dst
		}
	case "clamp":
		x := c.emit(e.args[0], temp)
		lo := c.emit(e.args[1], temp+1)
		c.add(op{code: opMax, dst: dst, a: x, b: lo})
		hi := c.emit(e.args[2], temp+1)
		c.add(op{code: opMin, dst: dst, a: dst, b: hi})
	default:
		a := c.emit(e.args[0], temp)
		b := c.emit(e.args[1], temp+1)
		o := op{dst: dst, a: a, b: b}
		switch e.op {
		case "+":
			o.code = opAdd
		case "-":
			o.code = opSub
		case "*":
			o.code = mulCode(e.args[0].typ, e.args[1].typ)
			if e.args[0].typ == tyRate && e.args[1].typ != tyRate {
				o.a, o.b = b, a // the rate is the second operand
			}
		case "/":
			switch {
			case e.args[1].typ == tyMoney:
				o.code = opRatio
			case e.typ == tyCount:
				o.code = opDivI
			default:
				o.code = opDiv
			}
		case "==":
			o.code = opEq
		case "!=":
			o.code = opNe
		case "<":
			o.code = opLt
		case "<=":
			o.code = opLe
		case ">":
			o.code, o.a, o.b = opLt, b, a
		case ">=":
			o.code, o.a, o.b = opLe, b, a
		}
		c.add(o)
	}
}

// mulCode chooses the product: an amount or ratio times a ratio is rounded in
// units of the first, anything times a count is a plain product.
func mulCode(a, b valueType) opcode {
	if a == tyCount || b == tyCount {
		return opMul
	}
	if a == tyRate && b == tyRate {
		return opMulRR
	}
	return opMulR
}

// constant reports whether v does not depend on the case, and its value.
func (v *val) constant() (int64, bool) {
	switch v.kind {
	case valConst:
		return v.c, true
	case valParam:
		if len(v.p.dims) == 0 && len(v.p.cells) == 1 {
			if c := v.p.cells[0]; c > codeCell {
				return c, true
			} else if c == codeCell {
				return v.p.progs[0].constant()
			}
		}
	case valCode:
		if exprConstant(v.src) {
			var f frame
			return run(v.code, &f), f.unknown == nil
		}
	}
	return 0, false
}

func exprConstant(e *expr) bool {
	if e.op == "has" {
		return false
	}
	if e.op == "symbol" {
		if e.sym.kind != symParam {
			return false
		}
		p := val{kind: valParam, p: e.sym.param}
		_, ok := p.constant()
		return ok
	}
	for _, a := range e.args {
		if !exprConstant(a) {
			return false
		}
	}
	return true
}
