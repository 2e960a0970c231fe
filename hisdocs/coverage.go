package hisdocs

import (
	"slices"

	"github.com/anji-platform/anji/his"
)

// Coverage says of every field of the interface what this server does with it
// (字段覆盖).
type Coverage struct {
	Offered      int             `json:"offered"` // of the transactions
	Input        Share           `json:"input"`   // of the fields of requests that are offered: those read
	Output       Share           `json:"output"`  // of the fields of their replies: those filled
	Transactions []CoverageEntry `json:"transactions"`
}

// Share is how many of all.
type Share struct {
	Used int `json:"used"`
	All  int `json:"all"`
}

// CoverageEntry is a transaction with its fields.
type CoverageEntry struct {
	Number  string         `json:"infno"`
	Name    string         `json:"name"`
	Offered bool           `json:"offered"`
	Input   Share          `json:"input"`
	Output  Share          `json:"output"`
	Fields  []CoveredField `json:"fields"`
}

// CoveredField is one field. Used is whether the tests of the interface saw the
// server read it in a request, or fill it in a reply.
type CoveredField struct {
	Side     string   `json:"side"` // in, out, infile or outfile
	Node     string   `json:"node"`
	Name     string   `json:"field"`
	Title    string   `json:"title"`
	Required bool     `json:"required"`
	Checks   []string `json:"checks,omitempty"` // what of a request's field is validated
	Used     bool     `json:"used"`
	Reason   string   `json:"reason,omitempty"` // in Chinese, why it is not
}

// Asked says that the field is of what a provider sends.
func (f CoveredField) Asked() bool { return f.Side == "in" || f.Side == "infile" }

// Cover reports the coverage of a server.
func Cover(i *his.Server) Coverage {
	offered := i.Offered()
	c := Coverage{Offered: len(offered)}
	for _, t := range i.Spec().Transactions {
		e := CoverageEntry{Number: t.Number, Name: t.Name, Offered: slices.Contains(offered, t.Number)}
		e.Input = e.add("in", t.Input)
		e.Output = e.add("out", t.Output)
		if t.InFile != nil {
			e.Input.add(e.add("infile", []*his.Node{t.InFile}))
		}
		if t.OutFile != nil {
			e.Output.add(e.add("outfile", []*his.Node{t.OutFile}))
		}
		c.Transactions = append(c.Transactions, e)
		if e.Offered {
			c.Input.add(e.Input)
			c.Output.add(e.Output)
		}
	}
	return c
}

func (s *Share) add(o Share) { s.Used, s.All = s.Used+o.Used, s.All+o.All }

func (e *CoverageEntry) add(side string, nodes []*his.Node) (s Share) {
	for _, n := range nodes {
		for _, f := range n.Fields {
			c := CoveredField{Side: side, Node: n.Name, Name: f.Name, Title: f.Title, Required: f.Required, Used: e.Offered && f.InUse()}
			if e.Offered && !c.Used {
				c.Reason = f.Reason
			}
			if e.Offered && c.Asked() {
				c.Checks = checks(f)
			}
			e.Fields = append(e.Fields, c)
			s.All++
			if c.Used {
				s.Used++
			}
		}
	}
	return s
}

// checks are what a request's field is checked for.
func checks(f *his.Field) (all []string) {
	if f.Required {
		all = append(all, "必填")
	}
	switch {
	case f.Dictionary != nil:
		all = append(all, "字典")
	case f.Type == his.Bytes || f.Type == his.Object:
	case f.Type == his.Rows:
		all = append(all, "各行")
	case f.Type == his.Text && f.Length == 0:
		all = append(all, "控制字符")
	case f.Type == his.Text:
		all = append(all, "长度")
	case f.Type == his.Number && f.Length > 0:
		all = append(all, "数值", "位数")
	case f.Type == his.Number:
		all = append(all, "数值")
	default:
		all = append(all, "日期")
	}
	return all
}

func (s site) coverage() []byte {
	return s.write("coverage.html", "字段覆盖", Cover(s.Interface))
}
