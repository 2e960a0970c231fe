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
	slotFacts   = slotAccumulators + MaxAccumulators
	slotFacets  = slotFacts + MaxFacts
	maxFacets   = 12
	slotStages  = slotFacets + maxFacets
	maxOutputs  = 16                      // quantities of stages that expressions refer to
	slotColumns = slotStages + maxOutputs // parameters of the flat table whose figures are all known
	maxColumns  = 20
	zeroSlot    = slotColumns + maxColumns // always 0
	frameSize   = zeroSlot + 1
)

type frame struct {
	s       [frameSize]int64
	row     []int64 // of the flat table, once the case is classified
	present uint32  // facts given; bit birthBit: birth is known
	unknown *param  // a parameter whose figure is not known was needed
	missing int     // 1 + the guard bit of a fact that was needed and not given
}

const birthBit = MaxFacts

// val is a compiled value: a constant, a slot of the frame, a parameter, or
// an operation on other values. It is evaluated by walking the tree, which is
// as deep as the expression was written (at most maxNesting) and has no calls
// out of this file.
type val struct {
	kind valKind
	slot uint8
	typ  valueType
	bad  bool // could not be read; the fault is reported
	c    int64
	p    *param
	x    *val
	y    *val
	z    *val
	src  *expr  // nil for a plain literal
	said string // the formula in words, "" for a plain literal
}

type valKind uint8

const (
	valConst valKind = iota
	valSlot
	valParam
	valColumn // a parameter, in the row of the flat table
	valUnknown
	valAbsent
	valGuard // slot, once the fact with bit c is known to be given
	valIn    // slot is one of the values in the mask c
	valHas   // the person has the class c
	valAny   // the person has one of the classes of c
	valNot
	valAnd
	valOr
	valCond
	valEq
	valNe
	valLt
	valLe
	valAdd
	valSub
	valNeg
	valMul  // × count
	valMulR // × rate, rounded half up
	valDiv  // ÷ count, rounded half up
	valDivI // count ÷ count, towards zero
	valRatio
	valMin
	valMax
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
	column                  uint8 // in the flat table, or noColumn
	line, col               int
}

type dim struct {
	sym    *symbol
	stride int64
	slot   uint8 // of sym
}

const (
	unknownCell = math.MinInt64
	codeCell    = math.MinInt64 + 1
)

