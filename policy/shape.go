package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The shape of a package file stands here once: the loader checks files
// against it, Schema publishes it, and the reference in the documentation is
// made from it, so that the three cannot disagree.

type kind uint8

const (
	kObject  kind = iota // a mapping with the fields below
	kMap                 // a mapping from names to elem
	kList                // a list of elem
	kText                // any text
	kName                // an identifier of this package
	kEnum                // one of enum
	kDate                // 2006-01-02
	kDay                 // 01-02, a day of every year
	kValue               // a number, a percentage, "=expression" or unknown
	kCond                // an expression that is true or false
	kTable               // nested mappings by dimension down to kValue
	kMatch               // a mapping from dimension to one or several of its values
	kSources             // {document, article} or a list of them
	kNames               // one name or a list of names
	kTexts               // one text or a list of texts
	kBool                // true or false
	kFund                // a fund, or a mapping from scheme to fund
)

type shape struct {
	kind   kind
	fields []field
	elem   *shape
	enum   []string
}

type field struct {
	name     string
	required bool
	shape    *shape
	doc      string
}

func obj(fields ...field) *shape             { return &shape{kind: kObject, fields: fields} }
func listOf(elem *shape) *shape              { return &shape{kind: kList, elem: elem} }
func mapOf(elem *shape) *shape               { return &shape{kind: kMap, elem: elem} }
func enumOf(values ...string) *shape         { return &shape{kind: kEnum, enum: values} }
func req(n string, s *shape, d string) field { return field{n, true, s, d} }
func opt(n string, s *shape, d string) field { return field{n, false, s, d} }

var (
	text    = &shape{kind: kText}
	name    = &shape{kind: kName}
	date    = &shape{kind: kDate}
	value   = &shape{kind: kValue}
	cond    = &shape{kind: kCond}
	table   = &shape{kind: kTable}
	match   = &shape{kind: kMatch}
	sources = &shape{kind: kSources}
	names   = &shape{kind: kNames}
	texts   = &shape{kind: kTexts}
	boolean = &shape{kind: kBool}

	sourceShape  = obj(req("document", name, "documents 中的标识"), req("article", text, "条款"))
	fundShape    = &shape{kind: kFund}
	fundByScheme = obj(req("employee", name, "职工"), req("resident", name, "居民"))
)

var unitNames = []string{"yuan", "ratio", "count"}

