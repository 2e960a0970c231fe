package explain

import (
	"strings"
)

// maskCitizenID keeps the first three and the last two characters of a
// citizen ID (公民身份号码), and nothing of a number too short to hide itself.
func maskCitizenID(id string) string {
	if len(id) < 12 {
		return strings.Repeat("*", len(id))
	}
	return id[:3] + strings.Repeat("*", len(id)-5) + id[len(id)-2:]
}