func (p *param) index(f *frame) int64 {
	i := int64(0)
	for k := range p.dims {
		d := &p.dims[k]
		i += f.s[d.slot] * d.stride
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
	f.needsUnknown(p)
	return 0
}

// needsUnknown notes that a figure was needed that is not known; the first is
// the one to name.
func (f *frame) needsUnknown(p *param) {
	if f.unknown == nil {
		f.unknown = p
	}
}

// get evaluates the value. A constant is zeroSlot plus itself, a slot is
// itself plus nothing, so that one addition serves both.
func (v *val) get(f *frame) int64 {
	if v.kind <= valSlot {
		return f.s[v.slot] + v.c
	}
	return v.walk(f)
}

// walk evaluates all but constants and slots.
func (v *val) walk(f *frame) int64 {
	switch v.kind {
	case valParam:
		return v.p.get(f)
	case valColumn:
		if c := f.row[v.slot]; c > codeCell {
			return c
		}
		f.needsUnknown(v.p)
	case valUnknown:
		f.needsUnknown(v.p)
	case valGuard:
		if f.present&(1<<uint(v.c)) == 0 {
			f.missing = int(v.c) + 1
		}
		return f.s[v.slot]
	case valIn:
		return v.c >> uint(f.s[v.slot]&63) & 1
	case valHas:
		return truth(f.s[slotClasses]&v.c == v.c)
	case valAny:
		return truth(f.s[slotClasses]&v.c != 0)
	case valNot:
		return 1 - v.x.get(f)
	case valAnd:
		if v.x.get(f) == 0 {
			return 0
		}
		return v.y.get(f)
	case valOr:
		if v.x.get(f) != 0 {
			return 1
		}
		return v.y.get(f)
	case valCond:
		if v.x.get(f) != 0 {
			return v.y.get(f)
		}
		return v.z.get(f)
	case valEq:
		return truth(v.x.get(f) == v.y.get(f))
	case valNe:
		return truth(v.x.get(f) != v.y.get(f))
	case valLt:
		return truth(v.x.get(f) < v.y.get(f))
	case valLe:
		return truth(v.x.get(f) <= v.y.get(f))
	case valAdd:
		return clampAmount(v.x.get(f) + v.y.get(f))
	case valSub:
		return clampAmount(v.x.get(f) - v.y.get(f))
	case valNeg:
		return -v.x.get(f)
	case valMul:
		return mulClamped(v.x.get(f), v.y.get(f))
	case valMulR:
		return clampAmount(int64(money.Fen(v.x.get(f)).Mul(money.Rate(v.y.get(f)))))
	case valDiv:
		return divHalfUp(v.x.get(f), v.y.get(f))
	case valDivI:
		if d := v.y.get(f); d != 0 {
			return v.x.get(f) / d
		}
	case valRatio:
		return ratioOf(v.x.get(f), v.y.get(f))
	case valMin:
		return min(v.x.get(f), v.y.get(f))
	case valMax:
		return max(v.x.get(f), v.y.get(f))
	}
	return 0
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

// constant is a value that does not depend on the case.
func constant(c int64, typ valueType) val {
	return val{kind: valConst, slot: zeroSlot, c: c, typ: typ}
}

// unlimited stands for no limit: more than any amount can reach.
const unlimited = maxQuantity

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
	return *compiled(e), nil
}

func compiled(e *expr) *val {
	v := &val{typ: e.typ, src: e}
	two := func(kind valKind, a, b *expr) *val {
		v.kind, v.x, v.y = kind, compiled(a), compiled(b)
		return v
	}
	switch e.op {
	case "literal":
		if e.num == nil {
			failAt(e.pos, "a text alone is not a value")
		}
		c, err := scaled(e.num, e.typ)
		if err != nil {
			failAt(e.pos, "%v", err)
		}
		*v = constant(c, e.typ)
		v.src = e
	case "symbol":
		v.slot = uint8(e.sym.slot)
		switch e.sym.kind {
		case symSlot:
			v.kind = valSlot
		case symGuard:
			v.kind, v.c = valGuard, int64(e.sym.guard)
		case symParam:
			v.kind, v.p = valParam, e.sym.param
		}
	case "has":
		v.kind, v.c = valHas, int64(e.mask)
	case "in":
		v.kind, v.slot, v.c = valIn, uint8(e.args[0].sym.slot), int64(e.mask)
	case "!":
		v.kind, v.x = valNot, compiled(e.args[0])
	case "neg":
		v.kind, v.x = valNeg, compiled(e.args[0])
	case "?:":
		v.kind, v.x, v.y, v.z = valCond, compiled(e.args[0]), compiled(e.args[1]), compiled(e.args[2])
	case "&&":
		two(valAnd, e.args[0], e.args[1])
	case "||":
		two(valOr, e.args[0], e.args[1])
		if a, b := v.x, v.y; (a.kind == valHas || a.kind == valAny) && b.kind == valHas {
			v.kind, v.c = valAny, a.c|b.c
		}
	case "min", "max":
		kind := valMin
		if e.op == "max" {
			kind = valMax
		}
		out := compiled(e.args[0])
		for _, a := range e.args[1:] {
			out = &val{kind: kind, typ: e.typ, x: out, y: compiled(a), src: e}
		}
		return out
	case "clamp":
		low := &val{kind: valMax, typ: e.typ, x: compiled(e.args[0]), y: compiled(e.args[1]), src: e}
		return &val{kind: valMin, typ: e.typ, x: low, y: compiled(e.args[2]), src: e}
	case "+":
		two(valAdd, e.args[0], e.args[1])
	case "-":
		two(valSub, e.args[0], e.args[1])
	case "*":
		a, b := e.args[0], e.args[1]
		switch {
		case a.typ == tyCount || b.typ == tyCount:
			two(valMul, a, b)
		case a.typ == tyRate && b.typ != tyRate:
			two(valMulR, b, a) // the rate is the second operand
		default:
			two(valMulR, a, b)
		}
	case "/":
		switch {
		case e.args[1].typ == tyMoney:
			two(valRatio, e.args[0], e.args[1])
		case e.typ == tyCount:
			two(valDivI, e.args[0], e.args[1])
		default:
			two(valDiv, e.args[0], e.args[1])
		}
	case "==", "!=":
		if m := membership(e); m != nil {
			return m
		}
		kind := valEq
		if e.op == "!=" {
			kind = valNe
		}
		two(kind, e.args[0], e.args[1])
	case "<":
		two(valLt, e.args[0], e.args[1])
	case "<=":
		two(valLe, e.args[0], e.args[1])
	case ">":
		two(valLt, e.args[1], e.args[0])
	case ">=":
		two(valLe, e.args[1], e.args[0])
	}
	return v
}

// membership makes the comparison of a category with one of its values a test
// of a bit.
func membership(e *expr) *val {
	a, b := e.args[0], e.args[1]
	if a.op == "literal" {
		a, b = b, a
	}
	if a.typ != tyEnum || a.op != "symbol" || a.sym.kind != symSlot || b.op != "literal" {
		return nil
	}
	mask := int64(1) << uint(b.num.Num().Int64()&63)
	if e.op == "!=" {
		mask = ^mask
	}
	return &val{kind: valIn, typ: tyBool, slot: uint8(a.sym.slot), c: mask, src: e}
}

// constant reports whether v does not depend on the case, and its value.
func (v *val) constant() (int64, bool) {
	switch v.kind {
	case valConst:
		return v.c, true
	case valParam, valColumn:
		if len(v.p.dims) == 0 && len(v.p.cells) == 1 {
			if c := v.p.cells[0]; c > codeCell {
				return c, true
			} else if c == codeCell {
				return v.p.progs[0].constant()
			}
		}
	case valUnknown, valAbsent:
	default:
		if v.src != nil && exprConstant(v.src) {
			var f frame
			return v.get(&f), f.unknown == nil
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
