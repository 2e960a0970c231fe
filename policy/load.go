package policy

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/civil"
)

// maxFile bounds a package file in bytes; maxDepth the nesting of its YAML.
const (
	maxFile  = 1 << 20
	maxDepth = 40
)

// builder makes a Package from one file.
type builder struct {
	faults
	pkg      *Package
	allowed  map[string]ClassSet // classes this package may use
	syms     map[string]*symbol
	docs     map[string]*Document
	docUsed  map[string]bool
	docNode  map[string]*yaml.Node
	outputs  map[string]*symbol // role.quantity
	outNext  int
	phase    phase
	stageOf  map[string]*Stage
	roles    map[string]bool
	refs     []roleRef // where stages refer to other stages
	current  *Stage
	warnings LoadErrors
}

type roleRef struct {
	stage *Stage
	role  string
}

type phase uint8

const (
	phaseFacts  phase = iota // facets: facts only
	phaseParams              // parameters: and facets, earlier parameters
	phaseStages              // stages: and amounts, accumulators, earlier stages
)

// readYAML parses a file into one node, guarding against input made to hurt.
func (b *builder) readYAML(data []byte) *yaml.Node {
	if len(data) > maxFile {
		b.at(1, 1, "the file is %d bytes long; at most %d are allowed", len(data), maxFile)
		return nil
	}
	if !utf8.Valid(data) {
		for i, line := range bytes.Split(data, []byte("\n")) {
			if !utf8.Valid(line) {
				b.at(i+1, 1, "the line is not valid UTF-8")
			}
		}
		return nil
	}
	if line := tooDeep(data); line > 0 {
		b.at(line, 1, "the nesting is more than %d deep", maxDepth)
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		line, msg := yamlError(err)
		b.at(line, 1, "not readable as YAML: %s", msg)
		return nil
	}
	var more yaml.Node
	if err := dec.Decode(&more); err == nil {
		b.at(more.Line, more.Column, "a second document; a file holds one package")
		return nil
	}
	if len(doc.Content) != 1 {
		b.at(1, 1, "the file is empty")
		return nil
	}
	return doc.Content[0]
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

func yamlError(err error) (int, string) {
	s := err.Error()
	m := yamlLine.FindStringSubmatch(s)
	if m == nil {
		return 1, s
	}
	line, _ := strconv.Atoi(m[1])
	return max(line, 1), s[len(m[0]):]
}

// tooDeep finds the first line nested deeper than maxDepth, by brackets or by
// indentation and dashes; 0 if there is none. It may count brackets inside
// texts, which no package has in such numbers.
func tooDeep(data []byte) int {
	flow := 0
	for i, line := range bytes.Split(data, []byte("\n")) {
		block := 0
		for block < len(line) && (line[block] == ' ' || line[block] == '-' || line[block] == '?' || line[block] == '\t') {
			block++
		}
		if block > 2*maxDepth {
			return i + 1
		}
		for _, c := range line {
			switch c {
			case '[', '{':
				flow++
			case ']', '}':
				flow = max(flow-1, 0)
			}
			if flow > maxDepth {
				return i + 1
			}
		}
	}
	return 0
}

// get returns the value of a key of a mapping, or nil.
func get(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func str(n *yaml.Node, key string) string {
	if v := get(n, key); v != nil && v.Kind == yaml.ScalarNode {
		return v.Value
	}
	return ""
}

// each calls f for the pairs of a mapping whose keys and values are sound.
func each(n *yaml.Node, f func(key, value *yaml.Node)) {
	if n == nil || n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Kind == yaml.ScalarNode {
			f(n.Content[i], n.Content[i+1])
		}
	}
}

// list returns the elements of a list, or the node itself as the only one.
func list(n *yaml.Node) []*yaml.Node {
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.SequenceNode:
		return n.Content
	}
	return []*yaml.Node{n}
}

var regionPattern = regexp.MustCompile(`^[0-9]{6}$`)

