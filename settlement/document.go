package settlement

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/klauspost/compress/s2"

	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// document is what a settlement keeps beside its columns: the question and the
// answer in the calculator's contract, the explanation with the documents it
// cites, what each stage paid, and how each fee divided, in the order of the
// case's lines. It is stored as JSON packed by S2; amounts are fen.
type document struct {
	Case   json.RawMessage `json:"case"`
	Result json.RawMessage `json:"result"`
	Cited  []keptDocument  `json:"cited"`
	Steps  []keptStep      `json:"steps"`
	Stages []keptStage     `json:"stages"`
	Lines  []settledLine   `json:"lines"`
}

// keptDocument is a cited document.
type keptDocument struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Number string `json:"number"`
	Issuer string `json:"issuer"`
	Date   string `json:"date"`
	URL    string `json:"url"`
	Cite   string `json:"cite"`
	Grade  string `json:"grade"`
}

// keptStep is a step of an explanation. It has the kind's name, which outlives
// its number, and no rate where no ratio is involved.
type keptStep struct {
	Kind    string       `json:"kind"`
	Stage   string       `json:"stage"`
	Title   string       `json:"title"`
	What    string       `json:"what"`
	Formula string       `json:"formula"`
	Base    int64        `json:"base"`
	Rate    *int64       `json:"rate"`
	Amount  int64        `json:"amount"`
	Rest    int64        `json:"rest"`
	Part    int          `json:"part"`
	Grounds []keptGround `json:"grounds"`
}

// keptGround is an article of one of the cited documents: [document, article].
type keptGround struct {
	document int
	article  string
}

func (g *keptGround) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&g.document, &g.article})
}

// keptStage is what a stage paid; fund "" is an account.
type keptStage struct {
	Stage      string          `json:"stage"`
	Title      string          `json:"title"`
	Fund       string          `json:"fund"`
	FundTitle  string          `json:"fund_title"`
	Category   policy.Category `json:"category"`
	Code       string          `json:"code"`
	Base       int64           `json:"base"`
	Deductible int64           `json:"deductible"`
	Payable    int64           `json:"payable"`
	Paid       int64           `json:"paid"`
}

// settledLine is how a fee, with what was taken back of it, divided: [serial,
// full own pay, over ceiling, first own pay, in scope].
type settledLine struct {
	Serial string
	policy.LineSplit
}

func (l *settledLine) UnmarshalJSON(b []byte) error {
	var fen [4]int64
	if err := json.Unmarshal(b, &[]any{&l.Serial, &fen[0], &fen[1], &fen[2], &fen[3]}); err != nil {
		return err
	}
	l.LineSplit = policy.LineSplit{FullOwnPay: money.Fen(fen[0]), OverCeiling: money.Fen(fen[1]), FirstOwnPay: money.Fen(fen[2]), InScope: money.Fen(fen[3])}
	return nil
}

// documentFor writes the document of a settlement whose lines are those of the
// serials.
func (s *Service) documentFor(st *Settlement, serials []string) ([]byte, error) {
	r := &st.Result
	b := make([]byte, 0, 6<<10)
	b = append(b, `{"case":`...)
	from := len(b)
	b = calc.AppendCase(b, s.store, r.Package, &st.Case)
	if len(b)-from > calc.MaxBytes { // it could not be read back
		return nil, &Error{"batch", "", "费用明细过多；请按收费批次分次结算"}
	}
	b = append(b, `,"result":`...)
	b = calc.AppendResult(b, r, nil)
	b = append(b, `,"steps":[`...)
	var cited []*policy.Document
	for i := range st.Steps {
		if i > 0 {
			b = append(b, ',')
		}
		b, cited = appendStep(b, cited, &st.Steps[i])
	}
	b = append(b, `],"cited":[`...)
	for i, d := range cited {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTexts(b, "id", d.ID, "title", d.Title, "number", d.Number, "issuer", d.Issuer, "date", d.Date, "url", d.URL, "cite", d.Cite, "grade", d.Grade)
		b = append(b, '}')
	}
	b = append(b, `],"stages":[`...)
	for i, sp := range r.Stages() {
		if i > 0 {
			b = append(b, ',')
		}
		var f policy.Fund
		if sp.Fund != nil {
			f = *sp.Fund
		}
		b = appendTexts(b, "stage", sp.Stage.ID, "title", sp.Stage.Title, "fund", f.ID, "fund_title", f.Title, "code", f.Code)
		b = appendNumber(b, "category", int64(f.Category))
		b = appendNumber(b, "base", int64(sp.Base))
		b = appendNumber(b, "deductible", int64(sp.Deductible))
		b = appendNumber(b, "payable", int64(sp.Payable))
		b = append(appendNumber(b, "paid", int64(sp.Paid)), '}')
	}
	b = append(b, `],"lines":[`...)
	for i, l := range r.Lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = calc.AppendString(append(b, '['), serials[i])
		for _, v := range [...]money.Fen{l.FullOwnPay, l.OverCeiling, l.FirstOwnPay, l.InScope} {
			b = strconv.AppendInt(append(b, ','), int64(v), 10)
		}
		b = append(b, ']')
	}
	return s2.Encode(nil, append(b, `]}`...)), nil
}