var (
	limitShape = obj(
		req("title", text, "限额的名称"),
		req("amount", value, "限额，元"),
		opt("used", names, "已用额的累计器；没有则为单次限额"),
		opt("of", enumOf("paid", "covered"), "限的是支付额（paid，默认）还是纳入计算的费用（covered）"),
		req("source", sources, "依据"),
	)
	bandShape = obj(
		req("over", value, "本段下界（超过），元"),
		opt("upto", value, "本段上界（含），元；最后一段可不写"),
		req("ratio", value, "本段支付比例"),
		opt("title", text, "本段名称"),
	)
	stageShape = obj(
		req("title", text, "环节名称"),
		opt("role", name, "别的环节引用本环节时用的名字；默认是本环节的标识"),
		opt("fund", fundShape, "支付的基金；职工、居民不同时写 {employee: 甲, resident: 乙}"),
		opt("account", enumOf("own", "own_and_family", "family"), "由个人账户支付（own_and_family：不足时由家庭共济账户支付；family：只由家庭共济账户支付）"),
		opt("when", cond, "何时适用；不写则总适用"),
		req("base", value, "以何为基数，元"),
		opt("deductible", obj(
			req("title", text, "起付标准的名称"),
			req("amount", value, "起付标准，元"),
			opt("borne", names, "按年累计时，本标准已负担额的累计器；不写则按次"),
			opt("also_within", listOf(limitShape), "另有的合并上限：已负担额达到即不再负担"),
			opt("accumulate", names, "本次负担额计入的累计器；默认同 borne"),
			req("source", sources, "依据"),
		), "起付标准"),
		opt("ratio", value, "支付比例（不分段时）"),
		opt("bands", obj(
			opt("along", name, "沿哪个累计器分段；不写则按本次"),
			opt("measure", enumOf("base", "covered"), "分段从基数起量（含起付，base，默认）还是从起付以上起量（covered）"),
			opt("threshold", value, "分段支付的起付标准，元"),
			opt("count_from", enumOf("zero", "threshold"), "段界从零起算的绝对额（zero，默认）或从起付标准起算（threshold）"),
			opt("apply", enumOf("marginal", "whole"), "分段累进（marginal，默认）或全额按所在段（whole）"),
			req("list", listOf(bandShape), "各段，由低到高，首尾相接"),
		), "分段"),
		opt("rounding", enumOf("band", "stage"), "每段各自四舍五入到分（band，默认）或合计后一次（stage）"),
		opt("floor", obj(
			req("title", text, "保底的名称"),
			req("base", value, "保底基数，元"),
			req("ratio", value, "保底比例"),
			req("source", sources, "依据"),
		), "保底支付"),
		opt("limits", listOf(limitShape), "限额"),
		opt("accumulate", mapOf(enumOf(quantityNames...)), "累计器 → 计入的量"),
		req("source", sources, "依据"),
	)
	ruleShape = obj(
		req("title", text, "规则名称"),
		req("when", cond, "何时适用"),
		req("decision", enumOf("refuse", "advance", "note"), "不予支付、先行支付（追偿）或只作说明"),
		req("reason", text, "给人看的理由"),
		req("source", sources, "依据"),
	)
	startShape = obj(
		req("title", text, "名称"),
		opt("match", match, "适用于"),
		opt("when", cond, "何时适用"),
		opt("window", obj(
			req("from", &shape{kind: kDay}, "首日，月-日"),
			req("to", &shape{kind: kDay}, "末日（含），月-日；早于首日的为次年"),
		), "缴费期；不写则全年"),
		opt("year", enumOf(startYearNames...), "缴的是本年度（this，默认）还是下一年度（next）"),
		req("from", enumOf(startBaseNames...), "待遇起算：所缴年度第一天、缴费到账日、到账次月一日或出生之日"),
		opt("wait", value, "待遇等待期，自缴费到账起的月数"),
		opt("unknown", text, "起算规则尚不掌握：说明"),
		req("source", sources, "依据"),
	)
	packageShape = obj(
		req("format", enumOf("1"), "格式版本"),
		req("region", text, "统筹区医保区划，六位；000000 为国家"),
		req("name", text, "统筹区名称"),
		req("version", text, "本文件的版本"),
		req("from", date, "施行日"),
		opt("to", date, "末日（含）；不写则到下一版本施行前一日"),
		opt("inherits", text, "沿用其规则的上位包，如 000000"),
		opt("summary", text, "给读者的说明"),
		opt("benefit_year", obj(
			req("starts", &shape{kind: kDay}, "年度第一天，月-日"),
			req("source", sources, "依据"),
		), "待遇年度；不写则为自然年"),
		opt("rules_by", obj(
			req("day", enumOf("end", "start"), "按出院（就诊）日或入院日选用规则"),
			req("source", sources, "依据"),
		), "按哪一天选用规则；不写则按出院（就诊）日"),
		opt("year_crossing", obj(
			req("rule", enumOf("by_end", "split", "split_continue"), "跨年度住院：按出院年度整笔；按费用日期分年、起付计一次；分年且次数与起付续算"),
			req("source", sources, "依据"),
		), "跨年度住院；不写则按出院年度整笔"),
		opt("reversal", obj(
			req("later", enumOf("refuse", "replay"), "撤销会改变其后已办的结算时：不予撤销（refuse），或撤销并将其后的结算重新计算、补记差额（replay）"),
			req("source", sources, "依据"),
		), "结算撤销；不写则不予撤销会改变其后结算的"),
		opt("declarations", obj(
			req("due", enumOf(daysOfMonth()...), "当月几日前缴纳，1 至 28"),
			req("source", sources, "依据"),
		), "单位按月申报缴费；不写则不受理单位申报"),
		opt("retirement", obj(
			req("months", value, "退休后不再缴费须有的累计缴费月数"),
			req("source", sources, "依据"),
		), "退休享受待遇的缴费年限；不写则不受理退休登记"),
		opt("away_filing", obj(
			req("working_days", enumOf(workingDays()...), "几个工作日内办结"),
			opt("backdated", boolean, "可否在就医之后补办备案；不写则否"),
			req("provinces", listOf(text), "备案到省（自治区、直辖市）即可的就医地；其余备案到地市"),
			req("groups", mapOf(obj(
				opt("retired", boolean, "限退休人员"),
				opt("hospital", boolean, "由定点医院办理，个人不能自己申请"),
				opt("papers", listOf(text), "要交的材料"),
				opt("commitment", boolean, "可以用承诺书代替材料"),
				opt("automatic", boolean, "材料或承诺齐全即自动办结"),
				opt("months", enumOf(validMonths()...), "备案有效的月数；不写则长期有效"),
				req("source", sources, "依据"),
			)), "可以备案的人员"),
			req("source", sources, "依据"),
		), "异地就医备案；不写则按国家的规定"),
		opt("direct_settlement", obj(
			req("as_of", date, "本表所知的末日；其后的开通尚不掌握"),
			req("list", mapOf(obj(
				req("title", text, "名称"),
				req("visits", listOf(enumOf(directVisits...)), "类别：门诊（outpatient）、住院（inpatient）"),
				opt("among", listOf(text), "哪些省（自治区、直辖市）之间；不写则各省之间"),
				req("from", date, "开通之日"),
				req("source", sources, "依据"),
			)), "已开通的"),
			req("source", sources, "依据"),
		), "跨省异地就医直接结算开通表（国家）"),
		opt("special_diseases", obj(
			opt("working_days", enumOf(workingDays()...), "几个工作日内办结"),
			opt("renew_days", enumOf(counts(365)...), "到期前几天起可以续认"),
			opt("hospitals", enumOf(counts(10)...), "可以选定几家定点医疗机构；选定后只在这几家按慢特病待遇结算；不写则不限定"),
			opt("anywhere", boolean, "全市通办：统筹区内任一经办机构受理"),
			opt("unknown", text, "病种、材料或期限尚不掌握：说明"),
			opt("list", mapOf(obj(
				opt("code", text, "门慢门特病种目录代码；不写则为尚不掌握，以名称代替"),
				req("title", text, "病种名称"),
				opt("group", text, "本地的分类，如一类"),
				req("kind", enumOf("special", "chronic"), "特殊病（special）或慢性病（chronic）"),
				opt("papers", listOf(text), "要交的材料，按种类"),
				opt("automatic", boolean, "材料齐全即自动认定"),
				opt("months", enumOf(counts(120)...), "有效的月数；不写则长期有效"),
				opt("unknown", text, "本病种尚不掌握的：说明"),
				req("source", sources, "依据"),
			)), "病种"),
			req("source", sources, "依据"),
		), "门诊慢特病认定；不写则不受理认定申请"),
		opt("claims", obj(
			opt("months", enumOf(validMonths()...), "出院或就诊之日起几个月内申请；不写则不限"),
			opt("accept_days", enumOf(workingDays()...), "几个工作日内受理；不写则没有期限"),
			opt("decide_days", enumOf(workingDays()...), "受理后几个工作日内审核完；不写则没有期限"),
			opt("pay_days", enumOf(workingDays()...), "审核通过后几个工作日内支付；不写则没有期限"),
			opt("appeal_days", enumOf(counts(180)...), "决定后几天内可以申诉；不写则不能申诉"),
			opt("papers", listOf(text), "都要交的材料；不写则按国家的规定"),
			opt("outpatient_papers", listOf(text), "门诊另要交的材料"),
			opt("stay_papers", listOf(text), "住院另要交的材料"),
			opt("reasons", mapOf(obj(
				opt("papers", listOf(text), "因此另要交的材料"),
				opt("emergency", boolean, "异地急诊，视同备案"),
				opt("filed", boolean, "须先有就医地的备案，可以补办"),
				req("source", sources, "依据"),
			)), "可以申请的原因；不写则按国家的规定"),
			req("source", sources, "依据"),
		), "手工（零星）报销；不写则按国家的规定"),
		opt("tip_offs", obj(
			opt("accept_days", enumOf(workingDays()...), "几个工作日内决定是否受理；不写则没有期限"),
			opt("close_days", enumOf(workingDays()...), "受理后几个工作日内办结；不写则没有期限"),
			req("source", sources, "依据"),
		), "举报办理期限；不写则按国家的规定"),
		opt("family_aid", obj(
			opt("contributions", &shape{kind: kBool}, "也可用来缴纳他们的居民医保费；不写则否"),
			req("relations", listOf(enumOf(RelativeNames()...)), "可以授权使用的人与账户所有人的关系：配偶、父母、子女、兄弟姐妹、祖父母（外祖父母）、孙子女（外孙子女）"),
			req("source", sources, "依据"),
		), "家庭共济；不写则个人账户不给家庭成员使用"),
		req("documents", mapOf(obj(
			req("title", text, "文件名"),
			opt("number", text, "文号"),
			opt("issuer", text, "发文机关"),
			opt("date", text, "日期"),
			opt("url", text, "网址"),
			req("grade", enumOf("A", "B", "C", "S", "X"), "核对程度：A 官方已核；B 官方经转载；C 第三方；S 种子陈述；X 示例"),
			opt("note", text, "说明"),
		)), "所依据的文件"),
		opt("classes", listOf(text), "本包使用的人员类别"),
		opt("facts", mapOf(obj(
			req("title", text, "名称"),
			req("type", enumOf("count", "yuan", "ratio", "bool", "date"), "类型"),
			opt("default", text, "不给时的值；不写则必须给"),
			req("source", sources, "依据"),
		)), "标准字段以外、由调用方给出的事实"),
		opt("facets", mapOf(obj(
			req("title", text, "名称"),
			req("values", listOf(obj(
				req("value", text, "取值"),
				req("when", cond, "条件；自上而下，先合者取"),
			)), "取值与条件"),
			opt("otherwise", text, "都不合时的取值"),
			req("source", sources, "依据"),
		)), "由事实归出的类，可作分档与匹配"),
		opt("parameters", mapOf(obj(
			req("title", text, "名称"),
			req("unit", enumOf(unitNames...), "单位：yuan 元、ratio 比例、count 数"),
			opt("value", value, "值"),
			opt("by", names, "按哪些维度分"),
			opt("values", table, "各维度取值下的值"),
			req("source", sources, "依据"),
			opt("note", text, "说明"),
		)), "参数"),
		opt("accumulators", mapOf(obj(
			req("title", text, "名称"),
			opt("source", sources, "依据"),
		)), "标准累计器以外的累计器"),
		opt("funds", mapOf(obj(
			req("title", text, "名称"),
			req("category", enumOf(categoryNames...), "类别"),
			req("code", text, "国家接口基金支付类型码"),
			req("source", sources, "依据"),
		)), "基金"),
		opt("scope", obj(
			opt("class_b_first_pay", value, "乙类先行自付比例（费用行未写时）"),
			req("source", sources, "依据"),
		), "纳入范围"),
		opt("rules", mapOf(ruleShape), "排除、资格与说明，自上而下"),
		opt("stages", mapOf(stageShape), "支付环节"),
		opt("plans", mapOf(obj(
			req("title", text, "方案名称"),
			opt("match", match, "适用于"),
			opt("stages", names, "各环节，依次"),
			opt("accumulate", mapOf(enumOf(planQuantityNames...)), "累计器 → 计入的量"),
			opt("unknown", text, "此待遇的数字尚不掌握：说明"),
			req("source", sources, "依据"),
		)), "待遇方案"),
		opt("assessments", mapOf(obj(
			req("title", text, "名称"),
			req("kind", enumOf(assessmentNames...), "缴费、个人账户划入、对机构付费、滞纳金或举报奖励"),
			opt("payer", enumOf(payerNames...), "由谁出"),
			opt("fund", name, "入（出）哪个基金"),
			opt("match", match, "适用于"),
			opt("when", cond, "何时适用"),
			req("period", enumOf("month", "year", "case"), "每月、每年或每例"),
			req("amount", value, "金额，元"),
			opt("unknown", text, "数字尚不掌握：说明"),
			req("source", sources, "依据"),
		)), "缴费、划账与付费的算式"),
		opt("benefit_starts", mapOf(startShape), "缴费期与待遇起算，自上而下，先合者用"),
	)
)

