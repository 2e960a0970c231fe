package demo

import (
	"encoding/hex"
	"strings"

	"github.com/anji-platform/anji/gm"
)

// Person is one of the fixed people, as pages tell about them.
type Person struct {
	CitizenID string // 公民身份号码
	Name      string
	Region    string // where insured (参保地)
	Situation string // in Chinese
	Outcome   string // what happens with their care, in Chinese
	Unfunded  bool   // no fund pays
}

// CardNumber is that of the social security card (社会保障卡号).
func (p *Person) CardNumber() string { return "C" + p.CitizenID }

// CardSerial is the serial of that card (卡识别码).
func (p *Person) CardSerial() string { return cardSerial(p.CitizenID) }

// cardSerial makes the serial of a person's card, of 32 digits as real ones are.
func cardSerial(citizenID string) string {
	return "990100" + strings.ToUpper(hex.EncodeToString(gm.Digest([]byte("card " + citizenID))[:13]))
}

// People are the fixed people.
func People() []Person {
	var out []Person
	for _, f := range fixed(start) { // who they are does not depend on the day
		p := stories[f.id]
		p.CitizenID, p.Name, p.Region = f.id, f.name, f.insuredIn()
		out = append(out, p)
	}
	return out
}

// stories tell of each of the fixed people, by citizen ID.
var stories = map[string]Person{
	"990100198503120014": {Situation: "职工在职，个人账户 1234.56 元", Outcome: "按职工待遇支付，个人负担先由个人账户支付"},
	LiJi:                 {Situation: "职工退休，个人账户 800.00 元", Outcome: "按退休职工待遇支付，个人负担先由个人账户支付"},
	"990100199001010119": {Situation: "居民", Outcome: "按居民待遇支付，没有个人账户"},
	"990100201509010128": {Situation: "居民，儿童", Outcome: "按居民待遇支付，没有个人账户"},
	"990100194805200214": {Situation: "居民，特困人员", Outcome: "居民待遇之后，医疗救助再支付"},
	"990100197108150227": {Situation: "居民，低保对象", Outcome: "居民待遇之后，医疗救助再支付"},
	"990100196611110236": {Situation: "职工在职；慢性肾衰竭血液净化 M07800（特殊病）、高血压 M03900（慢性病）", Outcome: "医疗类别 14 并填病种编码时，按门诊慢特病待遇支付"},
	"990100198002290314": {Situation: "职工在职，已备案到 500000 就医", Outcome: "在 H50000000101 就医，按异地备案的待遇支付"},
	"990100196206300327": {Situation: "职工，欠费四个月", Outcome: "欠费：基金不支付，全部由个人负担", Unfunded: true},
	"990100199304180334": {Situation: "居民，待遇等待期还有 60 天", Outcome: "等待期：基金不支付，全部由个人负担", Unfunded: true},
	"99010019991231034X": {Situation: "重复参保：职工和居民", Outcome: "以职工（310）登记，按职工待遇支付；以居民（390）登记，拒绝"},
	"990100194501010358": {Situation: "居民，100 天前死亡", Outcome: "死亡后：基金不支付", Unfunded: true},
	Guo:                  {Situation: "职工在职，参保地 990200", Outcome: "手册例题：在 H99020000101 住院 10000.00 元，基金支付 6560.00 元"},
}
