package hisdocs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/anji-platform/anji/his"
)

// reference is the data of the page of the interface.
type reference struct {
	Envelope, Reply node
	Groups          []group
	Dictionaries    []*his.Dictionary
	Failures        []Failure
	Providers       []Provider
	Day, Provider   string // of the examples
	Count, Offered  int
}

// group is the transactions of one purpose (业务分类).
type group struct {
	Name         string
	Transactions []transaction
}

type transaction struct {
	*his.Transaction
	Offered        bool
	Input, Output  []node
	Files          []node // the columns of the files it takes and gives
	Request, Reply string // examples
}

type node struct {
	*his.Node
	Within string // the field that holds its rows, for a nested node
	Reply  bool
	Fields []field
}

type field struct {
	*his.Field
	ID    string
	Codes string // of a short dictionary, where no note tells them
}

// groups are the purposes of transactions by the beginning of their numbers.
var groups = []struct{ beginning, name string }{
	{"11", "人员与机构"}, {"12", "人员与机构"}, {"13", "目录"}, {"19", "字典"}, {"20", "待遇"}, {"22", "门诊"}, {"23", "住院费用与结算"},
	{"24", "住院登记"}, {"25", "备案"}, {"26", "冲正"}, {"31", "明细审核"}, {"32", "对账与清算"}, {"33", "目录对照"}, {"35", "进销存"},
	{"41", "结算清单"}, {"51", "科室与人员查询"}, {"52", "就诊与结算查询"}, {"53", "备案与在院查询"}, {"61", "电子凭证"}, {"90", "签到"}, {"91", "文件"},
}

func groupOf(number string) string {
	for _, g := range groups {
		if strings.HasPrefix(number, g.beginning) {
			return g.name
		}
	}
	return "其他"
}

func (s site) reference() []byte {
	spec := s.Interface.Spec()
	offered := s.Interface.Offered()
	taken := map[string]bool{}
	r := reference{
		Envelope: describe("envelope", false, []*his.Node{spec.Envelope}, taken)[0], Reply: describe("reply", true, []*his.Node{spec.Reply}, taken)[0],
		Dictionaries: spec.Dictionaries, Failures: failures, Providers: s.Providers,
		Day: his.ExampleDay, Provider: his.ExampleProvider, Count: len(spec.Transactions), Offered: len(offered),
	}
	for _, t := range spec.Transactions {
		d := transaction{Transaction: t, Offered: slices.Contains(offered, t.Number)}
		d.Input, d.Output = describe(t.Number, false, t.Input, taken), describe(t.Number, true, t.Output, taken)
		for _, n := range []*his.Node{t.InFile, t.OutFile} {
			if n != nil {
				d.Files = append(d.Files, describe(t.Number, n == t.OutFile, []*his.Node{n}, taken)...)
			}
		}
		if d.Offered {
			d.Request, d.Reply = indent(spec.ExampleRequest(t)), indent(spec.ExampleReply(t))
		}
		name := groupOf(t.Number)
		if n := len(r.Groups); n == 0 || r.Groups[n-1].Name != name {
			r.Groups = append(r.Groups, group{Name: name})
		}
		g := &r.Groups[len(r.Groups)-1]
		g.Transactions = append(g.Transactions, d)
	}
	return s.write("reference.html", "医保接口参考", r)
}

// describe gives every field an address of its own: the number and the field's
// name, with the node's where the name stands in several.
func describe(number string, reply bool, nodes []*his.Node, taken map[string]bool) []node {
	within := map[*his.Node]string{}
	out := make([]node, len(nodes))
	for i, n := range nodes {
		out[i] = node{Node: n, Reply: reply}
		place := n.Name
		if n.Fields[0].Column > 0 {
			place = "file"
		}
		for _, f := range n.Fields {
			if f.Rows() != nil {
				within[f.Rows()] = f.Name
			}
			d := field{Field: f, ID: number + "-" + f.Name}
			for _, longer := range []string{number + "-" + place + "-" + f.Name, number + "-out-" + place + "-" + f.Name} {
				if taken[d.ID] {
					d.ID = longer
				}
			}
			taken[d.ID] = true
			if f.Dictionary != nil && f.Note == "" && len(f.Dictionary.Codes) <= 4 {
				var codes []string
				for _, c := range f.Dictionary.Codes {
					codes = append(codes, c.Code+" "+c.Label)
				}
				d.Codes = strings.Join(codes, "，")
			}
			out[i].Fields = append(out[i].Fields, d)
		}
	}
	for i := range out {
		out[i].Within = within[out[i].Node]
	}
	return out
}

