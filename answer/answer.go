// Package answer holds what people ask about their medical insurance (医保问答) and
// answers it from the policy package of their region: the questions of the
// national handbook, in words of our own, with every figure taken from the package
// or computed by the engine when it is asked, and, for who is signed in, with
// their own insurance and what they used this year.
//
// A question is data (questions.yaml). Its text holds no number: a number stands
// there as a placeholder in braces, or in a table that the package fills. What a
// package does not know is said to be unknown, with where to ask.
package answer

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

//go:embed questions.yaml
var questions []byte

// Text is in both languages.
type Text struct{ Zh, En string }

// In picks the language.
func (t Text) In(l bill.Lang) string { return l.Say(t.Zh, t.En) }

// Group is a group of questions.
type Group struct {
	ID        string
	Text      `yaml:",inline"`
	Questions []*Question `yaml:"-"`
}

// Question is one question, with how it is answered.
type Question struct {
	N       int // as the handbook counts (问题一 …)
	Group   string
	Text    `yaml:",inline"`
	Words   string // more words by which it is found
	Parts   []part
	Sources []citation
	Action  *Action
}

// Action is what can be done about it here.
type Action struct {
	To   string // path of the site
	Text `yaml:",inline"`
}

type citation struct{ Document, Article string }

// part is a paragraph, or what the package or the engine fills (show).
type part struct {
	When string // "own": for who is signed in; "others": for who is not; "": for all
	Text `yaml:",inline"`
	Show string // name of a figure and its arguments
	// Cases are worked examples, as the calculator contract writes them, without
	// region and day.
	Cases []example
}

type example struct {
	Text `yaml:",inline"`
	Days int // of a stay; 0: not said
	Case yaml.Node
}

// Book is all questions.
type Book struct {
	Hotline string // where to ask what a package does not know
	Groups  []*Group
	byN     map[int]*Question
}

// Load reads the questions. It returns every fault it finds.
func Load() (*Book, error) { return parse(questions) }

func parse(data []byte) (*Book, error) {
	var file struct {
		Hotline   string
		Groups    []*Group
		Questions []*Question
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	b := &Book{Hotline: file.Hotline, Groups: file.Groups, byN: map[int]*Question{}}
	var faults []error
	fault := func(q *Question, format string, args ...any) {
		faults = append(faults, fmt.Errorf("answer: question %d: %w", q.N, fmt.Errorf(format, args...)))
	}
	for _, q := range file.Questions {
		if b.byN[q.N] != nil || q.N < 1 {
			fault(q, "its number stands twice, or is none")
		}
		b.byN[q.N] = q
		i := slices.IndexFunc(b.Groups, func(g *Group) bool { return g.ID == q.Group })
		if i < 0 {
			fault(q, "no group %q", q.Group)
			continue
		}
		b.Groups[i].Questions = append(b.Groups[i].Questions, q)
		if len(q.Parts) == 0 {
			fault(q, "no answer")
		}
		texts := []Text{q.Text}
		if q.Action != nil {
			texts = append(texts, q.Action.Text)
		}
		for _, p := range q.Parts {
			if p.Zh != "" || p.Show == "" {
				texts = append(texts, p.Text)
			}
			if !slices.Contains([]string{"", "own", "others"}, p.When) {
				fault(q, "when is %q", p.When)
			}
			if name, _, _ := strings.Cut(p.Show, " "); p.Show != "" && tables[name] == nil {
				fault(q, "nothing is shown by %q", p.Show)
			}
			for _, c := range p.Cases {
				texts = append(texts, c.Text)
			}
		}
		for _, t := range texts {
			for _, s := range []string{t.Zh, t.En} {
				if err := checkText(s); err != nil {
					fault(q, "%q: %w", s, err)
				}
			}
		}
	}
	return b, errors.Join(faults...)
}

// checkText refuses a text that is missing, names an unknown placeholder, or holds
// a number: numbers come from the package.
func checkText(s string) error {
	if s == "" {
		return errors.New("a text is missing in one language")
	}
	return pieces(s, func(text string) error {
		if strings.ContainsFunc(text, unicode.IsDigit) || strings.ContainsAny(text, "%％}") {
			return errors.New("a number stands in the text; use a placeholder")
		}
		return nil
	}, func(name string, _ []string) error {
		if figures[name] == nil {
			return fmt.Errorf("no placeholder %q", name)
		}
		return nil
	})
}

// pieces takes a text apart into plain text and placeholders.
func pieces(s string, plain func(string) error, call func(name string, args []string) error) error {
	for s != "" {
		before, rest, ok := strings.Cut(s, "{")
		if before != "" {
			if err := plain(before); err != nil {
				return err
			}
		}
		if !ok {
			return nil
		}
		inside, after, ok := strings.Cut(rest, "}")
		words := strings.Fields(inside)
		if !ok || len(words) == 0 {
			return errors.New("a brace is not closed, or empty")
		}
		if err := call(words[0], words[1:]); err != nil {
			return err
		}
		s = after
	}
	return nil
}

// Find is the question of a number, nil if there is none.
func (b *Book) Find(n int) *Question { return b.byN[n] }

// Search finds questions that have all words of a query, in their order.
func (b *Book) Search(query string) (out []*Question) {
	words := strings.Fields(strings.ToLower(query))
	for _, g := range b.Groups {
		for _, q := range g.Questions {
			text := strings.ToLower(q.Zh + " " + q.En + " " + q.Words + " " + g.Zh)
			for _, p := range q.Parts {
				text += " " + strings.ToLower(p.Zh+" "+p.En)
			}
			if len(words) > 0 && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
				out = append(out, q)
			}
		}
	}
	return out
}