// header reads what the store needs before it compiles: region, dates,
// classes.
func (b *builder) header(n *yaml.Node) (classes []string) {
	p := b.pkg
	p.line, p.col = n.Line, n.Column
	p.Region, p.Name, p.Version = str(n, "region"), str(n, "name"), str(n, "version")
	p.Inherits, p.Summary = str(n, "inherits"), str(n, "summary")
	if v := get(n, "region"); v != nil && !regionPattern.MatchString(p.Region) {
		b.node(v, "region is %s; six digits are needed", show(v))
	}
	p.From = b.date(get(n, "from"), "from")
	p.To = b.date(get(n, "to"), "to")
	if v := get(n, "from"); v != nil {
		p.fromLine, p.fromCol = v.Line, v.Column
	}
	if v := get(n, "to"); v != nil {
		p.toLine, p.toCol = v.Line, v.Column
	}
	if v := get(n, "to"); v != nil && p.To != 0 && p.To < p.From {
		b.node(v, "to %s is before from %s", p.To, p.From)
	}
	for _, c := range list(get(n, "classes")) {
		if c.Kind == yaml.ScalarNode && c.Value != "" {
			classes = append(classes, c.Value)
		}
	}
	return classes
}

func (b *builder) date(n *yaml.Node, what string) civil.Date {
	if n == nil || n.Kind != yaml.ScalarNode {
		return 0
	}
	d, err := civil.Parse(n.Value)
	if err != nil {
		b.node(n, "%s is %s; a day such as 2025-01-01 is needed", what, show(n))
		return 0
	}
	return d
}

// build compiles the whole file. The shape has been checked.
func (b *builder) build(n *yaml.Node) {
	p := b.pkg
	p.diseases = &domain{name: "disease", title: "慢特病病种", values: []string{"", "other"}, labels: []string{"无", "其他"}, open: true}
	b.syms = builtins(p.diseases)
	b.docs, b.docUsed, b.docNode = map[string]*Document{}, map[string]bool{}, map[string]*yaml.Node{}
	b.outputs, b.stageOf, b.roles = map[string]*symbol{}, map[string]*Stage{}, map[string]bool{}
	b.outNext = slotStages
	p.accumulators = slices.Clone(standardAccumulators)
	p.paramByName = map[string]*param{}

	b.documents(get(n, "documents"))
	b.calendar(n)
	b.factsAndFacets(n)
	b.parameters(get(n, "parameters"))
	b.accumulatorsAndFunds(n)
	b.scope(get(n, "scope"))
	b.phase = phaseFacts
	b.readRules(get(n, "rules"))
	b.phase = phaseStages
	b.readStages(get(n, "stages"))
	b.readPlans(get(n, "plans"))
	b.phase = phaseParams
	b.readAssessments(get(n, "assessments"))
	if r := get(n, "retirement"); r != nil {
		b.pkg.retires, b.pkg.retirementMonths, b.pkg.retirementSources = true, b.value(get(r, "months"), tyCount, "months"), b.sourcesOf(r)
	}
	b.readStarts(get(n, "benefit_starts"))
	b.checkPackage()
	p.accNames = p.Accumulators()
}

func (b *builder) documents(n *yaml.Node) {
	each(n, func(k, v *yaml.Node) {
		d := &Document{ID: k.Value, Title: str(v, "title"), Number: str(v, "number"), Issuer: str(v, "issuer"),
			Date: str(v, "date"), URL: str(v, "url"), Grade: str(v, "grade")}
		d.Cite = strings.TrimSpace(d.Title + " " + d.Number)
		b.docs[k.Value], b.docNode[k.Value] = d, k
		b.pkg.Documents = append(b.pkg.Documents, d)
	})
}

// sourcesOf reads the grounds of n; every document must be declared.
func (b *builder) sourcesOf(n *yaml.Node) []*Source {
	var out []*Source
	for _, s := range list(get(n, "source")) {
		if s.Kind != yaml.MappingNode {
			continue
		}
		id := get(s, "document")
		if id == nil {
			continue
		}
		d := b.docs[id.Value]
		if d == nil {
			known := make([]string, 0, len(b.pkg.Documents))
			for _, d := range b.pkg.Documents {
				known = append(known, d.ID)
			}
			b.node(id, "document %q is not among documents; declared: %s", id.Value, strings.Join(known, ", "))
			continue
		}
		b.docUsed[d.ID] = true
		out = append(out, &Source{Document: d, Article: str(s, "article")})
	}
	return out
}

