package ident

// Provider is the code of a designated provider (定点医药机构编号): a letter
// for its kind (H hospital, P pharmacy), its region, and five digits.
type Provider string

const providerCode = "医药机构编号"

// ParseProvider reads a provider code; its errors are *Error.
func ParseProvider(s string) (Provider, error) {
	if len(s) != 12 {
		return "", &Error{providerCode, Length, lengthOf(s), "应为 12 位：H 或 P、区划 6 位、顺序号 5 位"}
	}
	if s[0] != 'H' && s[0] != 'P' {
		return "", &Error{providerCode, Kind, charAt(s, 0), "第一位应为 H（医疗机构）或 P（零售药店）"}
	}
	for i := 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return "", &Error{providerCode, Characters, charAt(s, i), "第二位起应全为数字"}
		}
	}
	if !provincePrefix(s[1:3]) {
		return "", &Error{providerCode, RegionPart, s[1:7], "应为六位区划代码"}
	}
	if s[7:] == "00000" {
		return "", &Error{providerCode, Serial, s[7:], "顺序号从 00001 起"}
	}
	return Provider(s), nil
}

// Pharmacy reports whether the provider is a pharmacy (定点零售药店).
func (p Provider) Pharmacy() bool { return p[0] == 'P' }

// Region is where the provider stands.
func (p Provider) Region() Region { return Region(p[1:7]) }
