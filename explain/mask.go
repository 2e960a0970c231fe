package explain

import (
	"strings"
	"unicode/utf8"
)

// maskName keeps the first character of a name: 张安 becomes 张*.
func maskName(name string) string {
	n := utf8.RuneCountInString(name)
	if n == 0 {
		return ""
	}
	first, _ := utf8.DecodeRuneInString(name)
	return string(first) + strings.Repeat("*", max(1, min(n-1, 3)))
}

// maskCitizenID keeps the first three and the last two characters of a
// citizen ID (公民身份号码), and nothing of a number too short to hide itself.
func maskCitizenID(id string) string {
	if len(id) < 12 {
		return strings.Repeat("*", len(id))
	}
	return id[:3] + strings.Repeat("*", len(id)-5) + id[len(id)-2:]
}