// workingDays are the terms that a decision may have.
func workingDays() []string { return counts(60) }

// validMonths are for how many months something may hold.
func validMonths() []string { return counts(60) }

func counts(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = strconv.Itoa(i + 1)
	}
	return all
}

func daysOfMonth() (out []string) {
	for d := 1; d <= 28; d++ {
		out = append(out, strconv.Itoa(d))
	}
	return out
}

func (s *shape) field(name string) *field {
	for i := range s.fields {
		if s.fields[i].name == name {
			return &s.fields[i]
		}
	}
	return nil
}

func (s *shape) fieldNames() string {
	out := make([]string, len(s.fields))
	for i, f := range s.fields {
		out[i] = f.name
	}
	return strings.Join(out, ", ")
}

// LoadError is one fault in a package file.
type LoadError struct {
	File      string
	Line, Col int
	Message   string // what was found and what is allowed
}

func (e *LoadError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.Message)
}

// LoadErrors are all faults found, in the order of files and positions.
type LoadErrors []*LoadError

func (es LoadErrors) Error() string {
	var b strings.Builder
	for i, e := range es {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.Error())
	}
	return b.String()
}

// faults collects the errors of one file, bounded.
type faults struct {
	file string
	errs LoadErrors
}

const maxFaults = 500

func (f *faults) at(line, col int, format string, args ...any) {
	if len(f.errs) < maxFaults {
		f.errs = append(f.errs, &LoadError{f.file, max(line, 1), max(col, 1), fmt.Sprintf(format, args...)})
	}
}

