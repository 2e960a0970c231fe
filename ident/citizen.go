package ident

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/anji-platform/anji/civil"
)

// CitizenID is a citizen ID (公民身份号码, GB 11643-1999): region 6, day of
// birth 8, serial 3 (odd for men), check character 1. A final x is written X.
type CitizenID string

const citizenID = "身份证号"

// CheckCitizenID reports as an *Error which part of s is wrong, the check
// character included, or nil. The zone of residence permits of Hong Kong,
// Macao and Taiwan residents (81, 82, 83) is allowed.
func CheckCitizenID(s string) error {
	id, err := formOfCitizenID(s)
	if err != nil {
		return err
	}
	if want := citizenCheck(string(id)); id[17] != want {
		return &Error{citizenID, CheckDigit, string(id[17]), "与前十七位不符，可能有一位写错"}
	}
	return nil
}

// ParseCitizenID reads a citizen ID. It is as strict as CheckCitizenID, but
// that IDs of example regions may have any check character: so none of them
// can be, by accident, the ID of a living person.
func ParseCitizenID(s string) (CitizenID, error) {
	id, err := formOfCitizenID(s)
	if err != nil {
		return "", err
	}
	if id.Region().Example() {
		return id, nil
	}
	if err := CheckCitizenID(s); err != nil {
		return "", err
	}
	return id, nil
}

// formOfCitizenID checks everything but the check character's value.
func formOfCitizenID(s string) (CitizenID, error) {
	if len(s) != 18 {
		return "", &Error{citizenID, Length, lengthOf(s), "应为 18 位"}
	}
	for i := range 17 {
		if s[i] < '0' || s[i] > '9' {
			return "", &Error{citizenID, Characters, charAt(s, i), "前十七位应全为数字"}
		}
	}
	last := s[17]
	if last == 'x' {
		last = 'X'
	}
	if last != 'X' && (last < '0' || last > '9') {
		return "", &Error{citizenID, CheckDigit, charAt(s, 17), "应为数字或 X"}
	}
	if !provincePrefix(s[:2]) && s[:2] != "83" {
		return "", &Error{citizenID, RegionPart, s[:6], "前两位应是省级代码"}
	}
	n, _ := strconv.Atoi(s[6:14])
	if d := civil.Date(n); !d.Valid() {
		return "", &Error{citizenID, Birth, s[6:14], "应是日历上的一天（年月日八位）"}
	}
	return CitizenID(s[:17] + string(last)), nil
}

// citizenCheck is the check character of ISO 7064 MOD 11-2 over the first
// seventeen digits.
func citizenCheck(s string) byte {
	p := 0
	for i := range 17 {
		p = (p + int(s[i]-'0')) * 2 % 11
	}
	return "0123456789X"[(12-p)%11]
}

// Region is where the ID was first given, which need not be where the person
// lives or is insured.
func (id CitizenID) Region() Region { return Region(id[:6]) }

// Birth is the day of birth.
func (id CitizenID) Birth() civil.Date {
	n, _ := strconv.Atoi(string(id[6:14]))
	return civil.Date(n)
}

// Female reports whether the serial is even.
func (id CitizenID) Female() bool { return (id[16]-'0')%2 == 0 }

// Mask hides the day of birth and the serial.
func (id CitizenID) Mask() string { return Mask(string(id)) }

func lengthOf(s string) string { return itoa(utf8.RuneCountInString(s)) + " 位" }

// charAt is the whole character that holds byte i, for an error.
func charAt(s string, i int) string {
	for i > 0 && !utf8.RuneStart(s[i]) {
		i--
	}
	r, _ := utf8.DecodeRuneInString(s[i:])
	return strings.ToValidUTF8(string(r), "?")
}

func itoa(n int) string { return strconv.Itoa(n) }