// Asker is who asks.
type Asker struct {
	Region string
	Day    civil.Date
	Lang   bill.Lang
	Own    *Own // nil: nobody is signed in
}

// Own is what is known of who is signed in.
type Own struct {
	Case    policy.Case // insurance, classes and sums of the year, without care
	Covered bool        // may be paid today
	Why     string      // why not
	Balance money.Fen   // of the personal account
	Due     money.Fen   // of contributions
	Filings []string    // for care elsewhere that hold today, in words
}

// Answer is a question answered for who asks.
type Answer struct {
	*Question
	RegionName string
	Blocks     []Block
	Sources    []Ground
	Unknown    bool // something is not known to the package
	Notes      []string
}

// Ground is a document with the articles of it that the answer rests on.
type Ground struct {
	Document string
	Articles []string
}

// Block is a paragraph or a table.
type Block struct {
	Text  []Span
	Table *Table
}

// Span is a piece of text.
type Span struct {
	Text    string
	Short   string // of an amount: without its unit, for a table that names it
	Figure  bool   // from the package or the engine
	Number  bool   // it stands at the right of its column
	Unknown bool
	Strong  bool
}

// Table is figures in rows.
type Table struct {
	Title string
	Head  []string
	Rows  [][]Span
	Yuan  bool   // amounts in it are in yuan
	Right []bool // the columns of numbers
}

// Answer answers the question of a number. The only errors are *policy.InputError,
// of a region without a package, and ErrNone.
func (b *Book) Answer(store *policy.Store, n int, who Asker) (*Answer, error) {
	q := b.byN[n]
	if q == nil {
		return nil, ErrNone
	}
	pkg, err := store.At(who.Region, who.Day)
	if err != nil {
		return nil, err
	}
	m := &maker{Asker: who, store: store, book: b, pkg: pkg, out: &Answer{Question: q, RegionName: pkg.Name}}
	for i := range q.Parts {
		p := &q.Parts[i]
		if p.When == "own" && who.Own == nil || p.When == "others" && who.Own != nil {
			continue
		}
		if p.Zh != "" {
			m.paragraph(p.In(who.Lang))
		}
		if p.Show != "" {
			words := strings.Fields(p.Show)
			tables[words[0]](m, p, words[1:])
		}
	}
	for _, c := range q.Sources {
		if src, ok := store.Cite(who.Region, who.Day, c.Document, c.Article); ok {
			m.cite(src)
		}
	}
	if m.out.Unknown {
		m.out.Notes = append(m.out.Notes, who.Lang.Say("标为“尚不掌握”的，政策包里没有可靠依据，不作猜测；可问参保地医保经办机构，或拨打 ", "What is marked as not known stands in no checked document; ask your agency or call ")+b.Hotline)
	}
	return m.out, nil
}