func (f *faults) node(n *yaml.Node, format string, args ...any) {
	f.at(n.Line, n.Column, format, args...)
}

// show writes a node's content for a message, shortened.
func show(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	r := []rune(n.Value)
	if len(r) > 60 {
		r = append(r[:57], '…')
	}
	return fmt.Sprintf("%q", string(r))
}

// check walks n against s and reports every fault; it returns whether the
// node itself may be decoded.
func (f *faults) check(n *yaml.Node, s *shape, where string) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		f.node(n, "%s: anchors and aliases are not used in a package; write the value out", where)
		return false
	}
	switch s.kind {
	case kObject, kMap:
		return f.checkMapping(n, s, where)
	case kList:
		if n.Kind != yaml.SequenceNode {
			f.node(n, "%s is %s; a list is needed", where, show(n))
			return false
		}
		for i, c := range n.Content {
			f.check(c, s.elem, fmt.Sprintf("%s[%d]", where, i))
		}
		return true
	case kNames, kTexts:
		if n.Kind == yaml.SequenceNode {
			for i, c := range n.Content {
				f.scalar(c, s, fmt.Sprintf("%s[%d]", where, i))
			}
			return true
		}
		return f.scalar(n, s, where)
	case kSources:
		if n.Kind == yaml.SequenceNode {
			if len(n.Content) == 0 {
				f.node(n, "%s is empty; name at least one document and article", where)
			}
			for i, c := range n.Content {
				f.check(c, sourceShape, fmt.Sprintf("%s[%d]", where, i))
			}
			return true
		}
		return f.check(n, sourceShape, where)
	case kFund:
		if n.Kind == yaml.MappingNode {
			return f.check(n, fundByScheme, where)
		}
		return f.scalar(n, name, where)
	case kTable, kMatch:
		if n.Kind != yaml.MappingNode {
			f.node(n, "%s is %s; a mapping is needed", where, show(n))
			return false
		}
		return f.noDuplicates(n, where)
	}
	return f.scalar(n, s, where)
}

