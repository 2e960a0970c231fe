// Package ident reads the official codes that name people, organisations,
// places and providers: the citizen ID (公民身份号码, GB 11643), the unified
// social credit code (统一社会信用代码, GB 32100), the region code (医保区划,
// GB/T 2260) and the provider code (定点医药机构编号).
//
// A code is text of a fixed form; this package says whether a text has that
// form, which part of it does not, and what the parts mean. It knows nothing
// of whether the person or place exists. Its errors quote only the wrong part,
// never a whole citizen ID, so that they can be shown and logged.
package ident

// Part names the part of a code that is wrong.
type Part uint8

// The parts of codes.
const (
	Length       Part = iota // 长度
	Characters               // 字符
	RegionPart               // 行政区划
	Birth                    // 出生日期
	Serial                   // 顺序号
	CheckDigit               // 校验码
	Department               // 登记管理部门
	Category                 // 机构类别
	Organisation             // 组织机构代码
	Kind                     // 机构种类
)

var partNames = [...]string{"长度", "字符", "行政区划", "出生日期", "顺序号", "校验码", "登记管理部门", "机构类别", "组织机构代码", "机构种类"}

// String is the part's name in Chinese.
func (p Part) String() string { return partNames[p] }

// Error says which part of a code is wrong, what it holds, and what is allowed.
type Error struct {
	Code  string // the kind of code, in Chinese
	Part  Part
	Value string // the wrong part as it was written, never the whole of a citizen ID
	Want  string // what is allowed, in Chinese
}

func (e *Error) Error() string {
	return e.Code + "的" + e.Part.String() + " " + quote(e.Value) + " 不对：" + e.Want
}

func quote(s string) string {
	if s == "" {
		return "（空）"
	}
	return "“" + s + "”"
}

// Mask hides the middle of a code for showing: the first six and the last two
// characters stay. A text of eight characters or fewer is hidden whole.
func Mask(s string) string {
	r := []rune(s)
	from, to := 6, len(r)-2
	if to <= from {
		from, to = 0, len(r)
	}
	for i := from; i < to; i++ {
		r[i] = '*'
	}
	return string(r)
}
