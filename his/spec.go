package his

import (
	"embed"
	"fmt"
	"strconv"
	"strings"
)

//go:embed spec/*.tsv coverage.tsv
var specFiles embed.FS

// Spec is the interface as data: its transactions with every node and field,
// and the dictionaries their codes come from. The one source of decoding,
// validation, replies and documentation is spec/*.tsv; a field that is not
// there cannot be read or sent.
type Spec struct {
	// Envelope holds the fields around every transaction's input, Reply those
	// around its output.
	Envelope     *Node
	Reply        *Node
	Transactions []*Transaction // by number
	Dictionaries []*Dictionary

	transactions map[string]*Transaction
	dictionaries map[string]*Dictionary
	samples      map[string]string // by place and field
}

// Transaction is one numbered exchange (交易).
type Transaction struct {
	Number string // e.g. 2207
	Name   string // in Chinese
	Note   string
	Input  []*Node
	Output []*Node
	// Columns of the file that the transaction makes, if it makes one.
	Columns []Column
	// The columns of the files it takes and gives (TXT, one record a line,
	// columns parted by TAB); nil for none.
	InFile, OutFile *Node
}

// Column is one column of a file for download (目录下载文件列).
type Column struct {
	Title string
	Of    string // what of an entry it holds; "": the entry's detail of the title
}

// Node is a named object, or a list of rows, in a transaction's input or
// output (节点). A node without a name is the input or output itself.
type Node struct {
	Name   string
	Title  string // in Chinese, may be empty
	Many   bool   // holds any number of rows
	Nested bool   // stands inside a row of another node
	Fields []*Field

	byName map[string]int
	place  string // where the tables say it, number, side and name with tabs between
}

// Type is the type of a field (数据类型).
type Type uint8

// The types of fields.
const (
	Text     Type = iota // C: 字符
	Number               // N: 数值
	Date                 // D: yyyy-MM-dd
	DateTime             // DT: yyyy-MM-dd HH:mm:ss
	Bytes                // B: 文件数据
	Object               // M: a JSON object of no fixed fields
	Rows                 // L: rows of the nested node of the same name
)

var typeCodes = map[string]Type{"C": Text, "N": Number, "D": Date, "DT": DateTime, "B": Bytes, "M": Object, "L": Rows}

// Field is one field of a node (数据项).
type Field struct {
	Name       string
	Title      string // in Chinese
	Type       Type
	Length     int // most characters of a text, most digits of a number; 0: not bounded by the interface
	Decimals   int // of a number's digits, those after the point
	Dictionary *Dictionary
	// Required fields must be given. A field is required when the text of the
	// interface says so and every province's client that knows the node sends
	// it; what only one province's text requires is Stated, not Required.
	Required bool
	Stated   bool
	Sources  string // provinces known to send it: H 湖南, C 重庆, S 深圳, J 江苏, Y 四川
	Note     string
	Column   int // of an exchanged file, from 1; 0 elsewhere
	// Used says that this server's work reads the field of a request, or fills
	// it in a reply: the tests saw it, and coverage.tsv keeps what they saw.
	Used bool
	// Reason says in Chinese why a field is not used; "" if it is.
	Reason string

	rows *Node // of Rows
}

// Dictionary is a list of codes (字典).
type Dictionary struct {
	Name  string
	Title string // in Chinese
	Codes []Code

	labels map[string]string
	padded map[string]string // code without leading zeros → code
}

// Code is one entry of a dictionary.
type Code struct {
	Code    string
	Label   string // in Chinese
	Sources string
}

// Label is the name of a code, and whether the dictionary has it.
func (d *Dictionary) Label(code string) (string, bool) {
	l, ok := d.labels[code]
	return l, ok
}

// Transaction returns the transaction of the number. A number with the suffix
// A that has no fields of its own is the transaction without it.
func (s *Spec) Transaction(number string) *Transaction {
	if t := s.transactions[number]; t != nil {
		return t
	}
	return s.transactions[base(number)]
}

// Dictionary returns the dictionary of the name, or nil.
func (s *Spec) Dictionary(name string) *Dictionary { return s.dictionaries[name] }

// base is the number without the suffix A that some provinces append.
func base(number string) string {
	if len(number) == 5 {
		return strings.TrimSuffix(number, "A")
	}
	return number
}

