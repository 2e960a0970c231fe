// Package tipoff takes tip-offs of fraud (举报) from anybody, with a name or without,
// and keeps what becomes of them: taken up or not (受理), looked into (核查), closed as
// founded or unfounded (结案), with what was recovered and what the package says it
// earns (举报奖励).
//
// Who tells of a fraud gets a number and a secret by which to ask how it stands; the
// secret is kept as a digest only. What they tell and who they are is sealed. Who
// they are is opened for a purpose, which is on record with who saw it.
//
// Nobody decides on what they entered, and nobody closes what they took up: the
// room sees to both, whatever the pages allow.
package tipoff

import (
	_ "embed"
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

//go:embed behaviours.yaml
var list []byte

// Group is a group of behaviours.
type Group struct {
	Title      string
	Behaviours []Behaviour
}

// Behaviour is a kind of fraud, by a code of this platform's own.
type Behaviour struct{ Code, Title string }

// Other is the code of what is none of the others.
const Other = "X0"

var groups, ground = func() ([]Group, string) {
	var file struct {
		Document string
		Groups   []Group
	}
	if err := yaml.Unmarshal(list, &file); err != nil {
		panic(err) // a fault of the build, found by the tests
	}
	return file.Groups, file.Document
}()

// Ground is where the behaviours are listed.
var Ground = ground

// Behaviours are what can be reported, by who does it.
func Behaviours() []Group { return slices.Clone(groups) }

// Named finds a behaviour by its code.
func Named(code string) (b Behaviour, group string, ok bool) {
	for _, g := range groups {
		for _, x := range g.Behaviours {
			if x.Code == code {
				return x, g.Title, true
			}
		}
	}
	return Behaviour{}, "", false
}

// Channel is the way in which a tip-off came.
type Channel string

// The channels. Online is the only one that needs no officer.
const (
	Online Channel = "online"
	Phone  Channel = "phone"
	WeChat Channel = "wechat"
	Letter Channel = "letter"
	Window Channel = "window"
)

// Channels lists the channels.
func Channels() []Channel { return []Channel{Online, Phone, WeChat, Letter, Window} }

// Title is the channel in Chinese.
func (c Channel) Title() string {
	return map[Channel]string{Online: "网上", Phone: "电话", WeChat: "微信", Letter: "信函", Window: "窗口"}[c]
}

// How says how people use the channel.
func (c Channel) How() string {
	switch c {
	case Online:
		return "在本页填写，可以不留姓名"
	case Window:
		return "到经办窗口，当场给编号和查询码"
	}
	return "由经办人员记下，告诉您编号和查询码"
}

// About is the kind of who is told of.
type About string

// The kinds of who can be told of.
const (
	Provider About = "provider" // 定点医药机构
	Person   About = "person"   // 个人
	Employer About = "employer" // 单位
	Agency   About = "agency"   // 经办机构及其人员
)

// Abouts lists them.
func Abouts() []About { return []About{Provider, Person, Employer, Agency} }

// Title is the kind in Chinese.
func (a About) Title() string {
	return map[About]string{Provider: "医院、诊所或药店", Person: "个人", Employer: "单位", Agency: "经办机构或人员"}[a]
}

// State is how far a tip-off has come.
type State string

// The states. Entered leads to Accepted or Declined; Accepted and Checking lead to
// Founded or Unfounded.
const (
	Entered   State = "entered"
	Accepted  State = "accepted"
	Declined  State = "declined"
	Checking  State = "checking"
	Founded   State = "founded"
	Unfounded State = "unfounded"
)

// States lists the states.
func States() []State { return []State{Entered, Accepted, Checking, Founded, Unfounded, Declined} }

// Title is the state in Chinese.
func (s State) Title() string {
	return map[State]string{Entered: "已登记", Accepted: "已受理", Declined: "不予受理", Checking: "核查中", Founded: "已结案：查实", Unfounded: "已结案：未查实"}[s]
}

// Open reports whether something is still to be done.
func (s State) Open() bool { return s == Entered || s == Accepted || s == Checking }

// Reporter is who told of it.
type Reporter struct{ Name, Phone string }

// TipOff is one tip-off.
type TipOff struct {
	ID        string
	Region    string
	Channel   Channel
	Behaviour string
	About     About
	Provider  string     // code of who is told of, "" if none was chosen
	Subject   string     // who is told of, in the words of who told
	Happened  civil.Date // about when, 0 if that was not said
	Text      string
	Anonymous bool
	State     State
	EnteredBy string
	TakenBy   string // who decided to look into it
	Due       civil.Date
	At        time.Time

	Recovered   money.Fen
	Reward      money.Fen
	RewardKnown bool
	Steps       []Step
}

// Step is one thing that was done about it.
type Step struct {
	State State
	At    time.Time
	Actor string
	Note  string
	Told  bool // the note is for who told of it too
}

// Late reports whether its term is over.
func (t *TipOff) Late(today civil.Date) bool { return t.State.Open() && t.Due != 0 && t.Due < today }

// Kind is the behaviour in words.
func (t *TipOff) Kind() string {
	b, group, _ := Named(t.Behaviour)
	return group + "：" + b.Title
}

// Error is a fault of the request: which field, what it holds, what is allowed.
type Error struct{ Field, Value, Want string }

func (e *Error) Error() string { return e.Field + "「" + e.Value + "」：" + e.Want }

// Refusal says what of the request is refused, and why.
func (e *Error) Refusal() (field, value, want string) { return e.Field, e.Value, e.Want }

// Rewarded is what a tip-off earns that proved true.
type Rewarded struct {
	Amount  money.Fen
	Known   bool
	Why     string // nothing is known, and why
	Formula string
	Sources []*policy.Source
}

// recoveredFact is the name, in packages, of the amount that proved true.
const recoveredFact = "recovered"

// Reward says what the package of a region gives who told of a fraud of which an
// amount proved true (查实的涉案金额). An amount of 0 earns nothing.
func Reward(store *policy.Store, region string, day civil.Date, recovered money.Fen) (Rewarded, error) {
	c := policy.Case{Region: region, Date: day}
	p, err := store.At(region, day)
	if err != nil {
		return Rewarded{}, err
	}
	if !p.SetFact(&c, recoveredFact, int64(recovered)) {
		return Rewarded{Why: "「举报奖励」" + p.Name + "的政策包没有写明算法"}, nil
	}
	items, err := store.Assess(policy.Reward, &c)
	if err != nil {
		return Rewarded{}, fmt.Errorf("reward: %w", err)
	}
	out := Rewarded{Known: true}
	for i := range items {
		if items[i].Unknown != "" {
			return Rewarded{Why: items[i].Unknown, Sources: items[i].Sources}, nil
		}
		out.Amount += items[i].Amount
		out.Formula, out.Sources = items[i].Formula, items[i].Sources
	}
	return out, nil
}
