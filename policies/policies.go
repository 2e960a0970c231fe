// Package policies holds the policy packages that ship with Anji, as data.
package policies

import "embed"

// FS holds REGION/FROM.yaml and, for each region, REGION/cases/*.yaml.
//
//go:embed */*.yaml */cases/*.yaml
var FS embed.FS