func (b *builder) calendar(n *yaml.Node) {
	p := b.pkg
	p.yearStart = 101
	if y := get(n, "benefit_year"); y != nil {
		if v := get(y, "starts"); v != nil && v.Kind == yaml.ScalarNode {
			d, err := civil.Parse("2024-" + v.Value)
			if err != nil || d.Day() > 28 {
				b.node(v, "benefit_year.starts is %s; a day such as 07-01, not after the 28th, is needed", show(v))
			} else {
				p.yearStart = int(d) % 10000
			}
		}
		p.yearSources = b.sourcesOf(y)
	}
	if r := get(n, "rules_by"); r != nil {
		p.rulesByStart = str(r, "day") == "start"
		p.rulesBySources = b.sourcesOf(r)
	}
	if c := get(n, "year_crossing"); c != nil {
		p.crossing = map[string]yearCrossing{"by_end": crossByEnd, "split": crossSplit, "split_continue": crossSplitContinue}[str(c, "rule")]
		p.crossingSources = b.sourcesOf(c)
	}
	if d := get(n, "declarations"); d != nil {
		p.dueDay, _ = strconv.Atoi(str(d, "due"))
		p.dueSources = b.sourcesOf(d)
	}
	if a := get(n, "family_aid"); a != nil {
		for _, v := range list(get(a, "relations")) {
			if r, ok := ParseRelative(v.Value); ok && !slices.Contains(p.relatives, r) {
				p.relatives = append(p.relatives, r)
			}
		}
		p.aidContributes = str(a, "contributions") == "true"
		p.relativesSources = b.sourcesOf(a)
	}
	if t := get(n, "tip_offs"); t != nil {
		p.tipOffs = b.tipOffs(t)
	}
	if a := get(n, "away_filing"); a != nil {
		p.away = b.awayFiling(a)
	}
	if d := get(n, "direct_settlement"); d != nil {
		p.direct = b.directSettlement(d)
	}
	if d := get(n, "special_diseases"); d != nil {
		p.special = b.specialDiseases(d)
	}
	if c := get(n, "claims"); c != nil {
		p.claims = b.claimRules(c)
	}
	if r := get(n, "reversal"); r != nil {
		p.replaysLater = str(r, "later") == "replay"
		p.reversalSources = b.sourcesOf(r)
	}
}

// define adds a symbol; a name stands for one thing only.
func (b *builder) define(k *yaml.Node, s *symbol) bool {
	if _, taken := b.syms[k.Value]; taken {
		b.node(k, "%q already names something else", k.Value)
		return false
	}
	b.syms[k.Value] = s
	return true
}

func (b *builder) factsAndFacets(n *yaml.Node) {
	p := b.pkg
	each(get(n, "facts"), func(k, v *yaml.Node) {
		if len(p.facts) == MaxFacts {
			b.node(k, "more than %d facts", MaxFacts)
			return
		}
		f := fact{name: k.Value, title: str(v, "title"), sources: b.sourcesOf(v),
			typ: map[string]valueType{"count": tyCount, "yuan": tyMoney, "ratio": tyRate, "bool": tyBool, "date": tyDate}[str(v, "type")]}
		if f.typ == tyNumber {
			f.typ = tyCount // the type is wrong, which is reported; go on to find more
		}
		slot := len(p.facts)
		f.sym = &symbol{name: f.name, title: f.title, kind: symGuard, typ: f.typ, slot: slotFacts + slot, guard: slot}
		if d := get(v, "default"); d != nil && d.Kind == yaml.ScalarNode {
			val, err := parseFact(f.typ, d.Value)
			if err != nil {
				b.node(d, "default is %s; %v", show(d), err)
			}
			f.def, f.hasDefault = val, true
			f.sym.kind = symSlot
		}
		if b.define(k, f.sym) {
			p.facts = append(p.facts, f)
		}
	})
	b.phase = phaseFacts
	each(get(n, "facets"), func(k, v *yaml.Node) { b.facet(k, v) })
}

