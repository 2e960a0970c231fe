package his

import (
	"slices"
	"strings"
)

// seen, if not nil, is told of every field that is read of a request or filled
// in a reply. Only tests set it, before they begin; what they see is kept in
// coverage.tsv, which
//
//	go test ./his -update
//
// writes anew.
var seen func(place, field string)

func use(n *Node, field string) {
	if seen != nil {
		seen(n.place, field)
	}
}

// addUse marks the field of a row of coverage.tsv. A row about a field that the
// tables no longer have says nothing; a test finds it.
func (s *Spec) addUse(c []string) error {
	if f := s.field(strings.Join(c[:3], "\t"), c[3]); f != nil {
		f.Used = true
	}
	return nil
}

// field is the field of the node at the place, or nil.
func (s *Spec) field(place, name string) *Field {
	number, _, _ := strings.Cut(place, "\t")
	nodes := []*Node{s.Envelope, s.Reply}
	if t := s.transactions[number]; t != nil {
		nodes = slices.Concat(t.Input, t.Output, []*Node{t.InFile, t.OutFile})
	}
	for _, n := range nodes {
		if n == nil || n.place != place {
			continue
		}
		if i, ok := n.byName[name]; ok {
			return n.Fields[i]
		}
	}
	return nil
}
