package statement

import (
	"fmt"
	"strings"
	"time"

	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/money"
)

// Settled is whose settlement a bill explains. Names and citizen IDs are masked by
// who fills them in.
type Settled struct {
	ID, Name, CitizenID, Provider, Care string
	Time                                time.Time
	Reversed                            bool
}

// Bill is the statement of a settlement (医疗保障结算单): what each paid, and why,
// step by step, with the sources.
func Bill(b *bill.Bill, st Settled) *Document {
	say := b.Lang.Say
	d := &Document{English: b.Lang == bill.English, Title: say("医疗保障结算单", "Settlement statement"), Under: join(" · ", st.Provider, st.Care)}
	if st.Reversed {
		d.Parts = append(d.Parts, Part{Title: say("这笔结算已撤销", "This settlement was reversed"), Text: say("以下是撤销前的结算说明。", "Below is how it had been settled.")})
	}
	fact := func(label, value string) {
		if value != "" {
			d.Facts = append(d.Facts, Fact{label, value})
		}
	}
	fact(say("姓名", "Name"), st.Name)
	fact(say("证件号码", "Citizen ID"), st.CitizenID)
	fact(say("结算时间", "Settled at"), st.Time.In(china).Format("2006-01-02 15:04"))
	fact(say("结算编号", "Number"), st.ID)
	for _, f := range b.Facts {
		fact(f.Label, f.Value)
	}
	if n := b.Notice; n != nil {
		d.Parts = append(d.Parts, Part{Title: n.Title, Text: n.Text + refs(n.Notes)})
	}
	amount := say("金额（元）", "Amount (yuan)")
	sums := Part{Title: say("谁付了多少", "Who pays what"), Columns: []Column{{Head: say("项目", "Item"), Share: 3}, {Head: amount, Share: 1, Figure: true}}}
	for _, f := range b.Figures {
		sums.Rows = append(sums.Rows, Row{Cells: []string{f.Label, f.Amount.Grouped()}})
	}
	sums.Rows = append(sums.Rows, Row{Sum: true, Cells: []string{say("个人负担合计", "Borne by the person"), b.Person.Grouped()}})
	d.Parts = append(d.Parts, sums, steps(b, amount), items(b))
	if len(b.Items) == 0 {
		d.Parts = d.Parts[:len(d.Parts)-1]
	}
	sources := Part{Title: say("依据", "Sources"), Columns: []Column{{Head: say("编号", "No."), Share: 1}, {Head: say("文件与条款", "Document and article"), Share: 11}}}
	for _, n := range b.Notes {
		grade := ""
		if n.Grade != "" {
			grade = say("依据等级 ", "grade ") + n.Grade + " " + n.GradeSay
		}
		sources.Rows = append(sources.Rows, Row{Cells: []string{fmt.Sprintf("[%d]", n.Number), join(" ", n.Title, n.Article)}, Note: join(" · ", join(" ", n.Issuer, n.DocNo, n.Date), grade), Under: 1})
	}
	if len(sources.Rows) > 0 {
		d.Parts = append(d.Parts, sources)
	}
	if b.Package.Region != "" {
		d.Parts = append(d.Parts, Part{Text: b.Package.Text(b.Lang) + say("。本单按结算时的规则说明每一分钱，以经办机构的结算记录为准。", ". This statement explains the settlement by the rules of its day; the record of the agency holds.")})
	}
	return d
}

// china is the one time of the country (北京时间).
var china = time.FixedZone("CST", 8*60*60)

func steps(b *bill.Bill, amount string) Part {
	say := b.Lang.Say
	p := Part{Title: say("逐项说明", "Step by step"), Columns: []Column{{Head: say("步骤", "Step"), Share: 3}, {Head: amount, Share: 1, Figure: true}}}
	for _, s := range b.Sections {
		title := Row{Sum: true, Cells: []string{s.Title + refs(s.Notes), ""}, Note: s.Text}
		if !s.Plain {
			title.Cells[1] = s.Amount.Grouped()
		}
		p.Rows = append(p.Rows, title)
		for _, l := range s.Lines {
			row := Row{Cells: []string{l.Label + refs(l.Notes), ""}, Indent: 1}
			if l.Detail {
				row.Indent = 2
			}
			if !l.Plain {
				row.Cells[1] = l.Amount.Grouped()
			}
			rule := ""
			if l.Rule != "" {
				rule = say("算法：", "Rule: ") + l.Rule
			}
			row.Note = join("　", l.Formula, l.Text, rule)
			p.Rows = append(p.Rows, row)
		}
	}
	return p
}

func items(b *bill.Bill) Part {
	say := b.Lang.Say
	figure := func(head string) Column { return Column{Head: head, Share: 1.25, Figure: true} }
	p := Part{Title: say("费用明细", "Fee list"), Columns: []Column{{Head: say("项目", "Item"), Share: 2.6}, {Head: say("类别", "Class"), Share: 1.3},
		figure(say("金额（元）", "Amount")), figure(say("自费、超限价", "Own pay")), figure(say("先行自付", "First own pay")), figure(say("范围内", "In scope"))}}
	for _, x := range b.Items[:min(len(b.Items), maxItems)] {
		p.Rows = append(p.Rows, Row{Cells: []string{x.Name, x.Class, x.Amount.Grouped(), dash(x.Split.FullOwnPay + x.Split.OverCeiling), dash(x.Split.FirstOwnPay), dash(x.Split.InScope)}})
	}
	if more := b.Items[len(p.Rows):]; len(more) > 0 {
		var sum money.Fen
		for _, x := range more {
			sum += x.Amount
		}
		p.Rows = append(p.Rows, Row{Cells: []string{fmt.Sprintf(say("另有 %d 项", "%d more"), len(more)), "", sum.Grouped()}})
	}
	p.Rows = append(p.Rows, Row{Sum: true, Cells: []string{say("合计", "Total"), "", b.Total.Grouped()}})
	return p
}

// maxItems is how many lines of a fee list a statement has; those after them are
// summed.
const maxItems = 3000

func dash(a money.Fen) string {
	if a == 0 {
		return "—"
	}
	return a.Grouped()
}

func refs(notes []int) string {
	var b strings.Builder
	for _, n := range notes {
		fmt.Fprintf(&b, " [%d]", n)
	}
	return b.String()
}

// join joins the texts that are not "".
func join(sep string, texts ...string) string {
	var out []string
	for _, t := range texts {
		if t != "" {
			out = append(out, t)
		}
	}
	return strings.Join(out, sep)
}