// ErrNone is of a number that no question has.
var ErrNone = errors.New("answer: no such question")

// maker makes one answer.
type maker struct {
	Asker
	store *policy.Store
	book  *Book
	pkg   *policy.Package
	out   *Answer
}

func (m *maker) say(zh, en string) string { return m.Lang.Say(zh, en) }

func (m *maker) cite(all ...*policy.Source) {
	for _, s := range all {
		if s == nil || s.Document == nil {
			continue
		}
		title := "《" + s.Document.Title + "》"
		i := slices.IndexFunc(m.out.Sources, func(g Ground) bool { return g.Document == title })
		if i < 0 {
			i = len(m.out.Sources)
			m.out.Sources = append(m.out.Sources, Ground{Document: title})
		}
		if g := &m.out.Sources[i]; !slices.Contains(g.Articles, s.Article) {
			g.Articles = append(g.Articles, s.Article)
		}
	}
}

// note says why something is not known.
func (m *maker) note(text string) {
	if text != "" && !slices.Contains(m.out.Notes, text) {
		m.out.Notes = append(m.out.Notes, text)
	}
}

func (m *maker) unknown(why string) Span {
	m.out.Unknown = true
	m.note(plainReason(why))
	return Span{Text: m.say("尚不掌握", "not known"), Unknown: true}
}

func (m *maker) paragraph(text string) {
	var spans []Span
	_ = pieces(text, func(s string) error { // checked when the book was read
		spans = append(spans, Span{Text: s})
		return nil
	}, func(name string, args []string) error {
		spans = append(spans, figures[name](m, args))
		return nil
	})
	m.out.Blocks = append(m.out.Blocks, Block{Text: spans})
}

func (m *maker) table(t *Table) {
	if len(t.Rows) == 0 {
		return
	}
	t.Right = make([]bool, len(t.Head))
	for _, r := range t.Rows {
		for i, s := range r {
			t.Right[i] = t.Right[i] || s.Number
			t.Yuan = t.Yuan || s.Short != ""
		}
	}
	m.out.Blocks = append(m.out.Blocks, Block{Table: t})
}

func (m *maker) yuan(a money.Fen) Span {
	if int64(a) >= int64(money.Max) {
		return Span{Text: m.say("不限", "no limit"), Figure: true, Number: true}
	}
	return Span{Text: m.Lang.Money(a), Short: a.Grouped(), Figure: true, Number: true}
}

func (m *maker) amount(a *policy.Amount) Span {
	m.cite(a.Sources...)
	switch {
	case a.Unknown != "":
		return m.unknown(a.Unknown)
	case a.Unlimited():
		return Span{Text: m.say("不限", "no limit"), Figure: true, Number: true}
	}
	return m.yuan(a.Amount)
}

func plain(s string) Span  { return Span{Text: s} }
func strong(s string) Span { return Span{Text: s, Strong: true} }
func figure(s string) Span { return Span{Text: s, Figure: true} }

// someone is a person for whom something is shown.
type someone struct {
	title string
	c     policy.Case
}

// scheme names a scheme.
func (m *maker) scheme(s policy.Scheme) string {
	if s == policy.Resident {
		return m.say(s.Title(), "resident")
	}
	return m.say(s.Title(), "employee")
}

