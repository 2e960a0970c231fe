package policy

import (
	"strconv"

	"github.com/anji-platform/anji/money"
)

// Difference is what changes from one package to another, in words and, if
// cases were settled under both, in money.
type Difference struct {
	A       Edition  `json:"a"`
	B       Edition  `json:"b"`
	Changes []Change `json:"changes"`
	Money   *Money   `json:"money,omitempty"`
}

// Edition names one version of a package.
type Edition struct {
	Region  string `json:"region"`
	Name    string `json:"name"`
	Version string `json:"version"`
	From    string `json:"from"`
	File    string `json:"file"`
}

// EditionOf names the package.
func EditionOf(p *Package) Edition {
	return Edition{p.Region, p.Name, p.Version, p.From.String(), p.File}
}

func (e Edition) words() string {
	return e.Name + "（" + e.Region + "，版本 " + e.Version + "，" + e.From + " 起，" + e.File + "）"
}

// Markdown is the difference as a document for people to read.
func (d *Difference) Markdown() string { return markdown(d.document()) }

func (d *Difference) document() *document {
	out := &document{title: "政策包比较", facts: [][2]string{{"前", d.A.words()}, {"后", d.B.words()}}}
	add := func(b block) { out.blocks = append(out.blocks, b) }
	heading := func(s string) { add(block{kind: blockHeading, level: 2, text: plain(s)}) }
	paragraph := func(s string) { add(block{kind: blockParagraph, text: plain(s)}) }
	heading("一、文字")
	if len(d.Changes) == 0 {
		paragraph("两个政策包的规定相同。")
	}
	for i := 0; i < len(d.Changes); {
		section := d.Changes[i].Section
		add(block{kind: blockHeading, level: 3, text: plain(sectionTitles[section])})
		var items []item
		for ; i < len(d.Changes) && d.Changes[i].Section == section; i++ {
			items = append(items, item{text: plain(d.Changes[i].String())})
		}
		add(block{kind: blockList, items: items})
	}
	if d.Money == nil {
		return out
	}
	m := d.Money
	heading("二、金额")
	paragraph("同样的 " + strconv.Itoa(m.All.Cases) + " 例在前后两个政策下结算：个人负担减少 " + strconv.Itoa(m.Gain) + " 例，增加 " +
		strconv.Itoa(m.Lose) + " 例，不变 " + strconv.Itoa(m.Same) + " 例。金额单位为元。")
	for _, g := range append([]Group{m.All}, m.Schemes...) {
		add(block{kind: blockHeading, level: 3, text: plain(g.Title + "（" + strconv.Itoa(g.Cases) + " 例）")})
		t := amounts("项目")
		for _, r := range []struct {
			title string
			a, b  money.Fen
		}{{"基金支付", g.A.Fund, g.B.Fund}, {"个人负担", g.A.Person, g.B.Person}, {"其中：个人账户", g.A.Account, g.B.Account}, {"其中：现金", g.A.Cash, g.B.Cash}} {
			t.amount(r.title, r.a, r.b)
		}
		if g.A.Refused != g.B.Refused {
			t.rows = append(t.rows, []spans{plain("不予支付的例数"), plain(strconv.Itoa(g.A.Refused)), plain(strconv.Itoa(g.B.Refused)), plain(strconv.Itoa(g.B.Refused - g.A.Refused))})
		}
		add(block{kind: blockTable, table: &t.docTable})
	}
	if len(m.Categories) > 0 {
		add(block{kind: blockHeading, level: 3, text: plain("按基金类别")})
		t := amounts("基金类别")
		for _, c := range m.Categories {
			t.amount(c.Title, c.A, c.B)
		}
		add(block{kind: blockTable, table: &t.docTable})
	}
	if len(m.Largest) > 0 {
		add(block{kind: blockHeading, level: 3, text: plain("变化最大的例（个人负担）")})
		t := amounts("例")
		for _, c := range m.Largest {
			name := c.Name
			switch {
			case c.RefusedB && !c.RefusedA:
				name += "（改为不予支付：" + c.Reason + "）"
			case c.RefusedA && !c.RefusedB:
				name += "（原不予支付：" + c.Reason + "）"
			}
			t.amount(name, c.PersonA, c.PersonB)
		}
		add(block{kind: blockTable, table: &t.docTable})
	}
	if len(m.Skipped) > 0 {
		add(block{kind: blockHeading, level: 3, text: plain("未计入的例（" + strconv.Itoa(len(m.Skipped)) + " 例）")})
		var items []item
		for _, s := range m.Skipped {
			items = append(items, item{text: plain(s.Name + "：" + s.Reason)})
		}
		add(block{kind: blockList, items: items})
	}
	return out
}

type amountTable struct{ docTable }

func amounts(what string) *amountTable {
	return &amountTable{docTable{head: []string{what, "前", "后", "差"}, heads: 1}}
}

func (t *amountTable) amount(title string, a, b money.Fen) {
	d := (b - a).Grouped()
	if b > a {
		d = "+" + d
	}
	t.rows = append(t.rows, []spans{plain(title), plain(a.Grouped()), plain(b.Grouped()), plain(d)})
}
