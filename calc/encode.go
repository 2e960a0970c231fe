package calc

import (
	"strconv"
	"strings"

	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// AppendResult appends the result as one JSON object. steps may be nil.
func AppendResult(b []byte, r *policy.Result, steps []policy.Step) []byte {
	decision := "pay"
	if r.Refused {
		decision = "refuse"
	}
	b = append(b, `{"decision":"`...)
	b = append(b, decision...)
	b = append(b, `","reason":`...)
	b = AppendString(b, r.Reason)
	if r.Recourse {
		b = append(b, `,"recourse":true`...)
	}
	for _, f := range [...]struct {
		name string
		v    money.Fen
	}{
		{"total", r.Total}, {"full_own_pay", r.FullOwnPay}, {"over_ceiling", r.OverCeiling},
		{"first_own_pay", r.FirstOwnPay}, {"in_scope", r.InScope}, {"deductible", r.Deductible},
		{"basic", r.Fund[policy.Basic]}, {"civil_servant", r.Fund[policy.CivilServant]},
		{"enterprise", r.Fund[policy.Enterprise]}, {"large_amount", r.Fund[policy.LargeAmount]},
		{"catastrophic", r.Fund[policy.Catastrophic]}, {"assistance", r.Fund[policy.Assistance]},
		{"other", r.Fund[policy.Other]}, {"fund", r.FundTotal}, {"person", r.Person},
		{"account", r.Account}, {"family_account", r.FamilyAccount}, {"cash", r.Cash},
	} {
		b = append(b, ',', '"')
		b = append(b, f.name...)
		b = append(b, `":"`...)
		b = f.v.Append(b)
		b = append(b, '"')
	}
	b = appendSums(b, `,"year_to_date":`, r, &r.YearToDate)
	if r.Divided {
		b = appendSums(b, `,"next_year_to_date":`, r, &r.NextYear)
	}
	b = append(b, `,"steps":[`...)
	for i := range steps {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendStep(b, &steps[i])
	}
	b = append(b, `],"policy":{"region":"`...)
	b = append(b, r.Package.Region...)
	b = append(b, `","version":`...)
	b = AppendString(b, r.Package.Version)
	b = append(b, `,"from":"`...)
	b = r.Package.From.Append(b)
	b = append(b, `","plan":`...)
	plan := ""
	if r.Plan != nil {
		plan = r.Plan.ID
	}
	b = AppendString(b, plan)
	return append(b, '}', '}')
}

func appendSums(b []byte, key string, r *policy.Result, sums *policy.Accumulators) []byte {
	b = append(b, key...)
	b = append(b, '{')
	for i, n := range r.Package.Accumulators() {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendString(b, n)
		b = append(b, ':', '"')
		b = sums[i].Append(b)
		b = append(b, '"')
	}
	return append(b, '}')
}

func appendStep(b []byte, s *policy.Step) []byte {
	b = append(b, `{"stage":`...)
	stage := s.Stage
	if stage == "" {
		stage = s.Kind.String()
	}
	b = AppendString(b, stage)
	b = append(b, `,"kind":"`...)
	b = append(b, s.Kind.String()...)
	b = append(b, `","title":`...)
	b = AppendString(b, s.Title)
	b = append(b, `,"what":`...)
	b = AppendString(b, s.What)
	if s.Formula != "" {
		b = append(b, `,"formula":`...)
		b = AppendString(b, s.Formula)
	}
	b = append(b, `,"base":"`...)
	b = s.Base.Append(b)
	b = append(b, `","rate":"`...)
	b = s.Rate.Append(b)
	b = append(b, `","amount":"`...)
	b = s.Amount.Append(b)
	b = append(b, `","rest":"`...)
	b = s.Rest.Append(b)
	b = append(b, '"')
	if s.Part != 0 {
		b = append(b, `,"part":`...)
		b = strconv.AppendInt(b, int64(s.Part), 10)
	}
	b = append(b, `,"source":`...)
	if len(s.Sources) == 0 {
		b = append(b, `{"document":"","article":""}`...)
	} else {
		b = appendSource(b, s.Sources[0])
	}
	if len(s.Sources) > 1 {
		b = append(b, `,"also":[`...)
		for i, src := range s.Sources[1:] {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendSource(b, src)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func appendSource(b []byte, s *policy.Source) []byte {
	b = append(b, `{"document":`...)
	b = AppendString(b, s.Document.Cite)
	b = append(b, `,"article":`...)
	b = AppendString(b, s.Article)
	return append(b, '}')
}

// AppendError appends an error object, as a line of JSON Lines answers it.
func AppendError(b []byte, line int, e *Error) []byte {
	b = append(b, `{"error":{"line":`...)
	b = strconv.AppendInt(b, int64(line), 10)
	b = append(b, `,"column":`...)
	b = strconv.AppendInt(b, int64(e.Col), 10)
	b = append(b, `,"field":`...)
	b = AppendString(b, strings.ToValidUTF8(e.Field, "\uFFFD"))
	b = append(b, `,"message":`...)
	b = AppendString(b, strings.ToValidUTF8(e.Message, "\uFFFD"))
	return append(b, '}', '}')
}

const hexDigits = "0123456789abcdef"

// AppendString appends s, which is valid UTF-8, as a JSON string.
func AppendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		start = i + 1
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