func indent(message []byte) string {
	if message == nil {
		return ""
	}
	var b bytes.Buffer
	if err := json.Indent(&b, message, "", "  "); err != nil {
		panic("hisdocs: an example is not JSON: " + err.Error()) // tested
	}
	return b.String()
}

// provinces are the sources of the table, in one character each and whole.
var provinces = []struct {
	letter      rune
	short, name string
}{{'H', "湘", "湖南"}, {'C', "渝", "重庆"}, {'S', "深", "深圳"}, {'J', "苏", "江苏"}, {'Y', "川", "四川"}}

// sourceNames are the provinces of a field's sources in one character each.
func sourceNames(sources string) string {
	var b strings.Builder
	for _, p := range provinces {
		if strings.ContainsRune(sources, p.letter) {
			b.WriteString(p.short)
		}
	}
	return b.String()
}

// Heading names a node for a reader.
func (n node) Heading() string {
	name := n.Name
	if name == "" {
		name = "（根）"
	}
	if n.Within != "" {
		return fmt.Sprintf("%s（%s 的行）", name, n.Within)
	}
	return name
}

// Need says in words whether a field must be there.
func (n node) Need(f field) string {
	switch {
	case f.Required && n.Reply:
		return "非空"
	case f.Required:
		return "必填"
	case f.Stated && !n.Reply:
		return "部分省必填"
	}
	return ""
}

// Failure is a kind of refusal or failure as the reference lists it.
type Failure struct {
	Status  string // of HTTP
	Kind    string
	Example string // of err_msg, from its beginning
	Advice  string
}

// Failures are the kinds that the reference lists.
func Failures() []Failure { return slices.Clone(failures) }

var failures = []Failure{
	{"200", "报文不是 JSON", "报文不是合法的 JSON：第 1 行", "按提示的位置检查报文；不接受重复的字段名和多余的内容。"},
	{"200", "交易不存在或未开通", "交易编号 infno“9999”不存在", "检查 infno；未开通的交易在本页标明。"},
	{"200", "缺少必填字段", "缺少 data.psn_no（人员编号）", "补上列出的字段；多处不对时先列缺少的，至多 200 字。"},
	{"200", "字段形式不对", "data.begntime（开始时间）“昨天”：应为时间 yyyy-MM-dd HH:mm:ss", "按类型一栏改正。"},
	{"200", "代码不在字典中", "data.insutype（险种类型）“999”：应为", "从字典中取代码；首位的 0 多写少写会代为更正并在 warn_msg 说明。"},
	{"200", "字段过长", "data.psn_no（人员编号）“9999999999", "按类型一栏的长度改正，长度按字符计。"},
	{"200", "未签到", "操作员 opter“demo”今日尚未签到", "先调用 9001，并把得到的 sign_no 带在信封中。"},
	{"200", "机构或区划不对", "机构编号 fixmedins_code“H00000000000”未登记", "检查 fixmedins_code 与 mdtrtarea_admvs。"},
	{"200", "msgid 已用于别的请求", "msgid“H99010000201202506201000000001”已用于另一笔内容不同的请求", "新请求用新的 msgid；重发同一请求请保持内容不变，会得到第一次的应答。"},
	{"200", "业务不允许", "没有居民身份证（mdtrt_cert_type 02）", "按说明处理；什么都没有写入，改正后可以再发。"},
	{"404", "地址不对", "地址应为 /his 或 /his/交易编号", ""},
	{"405", "方法不对", "请用 POST 方法调用", ""},
	{"413", "报文过大", "报文超过", "分批上传。"},
	{"415", "内容类型不对", "Content-Type“text/html”：应为 application/json 或 text/plain", ""},
	{"200", "平台故障", "系统暂时无法处理，请稍后用原报文重发；参考号", "用原报文（同一 msgid）重发；联系平台时报参考号。"},
}
