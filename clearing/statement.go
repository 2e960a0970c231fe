package clearing

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
)

// Line is one settlement, as the ledger holds it or as a provider states it.
type Line struct {
	Settlement string
	Visit      string // "" is not stated
	Person     string // "" is not stated
	Reversal   bool   // 退费结算
	Unmarked   bool   // the provider does not state whether it is a reversal
	Total      money.Fen
	Fund       money.Fen
	Account    money.Fen
}

// Side says whether the line is of a settlement or of a reversal.
func (l Line) Side() Side {
	if l.Reversal || l.Total < 0 {
		return Reversals
	}
	return Settlements
}

// DifferenceKind is a way in which a stated line and the ledger differ.
type DifferenceKind uint8

// The kinds of differences.
const (
	NotHere         DifferenceKind = iota // the agency has no such settlement
	NotReversedHere                       // the provider states a reversal that the agency does not have
	NotThere                              // the provider does not state a settlement
	ReversedHere                          // the provider does not state a reversal
	OtherAmount                           // a figure differs: see Gap
	OtherVisit
	OtherPerson
	OtherMark // the mark of a reversal
	Duplicate // stated before: see Row
	OtherProvider
	OtherPeriod // made at another time: see At
	OtherKind   // of another kind of care or scheme than is reconciled
)

var differenceTitles = [...]string{"经办机构无此结算", "机构已退费、经办机构无此撤销", "机构明细未列", "经办机构已撤销、机构明细未列",
	"金额不符", "就诊不符", "人员不符", "退费标志不符", "重复", "非本机构结算", "不在对账期间", "类别不符"}

// Title is the kind's name in Chinese.
func (k DifferenceKind) Title() string { return differenceTitles[k] }

// Difference is one difference between a stated line and the ledger.
type Difference struct {
	Kind DifferenceKind
	Gap  Gap       // of OtherAmount
	Row  int       // of Duplicate: the row that stated it first, from 1
	At   time.Time // of OtherPeriod, NotThere and ReversedHere: when it was made
}

// String says the difference in Chinese. It says nothing of what is not the
// provider's.
func (d Difference) String() string {
	at := d.At.In(zone).Format(time.DateTime)
	switch d.Kind {
	case OtherAmount:
		return d.Gap.String()
	case Duplicate:
		return fmt.Sprintf("与第 %d 行重复", d.Row)
	case OtherPeriod:
		return "结算时间 " + at + " 不在对账期间"
	case NotThere, ReversedHere:
		return d.Kind.Title() + "，结算时间 " + at
	}
	return d.Kind.Title()
}

// Finding is what became of one line.
type Finding struct {
	Line            // as the provider states it; as the ledger holds it where Row is 0
	Row         int // in the statement, from 1; 0: the provider does not state it
	Differences []Difference
}

// Words are the differences in Chinese, "" for none.
func (f *Finding) Words() string {
	texts := make([]string, len(f.Differences))
	for i, d := range f.Differences {
		texts[i] = d.String()
	}
	return strings.Join(texts, "；")
}

// Reconcile holds the lines that a provider states against the settlements of
// a scope (对明细账). There is a finding for every line, in its order, then one
// for each settlement that no line states, in the order they were made; sum
// are the totals of the scope's settlements.
func Reconcile(ctx context.Context, tx *db.Tx, s Scope, stated []Line) (found []Finding, sum Totals, err error) {
	var ledger []row
	index := map[string]int{}
	err = s.each(ctx, tx, func(r *row) error {
		sum.Add(r.totals)
		index[r.Settlement] = len(ledger)
		ledger = append(ledger, *r)
		return nil
	})
	if err != nil {
		return nil, sum, err
	}
	found = make([]Finding, len(stated))
	first := make(map[string]int, len(stated)) // row by settlement
	var unknown []int
	for i, l := range stated {
		f := &found[i]
		f.Line, f.Row = l, i+1
		if row, twice := first[l.Settlement]; twice {
			f.Differences = []Difference{{Kind: Duplicate, Row: row}}
			continue
		}
		first[l.Settlement] = i + 1
		at, ok := index[l.Settlement]
		if !ok {
			unknown = append(unknown, i)
			continue
		}
		f.Differences = l.differ(&ledger[at].Line)
	}
	if err := s.explain(ctx, tx, found, unknown); err != nil {
		return nil, sum, err
	}
	for i := range ledger {
		r := &ledger[i]
		if first[r.Settlement] > 0 {
			continue
		}
		kind := NotThere
		if r.Reversal {
			kind = ReversedHere
		}
		found = append(found, Finding{Line: r.Line, Differences: []Difference{{Kind: kind, At: r.at}}})
	}
	return found, sum, nil
}

// differ compares a stated line with the ledger's.
func (l *Line) differ(ours *Line) (out []Difference) {
	if l.Visit != "" && l.Visit != ours.Visit {
		out = append(out, Difference{Kind: OtherVisit})
	}
	if l.Person != "" && l.Person != ours.Person {
		out = append(out, Difference{Kind: OtherPerson})
	}
	if !l.Unmarked && l.Reversal != ours.Reversal {
		out = append(out, Difference{Kind: OtherMark})
	}
	for _, a := range [...]struct {
		figure       Figure
		theirs, ours money.Fen
	}{{Total, l.Total, ours.Total}, {Fund, l.Fund, ours.Fund}, {Account, l.Account, ours.Account}} {
		if a.theirs != a.ours {
			out = append(out, Difference{Kind: OtherAmount, Gap: Gap{a.figure, int64(a.theirs), int64(a.ours)}})
		}
	}
	return out
}

// lookUps is how many settlements one query looks for.
const lookUps = 200

// explain says of lines that are not in the scope why.
func (s *Scope) explain(ctx context.Context, tx *db.Tx, found []Finding, unknown []int) error {
	for len(unknown) > 0 {
		n := min(len(unknown), lookUps)
		part := unknown[:n]
		unknown = unknown[n:]
		args := make([]any, n)
		for i, at := range part {
			args[i] = found[at].Settlement
		}
		why := make(map[string]Difference, n)
		err := tx.Each(ctx, func(rows *db.Rows) error {
			var id, provider, at string
			if err := rows.Scan(&id, &provider, &at); err != nil {
				return err
			}
			made, err := time.Parse(time.RFC3339Nano, at)
			switch {
			case err != nil:
				return err
			case provider != s.Provider:
				why[id] = Difference{Kind: OtherProvider}
			case !s.holds(made):
				why[id] = Difference{Kind: OtherPeriod, At: made}
			default:
				why[id] = Difference{Kind: OtherKind}
			}
			return nil
		}, `SELECT id, provider, at FROM settlement WHERE id IN (?`+strings.Repeat(`, ?`, n-1)+`)`, args...)
		if err != nil {
			return err
		}
		for _, at := range part {
			f := &found[at]
			d, ok := why[f.Settlement]
			if !ok {
				d.Kind = NotHere
				if f.Reversal || f.Total < 0 {
					d.Kind = NotReversedHere
				}
			}
			f.Differences = []Difference{d}
		}
	}
	return nil
}