// appendStep appends a step; what it cites is added to cited.
func appendStep(b []byte, cited []*policy.Document, s *policy.Step) ([]byte, []*policy.Document) {
	b = appendTexts(b, "kind", s.Kind.String(), "stage", s.Stage, "title", s.Title, "what", s.What, "formula", s.Formula)
	b = appendNumber(b, "base", int64(s.Base))
	if s.HasRate {
		b = appendNumber(b, "rate", int64(s.Rate))
	}
	b = appendNumber(b, "amount", int64(s.Amount))
	b = appendNumber(b, "rest", int64(s.Rest))
	b = appendNumber(b, "part", int64(s.Part))
	b = append(b, `,"grounds":[`...)
	for i, g := range s.Sources {
		n := slices.Index(cited, g.Document)
		if n < 0 {
			n = len(cited)
			cited = append(cited, g.Document)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, '['), int64(n), 10)
		b = append(calc.AppendString(append(b, ','), g.Article), ']')
	}
	return append(b, ']', '}'), cited
}

// appendTexts begins an object with names and texts.
func appendTexts(b []byte, pairs ...string) []byte {
	sep := byte('{')
	for i := 0; i < len(pairs); i += 2 {
		b = append(append(append(b, sep, '"'), pairs[i]...), '"', ':')
		b = calc.AppendString(b, pairs[i+1])
		sep = ','
	}
	return b
}

func appendNumber(b []byte, name string, v int64) []byte {
	b = append(append(append(b, ',', '"'), name...), '"', ':')
	return strconv.AppendInt(b, v, 10)
}

// unpack reads a stored document.
func unpack(stored []byte) (d document, err error) {
	text, err := s2.Decode(nil, stored)
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	return d, err
}

// documentOf reads the document of a settlement.
func documentOf(ctx context.Context, tx *db.Tx, id string) (document, error) {
	var stored []byte
	if err := tx.QueryRow(ctx, `SELECT document FROM settlement WHERE id = ?`, id).Scan(&stored); err != nil {
		return document{}, err
	}
	d, err := unpack(stored)
	if err != nil {
		err = fmt.Errorf("settlement %s: %w", id, err)
	}
	return d, err
}

// steps are the steps of the explanation.
func (d *document) steps() ([]policy.Step, error) {
	kinds := map[string]policy.StepKind{}
	for k := policy.StepTotal; k <= policy.StepCash; k++ {
		kinds[k.String()] = k
	}
	cited := make([]policy.Document, len(d.Cited))
	for i, c := range d.Cited {
		cited[i] = policy.Document(c)
	}
	out := make([]policy.Step, len(d.Steps))
	for i, k := range d.Steps {
		kind, ok := kinds[k.Kind]
		if !ok {
			return nil, fmt.Errorf("step %d is of an unknown kind %q", i+1, k.Kind)
		}
		s := policy.Step{Kind: kind, Stage: k.Stage, Title: k.Title, What: k.What, Formula: k.Formula,
			Base: money.Fen(k.Base), Rate: money.One, Amount: money.Fen(k.Amount), Rest: money.Fen(k.Rest), Part: k.Part}
		if k.Rate != nil {
			s.Rate, s.HasRate = money.Rate(*k.Rate), true
		}
		for _, g := range k.Grounds {
			if g.document < 0 || g.document >= len(cited) {
				return nil, fmt.Errorf("step %d cites document %d of %d", i+1, g.document, len(cited))
			}
			s.Sources = append(s.Sources, &policy.Source{Document: &cited[g.document], Article: g.article})
		}
		out[i] = s
	}
	return out, nil
}

// stages are what each stage paid.
func (d *document) stages(r *policy.Result) error {
	if len(d.Stages) > policy.MaxStages {
		return fmt.Errorf("%d stages are stored, there may be %d", len(d.Stages), policy.MaxStages)
	}
	r.NumStages = len(d.Stages)
	for i, k := range d.Stages {
		sp := policy.StagePay{Stage: &policy.Stage{ID: k.Stage, Title: k.Title},
			Base: money.Fen(k.Base), Deductible: money.Fen(k.Deductible), Payable: money.Fen(k.Payable), Paid: money.Fen(k.Paid)}
		if k.Fund != "" {
			sp.Fund = &policy.Fund{ID: k.Fund, Title: k.FundTitle, Category: k.Category, Code: k.Code}
		}
		r.StagePays[i] = sp
	}
	return nil
}

// FundPaid is what a fund pays in a settlement.
type FundPaid struct {
	Fund  string    // in the region's package
	Title string    // 基金名称
	Paid  money.Fen // negative in a reversal
}

func (f *FundPaid) UnmarshalJSON(b []byte) error {
	var fen int64
	err := json.Unmarshal(b, &[]any{&f.Fund, &f.Title, &fen})
	f.Paid = money.Fen(fen)
	return err
}

// ReadFunds reads the column funds of a settlement.
func ReadFunds(stored string) (funds []FundPaid, err error) {
	err = json.Unmarshal([]byte(stored), &funds)
	return funds, err
}

// appendFunds writes what the funds pay, in the order of the stages: [[fund,
// title, fen], ...].
func appendFunds(b []byte, r *policy.Result) []byte {
	b = append(b, '[')
	for _, sp := range r.Stages() {
		if sp.Fund == nil {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = calc.AppendString(append(b, '['), sp.Fund.ID)
		b = calc.AppendString(append(b, ','), sp.Fund.Title)
		b = append(strconv.AppendInt(append(b, ','), int64(sp.Paid), 10), ']')
	}
	return append(b, ']')
}