// LoadSpec reads the embedded tables. It takes a few milliseconds; a Server
// does it once.
func LoadSpec() (*Spec, error) {
	s := &Spec{transactions: map[string]*Transaction{}, dictionaries: map[string]*Dictionary{}, samples: map[string]string{}}
	if err := eachRow("spec/dictionaries.tsv", 5, s.addCode); err != nil {
		return nil, err
	}
	fieldsOf := map[string]string{}
	err := eachRow("spec/transactions.tsv", 4, func(c []string) error {
		t := &Transaction{Number: c[0], Name: c[1], Note: c[3]}
		if s.transactions[t.Number] != nil {
			return fmt.Errorf("transaction %s stands twice", t.Number)
		}
		s.transactions[t.Number] = t
		s.Transactions = append(s.Transactions, t)
		fieldsOf[t.Number] = c[2]
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := eachRow("spec/fields.tsv", 12, s.addField); err != nil {
		return nil, err
	}
	if err := eachRow("spec/columns.tsv", 4, s.addColumn); err != nil {
		return nil, err
	}
	for _, t := range s.Transactions {
		if of := fieldsOf[t.Number]; of != "" {
			like := s.transactions[of]
			if like == nil {
				return nil, fmt.Errorf("transaction %s has the fields of %s, which is not there", t.Number, of)
			}
			t.Input, t.Output, t.InFile, t.OutFile = like.Input, like.Output, like.InFile, like.OutFile
		}
		for _, nodes := range [2][]*Node{t.Input, t.Output} {
			if err := nest(t.Number, nodes); err != nil {
				return nil, err
			}
		}
	}
	if err := eachRow("spec/samples.tsv", 4, s.addSample); err != nil {
		return nil, err
	}
	if err := eachRow("coverage.tsv", 4, s.addUse); err != nil {
		return nil, err
	}
	s.explain()
	return s, nil
}

// eachRow calls add with the columns of every row but the first.
func eachRow(name string, columns int, add func([]string) error) error {
	data, err := specFiles.ReadFile(name)
	if err != nil {
		return err
	}
	text := strings.TrimSuffix(string(data), "\n")
	for i, line := range strings.Split(text, "\n") {
		if i == 0 {
			continue
		}
		c := strings.Split(line, "\t")
		if len(c) != columns {
			return fmt.Errorf("%s:%d: %d columns, want %d", name, i+1, len(c), columns)
		}
		if err := add(c); err != nil {
			return fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
	}
	return nil
}

func (s *Spec) addCode(c []string) error {
	d := s.dictionaries[c[0]]
	if d == nil {
		d = &Dictionary{Name: c[0], Title: c[1], labels: map[string]string{}, padded: map[string]string{}}
		s.dictionaries[c[0]] = d
		s.Dictionaries = append(s.Dictionaries, d)
	}
	if _, twice := d.labels[c[2]]; twice {
		return fmt.Errorf("dictionary %s has code %s twice", c[0], c[2])
	}
	d.Codes = append(d.Codes, Code{c[2], c[3], c[4]})
	d.labels[c[2]] = c[3]
	bare := strings.TrimLeft(c[2], "0")
	if _, twice := d.padded[bare]; twice {
		d.padded[bare] = "" // two codes differ only in zeros: only the exact code will do
	} else {
		d.padded[bare] = c[2]
	}
	return nil
}

func (s *Spec) addColumn(c []string) error {
	t := s.transactions[c[0]]
	if t == nil {
		return fmt.Errorf("no transaction %s", c[0])
	}
	if c[1] != strconv.Itoa(len(t.Columns)+1) {
		return fmt.Errorf("column %s of %s: want %d", c[1], c[0], len(t.Columns)+1)
	}
	t.Columns = append(t.Columns, Column{Title: c[2], Of: c[3]})
	return nil
}

// Columns of fields.tsv.
const (
	colNumber = iota
	colSide
	colNode
	colNodeTitle
	colRows
	colField
	colTitle
	colType
	colDictionary
	colRequired
	colSources
	colNote
)

func (s *Spec) addField(c []string) error {
	f := &Field{
		Name: c[colField], Title: c[colTitle], Sources: c[colSources], Note: c[colNote],
		Required: c[colRequired] == "Y", Stated: c[colRequired] != "",
	}
	if err := f.setType(c[colType]); err != nil {
		return err
	}
	if name := c[colDictionary]; name != "" {
		if f.Dictionary = s.dictionaries[name]; f.Dictionary == nil {
			return fmt.Errorf("field %s: no dictionary %s", f.Name, name)
		}
	}
	n, err := s.node(c)
	if err != nil {
		return err
	}
	if n.Name == fileNode {
		f.Column = len(n.Fields) + 1
	}
	if _, twice := n.byName[f.Name]; twice {
		return fmt.Errorf("field %s stands twice in node %s", f.Name, n.Name)
	}
	n.byName[f.Name] = len(n.Fields)
	n.Fields = append(n.Fields, f)
	return nil
}

// fileNode is the name of a node of columns.
const fileNode = "文件"

// node returns the node the row of fields.tsv belongs to.
func (s *Spec) node(c []string) (*Node, error) {
	fresh := &Node{
		Name: c[colNode], Title: c[colNodeTitle], Many: c[colRows] == "many", byName: map[string]int{},
		place: c[colNumber] + "\t" + c[colSide] + "\t" + c[colNode],
	}
	if c[colNumber] == "*" {
		envelope := &s.Envelope
		if c[colSide] == "out" {
			envelope = &s.Reply
		}
		if *envelope == nil {
			*envelope = fresh
		}
		return *envelope, nil
	}
	t := s.transactions[c[colNumber]]
	if t == nil {
		return nil, fmt.Errorf("no transaction %s", c[colNumber])
	}
	var side *[]*Node
	switch c[colSide] {
	case "in":
		side = &t.Input
	case "out":
		side = &t.Output
	case "infile", "outfile":
		at := &t.InFile
		if c[colSide] == "outfile" {
			at = &t.OutFile
		}
		if *at == nil {
			fresh.Name = fileNode
			*at = fresh
		}
		return *at, nil
	default:
		return nil, fmt.Errorf("side %q: want in, out, infile or outfile", c[colSide])
	}
	for _, n := range *side {
		if n.Name == fresh.Name {
			return n, nil
		}
	}
	*side = append(*side, fresh)
	return fresh, nil
}

// setType reads a type such as C(30), N(16,2), D, DT.
func (f *Field) setType(s string) error {
	name, rest, sized := strings.Cut(s, "(")
	t, ok := typeCodes[name]
	if !ok {
		return fmt.Errorf("field %s: type %q: want C, N, D, DT, B, M or L", f.Name, s)
	}
	f.Type = t
	if !sized {
		return nil
	}
	length, decimals, _ := strings.Cut(strings.TrimSuffix(rest, ")"), ",")
	var err error
	if f.Length, err = strconv.Atoi(length); err == nil && decimals != "" {
		f.Decimals, err = strconv.Atoi(decimals)
	}
	if err != nil || f.Decimals > f.Length {
		return fmt.Errorf("field %s: size of type %q", f.Name, s)
	}
	return nil
}

// nest joins every field of rows to its node.
func nest(number string, nodes []*Node) error {
	for _, n := range nodes {
		for _, f := range n.Fields {
			if f.Type != Rows || f.rows != nil {
				continue
			}
			for _, m := range nodes {
				if m.Name == f.Name && m != n {
					f.rows, m.Nested = m, true
				}
			}
			if f.rows == nil {
				f.Type = Object // a list of plain values
			}
		}
		if len(n.Fields) == 0 {
			return fmt.Errorf("transaction %s: node %s has no fields", number, n.Name)
		}
	}
	return nil
}

// field is the place of the field of the name, or else of one that differs from
// it in case only.
func (n *Node) field(name string) (int, bool) {
	if at, ok := n.byName[name]; ok {
		return at, true
	}
	for i, f := range n.Fields {
		if strings.EqualFold(f.Name, name) {
			return i, true
		}
	}
	return 0, false
}

// node returns the node of the name among nodes, or nil.
func find(nodes []*Node, name string) *Node {
	for _, n := range nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Notation is the type as the interface writes it, such as C(30), N(16,2), D.
func (f *Field) Notation() string {
	code := ""
	for c, t := range typeCodes {
		if t == f.Type {
			code = c
		}
	}
	switch {
	case f.Length == 0:
		return code
	case f.Decimals == 0:
		return fmt.Sprintf("%s(%d)", code, f.Length)
	}
	return fmt.Sprintf("%s(%d,%d)", code, f.Length, f.Decimals)
}

// Rows is the node whose rows a field of type Rows holds, or nil.
func (f *Field) Rows() *Node { return f.rows }