func (f *faults) noDuplicates(n *yaml.Node, where string) bool {
	ok := true
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode {
			f.node(k, "%s: a key must be a plain text", where)
			ok = false
			continue
		}
		if first := seen[k.Value]; first != nil {
			f.node(k, "%s: key %q stands twice, first at line %d", where, k.Value, first.Line)
			ok = false
		}
		seen[k.Value] = k
	}
	return ok
}

func (f *faults) checkMapping(n *yaml.Node, s *shape, where string) bool {
	if n.Kind != yaml.MappingNode {
		f.node(n, "%s is %s; a mapping is needed", where, show(n))
		return false
	}
	f.noDuplicates(n, where)
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			continue
		}
		if s.kind == kMap {
			if !validName(k.Value) {
				f.node(k, "%s: %q is not a name; a name is a letter followed by letters, digits or _", where, k.Value)
			}
			f.check(v, s.elem, where+"."+k.Value)
			continue
		}
		fd := s.field(k.Value)
		if fd == nil {
			f.node(k, "%s: unknown key %q; allowed: %s", where, k.Value, s.fieldNames())
			continue
		}
		seen[k.Value] = true
		f.check(v, fd.shape, where+"."+k.Value)
	}
	ok := true
	for _, fd := range s.fields {
		if fd.required && !seen[fd.name] {
			if fd.name == "source" {
				f.node(n, "%s: source is missing; every number and rule names its document and article", where)
			} else {
				f.node(n, "%s: %s is missing", where, fd.name)
			}
			ok = false
		}
	}
	return ok
}

func (f *faults) scalar(n *yaml.Node, s *shape, where string) bool {
	if n.Kind != yaml.ScalarNode {
		f.node(n, "%s is %s; a single value is needed", where, show(n))
		return false
	}
	if n.Tag == "!!null" || n.Value == "" {
		f.node(n, "%s is empty", where)
		return false
	}
	switch s.kind {
	case kEnum:
		if !slices.Contains(s.enum, n.Value) {
			f.node(n, "%s is %s; allowed: %s", where, show(n), strings.Join(s.enum, ", "))
			return false
		}
	case kName, kNames:
		if !validName(n.Value) {
			f.node(n, "%s is %s; a name is a letter followed by letters, digits or _", where, show(n))
			return false
		}
	case kBool:
		if n.Value != "true" && n.Value != "false" {
			f.node(n, "%s is %s; allowed: true, false", where, show(n))
			return false
		}
	}
	return true
}