// people are whom an answer is about: who asks or, of nobody who is signed in,
// ordinary insured people.
func (m *maker) people() []someone {
	if m.Own != nil {
		c := m.Own.Case
		c.Region, c.Date = m.Region, m.Day
		title := m.scheme(c.Scheme)
		if c.Retired {
			title += m.say("（退休）", " (retired)")
		}
		return []someone{{m.say("您：", "You: ") + title, c}}
	}
	base := policy.Case{Region: m.Region, Date: m.Day}
	active, retired, resident := base, base, base
	retired.Retired, resident.Scheme = true, policy.Resident
	return []someone{{m.say("在职职工", "Employees"), active}, {m.say("退休职工", "Retired employees"), retired}, {m.say("城乡居民", "Residents"), resident}}
}

// terms are those of a person for a kind of care, nil with a note where the
// package has none.
func (m *maker) terms(c *policy.Case) (*policy.Terms, string) {
	t, err := m.store.Terms(c)
	if err != nil {
		return nil, m.why(err)
	}
	if t.Unknown != "" {
		m.cite(t.Sources...)
		return nil, t.Unknown
	}
	return t, ""
}

// basic is the first stage that the pooled fund pays.
func basic(t *policy.Terms) *policy.StageTerms {
	for i := range t.Stages {
		if f := t.Stages[i].Fund; f != nil && f.Category == policy.Basic {
			return &t.Stages[i]
		}
	}
	return nil
}

// ratio writes the ratios of a stage: one, or from the least to the most.
func (m *maker) ratio(s *policy.StageTerms) Span {
	lo, hi := money.Rate(-1), money.Rate(-1)
	for i := range s.Bands {
		b := &s.Bands[i]
		m.cite(b.Sources...)
		if b.Unknown != "" {
			return m.unknown(b.Unknown)
		}
		if lo < 0 || b.Ratio < lo {
			lo = b.Ratio
		}
		hi = max(hi, b.Ratio)
	}
	switch {
	case lo < 0:
		return plain("—")
	case lo == hi:
		return Span{Text: lo.Percent(), Figure: true, Number: true}
	}
	return Span{Text: lo.Percent() + "–" + hi.Percent(), Figure: true, Number: true}
}

// why says in words what a package needs to be told.
func (m *maker) why(err error) string {
	field, text := "", err.Error()
	if e := (*calc.Error)(nil); errors.As(err, &e) {
		field, text = e.Field, e.Message
	} else if e := (*policy.InputError)(nil); errors.As(err, &e) {
		field, text = e.Field, e.Want
	}
	if field == "person.birth" {
		return m.say("待遇与年龄有关，登录后按您本人回答", "it depends on age: sign in to have it for yourself")
	}
	return text
}

// settle decides a case and keeps the grounds. why is filled where it cannot be
// decided.
func (m *maker) settle(c *policy.Case) (r policy.Result, why string) {
	var t policy.Trace
	if err := calc.Settle(m.store, c, &r, &t); err != nil {
		return r, m.why(err)
	}
	for _, s := range t.Steps {
		m.cite(s.Sources...)
	}
	m.cite(r.Source)
	return r, ""
}

// decode reads a worked example for who asks: where it names no person, it is
// about them.
func (m *maker) decode(x *example) (c policy.Case, err error) {
	n, person := &x.Case, hasKey(&x.Case, "person")
	clone := yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	text := func(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }
	clone.Content = append([]*yaml.Node{text("region"), text(m.Region), text("date"), text(m.Day.String())}, n.Content...)
	err = calc.NewDecoder(m.store).DecodeNode(&clone, &c)
	if err == nil && m.Own != nil && !person {
		own := &m.Own.Case
		c.Scheme, c.Retired, c.Birth, c.Female, c.Classes = own.Scheme, own.Retired, own.Birth, own.Female, own.Classes
	}
	if x.Days > 0 {
		c.Admitted = c.Date.AddDays(-x.Days)
		if from, _ := m.pkg.BenefitYear(c.Date); c.Admitted < from { // within one year: nothing is divided
			c.Admitted, c.Date = from, from.AddDays(x.Days)
		}
	}
	return c, err
}

func hasKey(n *yaml.Node, key string) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return true
		}
	}
	return false
}

// plainReason is a reason without the word that machines look for.
func plainReason(s string) string { return strings.ReplaceAll(s, "（no benefit plan）", "") }
