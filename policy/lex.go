package policy

import (
	"fmt"
	"math/big"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tEOF tokenKind = iota
	tNumber
	tPercent
	tYuan
	tString
	tIdent
	tOp
)

type token struct {
	kind tokenKind
	text string
	pos  int // in runes from the start of the expression
	num  *big.Rat
}

// maxExpr bounds an expression, in bytes; maxNesting its depth.
const (
	maxExpr    = 2000
	maxNesting = 32
)

// exprError is a fault at a rune offset of an expression.
type exprError struct {
	pos int
	msg string
}

func (e *exprError) Error() string { return e.msg }

func failAt(pos int, format string, args ...any) {
	panic(&exprError{pos, fmt.Sprintf(format, args...)})
}

var operators = []string{"&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "!", "(", ")", "[", "]", ",", "?", ":", "."}

func lex(src string) []token {
	if len(src) > maxExpr {
		failAt(0, "the expression is %d bytes long; at most %d are allowed", len(src), maxExpr)
	}
	if !utf8.ValidString(src) {
		failAt(0, "the expression is not valid UTF-8")
	}
	var out []token
	pos := 0
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRuneInString(src[i:])
		switch {
		case unicode.IsSpace(r):
			i, pos = i+n, pos+1
		case r >= '0' && r <= '9':
			j := i
			for j < len(src) && (src[j] >= '0' && src[j] <= '9' || src[j] == '.' || src[j] == '_') {
				j++
			}
			t := token{kind: tNumber, text: src[i:j], pos: pos}
			digits := strings.ReplaceAll(t.text, "_", "")
			num, ok := new(big.Rat).SetString(digits)
			if !ok || len(digits) > 30 || strings.HasSuffix(digits, ".") {
				failAt(pos, "%q is not a number", t.text)
			}
			t.num = num
			width := j - i
			switch {
			case strings.HasPrefix(src[j:], "%"):
				t.kind, t.num = tPercent, num.Quo(num, big.NewRat(100, 1))
				j, width = j+1, width+1
			case strings.HasPrefix(src[j:], "元"):
				t.kind = tYuan
				j, width = j+len("元"), width+1
			}
			out = append(out, t)
			i, pos = j, pos+width
		case r == '\'' || r == '"':
			j := strings.IndexRune(src[i+1:], r)
			if j < 0 {
				failAt(pos, "the text that starts here is not closed")
			}
			s := src[i+1 : i+1+j]
			out = append(out, token{kind: tString, text: s, pos: pos})
			i, pos = i+j+2, pos+utf8.RuneCountInString(s)+2
		case r == '_' || unicode.IsLetter(r):
			j, w := i, 0
			for j < len(src) {
				r, n := utf8.DecodeRuneInString(src[j:])
				if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
					break
				}
				j, w = j+n, w+1
			}
			out = append(out, token{kind: tIdent, text: src[i:j], pos: pos})
			i, pos = j, pos+w
		default:
			op := ""
			for _, o := range operators {
				if strings.HasPrefix(src[i:], o) {
					op = o
					break
				}
			}
			if op == "" {
				failAt(pos, "unexpected %q; an expression is made of names, numbers (100, 60%%, 50元), 'texts' and the operators %s", string(r), strings.Join(operators, " "))
			}
			out = append(out, token{kind: tOp, text: op, pos: pos})
			i, pos = i+len(op), pos+len(op)
		}
	}
	return append(out, token{kind: tEOF, pos: pos})
}

// validName reports whether s may name a parameter, stage, facet and so on.
func validName(s string) bool {
	if s == "" || len(s) > 100 || s == "true" || s == "false" || s == "in" || s == "unknown" {
		return false
	}
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r) && r != '-') {
			return false
		}
	}
	return true
}
