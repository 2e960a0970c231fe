package policy

import (
	"slices"
	"strconv"
	"strings"

	"github.com/anji-platform/anji/money"
)

// words writes a value in Chinese for people: figures with their unit, names
// by their titles.
func (v *val) words() string {
	switch v.kind {
	case valAbsent:
		return ""
	case valUnknown:
		return "尚不掌握"
	case valConst:
		if v.src == nil {
			return figure(v.c, v.typ)
		}
	}
	if v.p != nil {
		return "「" + v.p.title + "」"
	}
	if v.src == nil {
		return figure(v.c, v.typ)
	}
	return v.src.words()
}

// formula is words for values that are more than a plain figure, else "".
func (v *val) formula() string {
	if v.src == nil || v.src.op == "literal" {
		return ""
	}
	return v.src.words()
}

func figure(v int64, typ valueType) string {
	switch typ {
	case tyMoney:
		if v >= unlimited {
			return "不限"
		}
		return yuan(v) + "元"
	case tyRate:
		return percentText(v)
	}
	return strconv.FormatInt(v, 10)
}

func yuan(v int64) string {
	return strings.TrimSuffix(money.Fen(v).Grouped(), ".00")
}

func percentText(v int64) string { return money.Rate(v).Percent() }

var operatorWords = map[string]string{
	"+": " ＋ ", "-": " － ", "*": " × ", "/": " ÷ ", "==": "为", "!=": "不为", "<": "小于", "<=": "不超过", ">": "超过", ">=": "不低于",
	"&&": "，且", "||": "，或",
}

func (e *expr) words() string {
	switch e.op {
	case "literal":
		switch {
		case e.typ == tyEnum:
			return e.dom.labels[e.num.Num().Int64()]
		case e.typ == tyBool:
			if e.num.Sign() != 0 {
				return "是"
			}
			return "否"
		case e.typ == tyDate:
			return e.text
		}
		v, err := scaled(e.num, e.typ)
		if err != nil {
			return e.text
		}
		return figure(v, e.typ)
	case "symbol":
		if e.sym.kind == symParam {
			return "「" + e.sym.title + "」"
		}
		return e.sym.title
	case "has":
		return "属于" + e.text
	case "in":
		var out []string
		for i, l := range e.dom.labels {
			if e.mask>>uint(i)&1 != 0 {
				out = append(out, l)
			}
		}
		return e.args[0].words() + "为" + strings.Join(out, "、")
	case "!":
		return "并非（" + e.args[0].words() + "）"
	case "neg":
		return "－" + e.args[0].inner(e)
	case "?:":
		return "若" + e.args[0].words() + "，则" + e.args[1].words() + "，否则" + e.args[2].words()
	case "min", "max", "clamp":
		var out []string
		for _, a := range e.args {
			out = append(out, a.words())
		}
		switch e.op {
		case "min":
			return strings.Join(out, "与") + "中较小者"
		case "max":
			return strings.Join(out, "与") + "中较大者"
		}
		return out[0] + "（不低于" + out[1] + "，不高于" + out[2] + "）"
	}
	return e.args[0].inner(e) + operatorWords[e.op] + e.args[1].inner(e)
}

// inner writes e as an operand of parent, in brackets where the order of
// reading needs them.
func (e *expr) inner(parent *expr) string {
	s := e.words()
	loose := slices.Contains([]string{"+", "-", "?:", "min", "max"}, e.op)
	tight := slices.Contains([]string{"*", "/", "neg", "-"}, parent.op)
	logic := (e.op == "||" || e.op == "?:") && parent.op != "||"
	if loose && tight && !(parent.op == "-" && parent.args[0] == e) || logic {
		return "（" + s + "）"
	}
	return s
}

// labels writes the combination of a cell for people: "职工、三级".
func (p *param) labels(i int64) string {
	var out []string
	for _, d := range p.dims {
		out = append(out, d.sym.dom.labels[i/d.stride%int64(len(d.sym.dom.values))])
	}
	return strings.Join(out, "、")
}
