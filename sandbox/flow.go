package sandbox

import (
	"math/bits"
	"strings"

	"github.com/anji-platform/anji/his"
)

// by is what the messages of a flow have in common.
type by uint8

const (
	byProvider by = iota
	byVisit       // 就诊ID
	byMessage     // msgid
	byFile        // 文件查询号
)

// A flow is what a HIS must be able to do from end to end.
type flow struct {
	ID    string
	Title string
	By    by
	Care  string // only visits of this 医疗类别, "" for any
	Away  bool   // only care outside the insured region's city
	// Steps, each one done: the numbers of transactions of which one will do,
	// with x for any digit, or one of the marks below.
	Steps []string
	Hint  string // how to try it
}

// Steps that are no transactions.
const (
	stepUnanswered = "未得到应答"
	stepRepeated   = "原样重发"
)

// flows are the flows of the conformance report.
var flows = []flow{
	{ID: "sign", Title: "签到与签退", Steps: []string{"9001", "9002"},
		Hint: "开始工作发 9001，取得 sign_no；结束发 9002。"},
	{ID: "catalogue", Title: "目录下载", By: byFile, Steps: []string{"13xx", "9102"},
		Hint: "发 1301，ver 填 v0000；再以得到的 file_qury_no 和 filename 发 9102，得到 ZIP。"},
	{ID: "outpatient", Title: "普通门诊", By: byVisit, Care: "11", Steps: []string{"2201", "2203", "2204", "2206", "2207"},
		Hint: "李济（退休职工）在 H99010000101，医疗类别 11，上传几行费用后结算。"},
	{ID: "chronic", Title: "门诊慢特病", By: byVisit, Care: "14", Steps: []string{"2201", "2203", "2204", "2206", "2207"},
		Hint: "周和，医疗类别 14，病种编码 M03900（高血压）或 M07800（血液净化）。"},
	{ID: "pharmacy", Title: "药店购药", By: byVisit, Care: "41", Steps: []string{"2201", "2203", "2204", "2206", "2207"},
		Hint: "张安（账户 1234.56 元）在 P99010000401，医疗类别 41，项目 DRG990000001。"},
	{ID: "emergency", Title: "急诊", By: byVisit, Care: "13", Steps: []string{"2201", "2203", "2204", "2206", "2207"},
		Hint: "王平（居民）在 H99010000201，医疗类别 13。"},
	{ID: "inpatient", Title: "住院", By: byVisit, Steps: []string{"2401", "2301", "2303", "2304", "2402"},
		Hint: "老郭在 H99020000101：诊疗 2000 元、甲类药 3000 元、乙类药 5000 元，基金应支付 6560.00 元。"},
	{ID: "reversal", Title: "撤销结算", By: byVisit, Steps: []string{"2208/2305"},
		Hint: "结算后，以得到的 setl_id 发 2208（门诊）或 2305（住院）。"},
	{ID: "repeat", Title: "同一 msgid 原样重发", By: byMessage, Steps: []string{stepRepeated},
		Hint: "把已成功的一条报文原样再发一次，应得到完全相同的应答，账不变。"},
	{ID: "recovery", Title: "未得到应答后冲正", By: byMessage, Steps: []string{stepUnanswered, "2601"},
		Hint: "在“强制应答”中设一次 2207 的“应答丢失”，结算后以 2601 冲正，omsgid 填原 msgid。"},
	{ID: "abstract", Title: "结算清单", Steps: []string{"4101", "4102"},
		Hint: "住院结算后发 4101 上传结算清单，再发 4102（stas_type 填 1）提交；基金支付要与结算一致。"},
	{ID: "reconciliation", Title: "对账", Steps: []string{"3201", "3202"},
		Hint: "一天结束，以 3201 对总账；以 9101 上传明细文件后，以 3202 对明细账。"},
	{ID: "away", Title: "异地就医", By: byVisit, Away: true, Steps: []string{"2206/2303", "2207/2304"},
		Hint: "吴远（990100 参保，已备案到 500000）在 H50000000101，insuplc_admdvs 填 990100。"},
}

// A track is what was seen of the messages that have something in common.
type track struct {
	sent, done map[string]bool // numbers of transactions
	care       string
	away       bool
	unanswered bool
	repeated   bool
}

func newTrack() *track { return &track{sent: map[string]bool{}, done: map[string]bool{}} }

// see adds an exchange. What the sender did not learn of is not done.
func (t *track) see(e *his.Exchange) {
	t.sent[e.Number] = true
	if e.Done && !e.Forced.Unanswered() || e.Repeated {
		t.done[e.Number] = true
	}
	if e.Care != "" {
		t.care = e.Care
	}
	t.away = t.away || away(e)
	t.unanswered = t.unanswered || e.Forced.Unanswered() && e.Reversed == "" // a lost 2601 is not the message that it is about
	t.repeated = t.repeated || e.Repeated
}

// away reports whether the care is outside the insured region's city.
func away(e *his.Exchange) bool {
	return len(e.Insured) == 6 && len(e.Region) == 6 && e.Insured[:4] != e.Region[:4]
}

// progress is how far the flow went on the track: its steps as bits, and
// whether anything of it was tried.
func (f *flow) progress(t *track) (steps uint, tried bool) {
	if f.Care != "" && f.Care != t.care || f.Away && !t.away {
		return 0, false
	}
	for i, s := range f.Steps {
		sent, done := t.step(s)
		if done {
			steps |= 1 << i
		}
		tried = tried || sent
	}
	return steps, tried
}

func (f *flow) whole() uint { return 1<<len(f.Steps) - 1 }

// step reports whether a step was sent, and whether it was done.
func (t *track) step(s string) (sent, done bool) {
	switch s {
	case stepUnanswered:
		return t.unanswered, t.unanswered
	case stepRepeated:
		return t.repeated, t.repeated
	}
	for n := range t.sent {
		if fits(s, n) {
			sent = true
			done = done || t.done[n]
		}
	}
	return sent, done
}

// fits reports whether a transaction is among those of a step.
func fits(step, number string) bool {
	for s := range strings.SplitSeq(step, "/") {
		if len(s) != len(number) {
			continue
		}
		same := true
		for i := range len(s) {
			same = same && (s[i] == number[i] || s[i] == 'x')
		}
		if same {
			return true
		}
	}
	return false
}

// A reached is the best that a provider did of a flow.
type reached struct {
	steps     uint
	tried     bool
	completed int // how often whole
}

// reach takes note of a track that has moved on from before.
func (r *reached) reach(f *flow, before, after uint, tried bool) {
	r.tried = r.tried || tried
	if bits.OnesCount(after) > bits.OnesCount(r.steps) {
		r.steps = after
	}
	if before != f.whole() && after == f.whole() {
		r.completed++
	}
}
