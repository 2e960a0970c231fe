package ident

// Region is a region code of six digits (医保区划): two each for province, city
// and county.
type Region string

// exampleProvince is the prefix of the example regions, which exist only in
// demonstrations and tests. The state assigns no code that begins with it.
const exampleProvince = "99"

// ParseRegion reads a region code. The prefixes allowed are those of the
// provinces (11 to 65), 71, 81, 82, 91, and 99 for example regions.
func ParseRegion(s string) (Region, error) {
	if err := digits("区划代码", s, 6); err != nil {
		return "", err
	}
	if !provincePrefix(s[:2]) {
		return "", &Error{"区划代码", RegionPart, s[:2], "前两位应是省级代码（11–15、21–23、31–37、41–46、50–54、61–65、71、81、82、91，示例区为 99）"}
	}
	return Region(s), nil
}

func provincePrefix(p string) bool {
	switch p[0] {
	case '1':
		return '1' <= p[1] && p[1] <= '5'
	case '2':
		return '1' <= p[1] && p[1] <= '3'
	case '3':
		return '1' <= p[1] && p[1] <= '7'
	case '4':
		return '1' <= p[1] && p[1] <= '6'
	case '5':
		return '0' <= p[1] && p[1] <= '4'
	case '6':
		return '1' <= p[1] && p[1] <= '5'
	case '7':
		return p[1] == '1'
	case '8':
		return p[1] == '1' || p[1] == '2'
	case '9':
		return p[1] == '1' || p == exampleProvince
	}
	return false
}

// Province and City are the codes of the province and of the city the region
// lies in, itself included.
func (r Region) Province() Region { return r[:2] + "0000" }

// City is the code of the prefecture: see Province.
func (r Region) City() Region { return r[:4] + "00" }

// Within reports whether r is outer or lies in it.
func (r Region) Within(outer Region) bool {
	return r == outer || r.City() == outer || r.Province() == outer
}

// Example reports whether the region exists only in demonstrations and tests.
func (r Region) Example() bool { return r[:2] == exampleProvince }

func digits(code, s string, n int) error {
	if len(s) != n {
		return &Error{code, Length, lengthOf(s), "应为 " + itoa(n) + " 位数字"}
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return &Error{code, Characters, charAt(s, i), "应全为数字"}
		}
	}
	return nil
}
