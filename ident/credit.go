package ident

import "strings"

// CreditCode is a unified social credit code (统一社会信用代码, GB 32100-2015):
// registering department 1, category 1, region 6, organisation code 9 with a
// check character of its own (GB 11714), check character 1.
type CreditCode string

const creditCode = "统一社会信用代码"

// creditDigits are the 31 characters of the code: I, O, S, V and Z are left
// out, because they are easily taken for others.
const creditDigits = "0123456789ABCDEFGHJKLMNPQRTUWXY"

// categories are, by registering department, the categories it gives.
var categories = map[byte]string{
	'1': "1239",   // 机构编制
	'2': "19",     // 外交
	'3': "123459", // 司法行政
	'4': "19",     // 文化
	'5': "1239",   // 民政
	'6': "129",    // 旅游
	'7': "129",    // 宗教
	'8': "19",     // 工会
	'9': "1239",   // 市场监督管理
	'A': "19",     // 中央军委改革和编制办公室
	'N': "1239",   // 农业农村
	'Y': "1",      // 其他
}

// ParseCreditCode reads a unified social credit code; its errors are *Error.
func ParseCreditCode(s string) (CreditCode, error) {
	if len(s) != 18 {
		return "", &Error{creditCode, Length, lengthOf(s), "应为 18 位"}
	}
	for i := range len(s) {
		if strings.IndexByte(creditDigits, s[i]) < 0 {
			return "", &Error{creditCode, Characters, charAt(s, i), "应为数字或大写字母（不含 I、O、S、V、Z）"}
		}
	}
	cats, ok := categories[s[0]]
	if !ok {
		return "", &Error{creditCode, Department, s[:1], "第一位应为 1 至 9、A、N 或 Y"}
	}
	if strings.IndexByte(cats, s[1]) < 0 {
		return "", &Error{creditCode, Category, s[1:2], "登记管理部门 " + s[:1] + " 的机构类别只有 " + strings.Join(strings.Split(cats, ""), "、")}
	}
	region := s[2:8]
	if digits("", region, 6) != nil || !provincePrefix(region[:2]) && region != "100000" {
		return "", &Error{creditCode, RegionPart, region, "应为六位区划代码（国家级为 100000）"}
	}
	if want := organisationCheck(s[8:16]); s[16] != want {
		return "", &Error{creditCode, Organisation, s[8:17], "末位与前八位不符"}
	}
	if want := creditCheck(s); s[17] != want {
		return "", &Error{creditCode, CheckDigit, s[17:], "与前十七位不符，可能有一位写错"}
	}
	return CreditCode(s), nil
}

// creditCheck is the check character over the first seventeen: weights are the
// powers of 3 modulo 31.
func creditCheck(s string) byte {
	sum, w := 0, 1
	for i := range 17 {
		sum += strings.IndexByte(creditDigits, s[i]) * w
		w = w * 3 % 31
	}
	return creditDigits[(31-sum%31)%31]
}

// organisationCheck is the check character of an organisation code
// (GB 11714): here letters count from A = 10 without gaps.
func organisationCheck(s string) byte {
	weights := [8]int{3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, w := range weights {
		v := int(s[i] - '0')
		if s[i] >= 'A' {
			v = int(s[i]-'A') + 10
		}
		sum += v * w
	}
	return "0X987654321"[sum%11]
}

// Region is where the organisation is registered.
func (c CreditCode) Region() Region { return Region(c[2:8]) }

// Mask hides the organisation code.
func (c CreditCode) Mask() string { return Mask(string(c)) }