func (b *builder) facet(k, v *yaml.Node) {
	p := b.pkg
	if len(p.facets) == maxFacets {
		b.node(k, "more than %d facets", maxFacets)
		return
	}
	f := &facet{name: k.Value, title: str(v, "title"), otherwise: -1, sources: b.sourcesOf(v), line: k.Line, col: k.Column}
	f.dom = &domain{name: k.Value, title: f.title}
	add := func(n *yaml.Node) int64 {
		if i := slices.Index(f.dom.values, n.Value); i >= 0 {
			return int64(i)
		}
		f.dom.values = append(f.dom.values, n.Value)
		f.dom.labels = append(f.dom.labels, n.Value)
		if len(f.dom.values) > 60 {
			b.node(n, "facet %s has more than 60 values", k.Value)
		}
		return int64(len(f.dom.values) - 1)
	}
	for _, row := range list(get(v, "values")) {
		name, when := get(row, "value"), get(row, "when")
		if name == nil || when == nil || name.Kind != yaml.ScalarNode || when.Kind != yaml.ScalarNode {
			continue
		}
		f.whens = append(f.whens, b.cond(when, "when"))
		f.target = append(f.target, add(name))
	}
	if o := get(v, "otherwise"); o != nil && o.Kind == yaml.ScalarNode {
		f.otherwise = add(o)
	}
	f.byClass = f.otherwise >= 0 && !slices.ContainsFunc(f.whens, func(v val) bool { return v.kind != valHas && v.kind != valAny })
	f.sym = &symbol{name: f.name, title: f.title, typ: tyEnum, dom: f.dom, slot: slotFacets + len(p.facets)}
	if b.define(k, f.sym) {
		p.facets = append(p.facets, f)
	}
}

// symbol resolves a name for the expression being read.
func (b *builder) symbol(name string) (*symbol, error) {
	if acc, ok := strings.CutPrefix(name, "ytd."); ok {
		if b.phase != phaseStages {
			return nil, fmt.Errorf("%s: the sums of the year are known only in stages", name)
		}
		i := b.pkg.AccumulatorSlot(acc)
		if i < 0 {
			return nil, fmt.Errorf("%q is not an accumulator; allowed: %s", acc, strings.Join(b.pkg.Accumulators(), ", "))
		}
		b.pkg.accumulators[i].used = true
		return &symbol{name: name, title: b.pkg.accumulators[i].title, typ: tyMoney, slot: slotAccumulators + i}, nil
	}
	if role, q, ok := strings.Cut(name, "."); ok {
		return b.output(role, q)
	}
	s := b.syms[name]
	switch {
	case s == nil:
		return nil, fmt.Errorf("%q is not known here; known: %s", name, strings.Join(b.known(), ", "))
	case stageOnly[name] && b.phase != phaseStages:
		return nil, fmt.Errorf("%q has a value only in stages", name)
	}
	if s.param != nil {
		s.param.used = true
	}
	return s, nil
}

func (b *builder) known() []string {
	out := make([]string, 0, len(b.syms))
	for n := range b.syms {
		if b.phase == phaseStages || !stageOnly[n] {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// output gives the slot of a quantity of another stage.
func (b *builder) output(role, q string) (*symbol, error) {
	if b.phase != phaseStages {
		return nil, fmt.Errorf("%s.%s: other stages can be named only in stages", role, q)
	}
	if !b.roles[role] {
		known := make([]string, 0, len(b.roles))
		for r := range b.roles {
			known = append(known, r)
		}
		slices.Sort(known)
		return nil, fmt.Errorf("%q is not a stage defined before; known: %s", role, strings.Join(known, ", "))
	}
	if !slices.Contains(quantityNames, q) {
		return nil, fmt.Errorf("%q is not a quantity of a stage; allowed: %s", q, strings.Join(quantityNames, ", "))
	}
	b.refs = append(b.refs, roleRef{b.current, role})
	key := role + "." + q
	if s := b.outputs[key]; s != nil {
		return s, nil
	}
	if b.outNext == slotStages+maxOutputs {
		return nil, errors.New("too many quantities of other stages are used")
	}
	title := role
	if s := b.stageOf[role]; s != nil {
		title = s.Title
	}
	for _, s := range b.pkg.stages {
		if s.role == role {
			title = s.Title
		}
	}
	s := &symbol{name: key, title: title + "的" + quantityTitles[slices.Index(quantityNames, q)], typ: tyMoney, slot: b.outNext}
	b.outNext++
	b.outputs[key] = s
	return s, nil
}

func (b *builder) class(name string) (ClassSet, error) {
	if set, ok := b.allowed[name]; ok {
		return set, nil
	}
	known := make([]string, 0, len(b.allowed))
	for c := range b.allowed {
		known = append(known, c)
	}
	slices.Sort(known)
	return 0, fmt.Errorf("class %q is not declared under classes; declared: %s", name, strings.Join(known, ", "))
}

// cond reads an expression that is true or false.
func (b *builder) cond(n *yaml.Node, what string) val {
	return b.expression(n, n.Value, 0, tyBool, what)
}

// value reads a number, a percentage, "=expression" or unknown in a unit.
func (b *builder) value(n *yaml.Node, typ valueType, what string) val {
	if n == nil || n.Kind != yaml.ScalarNode || n.Value == "" {
		return val{kind: valAbsent, typ: typ}
	}
	if src, ok := strings.CutPrefix(n.Value, "="); ok {
		return b.expression(n, src, 1, typ, what)
	}
	if n.Value == "unknown" {
		return val{kind: valUnknown, typ: typ, p: &param{name: what, title: what, line: n.Line, col: n.Column}}
	}
	if n.Value == "unlimited" && typ == tyMoney {
		return constant(unlimited, typ)
	}
	num, err := literal(n.Value, typ)
	if err != nil {
		b.node(n, "%s is %s; %v", what, show(n), err)
		return val{kind: valConst, slot: zeroSlot, typ: typ, bad: true}
	}
	return constant(num, typ)
}

func literal(s string, typ valueType) (int64, error) {
	t := strings.ReplaceAll(s, "_", "")
	percent := strings.HasSuffix(t, "%")
	t = strings.TrimSuffix(t, "%")
	plain := t != "" && strings.Trim(t, "0123456789.-") == "" && len(t) < 30
	num, ok := new(big.Rat).SetString(t)
	if !plain || !ok {
		return 0, fmt.Errorf("%s is needed: a number, an expression that starts with =, or unknown", typ)
	}
	if percent {
		if typ != tyRate {
			return 0, fmt.Errorf("%s is needed, not a percentage", typ)
		}
		num.Quo(num, big.NewRat(100, 1))
	}
	v, err := scaled(num, typ)
	if err != nil {
		return 0, err
	}
	if v < 0 {
		return 0, errors.New("it must not be negative")
	}
	if typ == tyRate && v > 100*int64(1e8) {
		return 0, errors.New("a ratio so large is surely a percentage without its sign; write 85% or 0.85")
	}
	return v, nil
}

func (b *builder) expression(n *yaml.Node, src string, offset int, typ valueType, what string) val {
	fail := func(err error) val {
		pos := 0
		var ee *exprError
		if errors.As(err, &ee) {
			pos = ee.pos + offset
		}
		line, col := n.Line, n.Column+pos
		if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
			col++
		}
		if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			line, col = n.Line+1, 1
		}
		b.at(line, col, "%s: %v", what, err)
		return val{kind: valConst, slot: zeroSlot, typ: typ, bad: true}
	}
	e, err := parseExpr(src, b)
	if err != nil {
		return fail(err)
	}
	if e.typ != typ {
		if err := tryConvert(e, typ); err != nil {
			return fail(err)
		}
	}
	v, err := compile(e)
	if err != nil {
		return fail(err)
	}
	v.said = v.formula()
	return v
}

func tryConvert(e *expr, typ valueType) (err error) {
	defer func() {
		if r := recover(); r != nil {
			ee, ok := r.(*exprError)
			if !ok {
				panic(r)
			}
			err = ee
		}
	}()
	convert(e, typ, nil)
	return nil
}
