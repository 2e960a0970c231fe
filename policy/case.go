package policy

import (
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
)

// Scheme is the basic insurance a person is in (险种).
type Scheme uint8

// The schemes. The first value of every enumeration here is its plain default.
const (
	Employee Scheme = iota // 职工基本医疗保险
	Resident               // 城乡居民基本医疗保险
)

// Level is the level of a provider (医疗机构等级).
type Level uint8

// The levels, from the ground up.
const (
	Primary Level = iota // 基层（社区卫生服务中心、乡镇卫生院）
	Level1               // 一级
	Level2               // 二级
	Level3               // 三级
)

// ProviderKind tells a hospital from a pharmacy (机构类型).
type ProviderKind uint8

// The kinds of provider.
const (
	Hospital ProviderKind = iota // 定点医疗机构
	Pharmacy                     // 定点零售药店
)

// VisitKind is the kind of care (医疗类别).
type VisitKind uint8

// The kinds of care.
const (
	Outpatient    VisitKind = iota // 普通门诊
	Emergency                      // 急诊
	Chronic                        // 门诊慢性病
	Special                        // 门诊特殊病
	Inpatient                      // 普通住院
	PharmacyVisit                  // 定点药店购药
	Maternity                      // 生育住院
	DaySurgery                     // 日间手术
)

// Filing is the filing for care away from home that holds on the day (异地就医备案).
type Filing uint8

// The kinds of filing.
const (
	NotFiled      Filing = iota // 未备案
	Filed                       // 已备案（长期居住等）
	Referred                    // 转诊
	EmergencyAway               // 急诊（视同备案）
)

// Cause is why the person needs care, as far as the law asks (社会保险法 第三十条).
type Cause uint8

// The causes.
const (
	Illness           Cause = iota // 疾病
	ThirdParty                     // 应由第三人负担
	ThirdPartyMissing              // 第三人不支付或无法确定
	WorkInjury                     // 应由工伤保险基金支付
	PublicHealth                   // 应由公共卫生负担
	Abroad                         // 境外就医
)

// LineClass is the class of a catalogue entry (甲类、乙类、丙类).
type LineClass uint8

// The classes. What is not in the catalogue is ClassC.
const (
	ClassA LineClass = iota // 甲类: in scope whole
	ClassB                  // 乙类: the person first bears a share
	ClassC                  // 丙类及目录外: borne by the person whole
)

// InsuredStatus is the state of a person's insurance on the day (参保状态).
type InsuredStatus uint8

// The states.
const (
	Normal     InsuredStatus = iota // 正常参保
	Waiting                         // 待遇等待期内
	Arrears                         // 欠费停保
	Suspended                       // 暂停参保
	Terminated                      // 终止参保
	NotInsured                      // 未参保
	Deceased                        // 已死亡
)

// FirstPayUnstated marks a line that leaves the first own pay to the package.
const FirstPayUnstated money.Rate = -1

// NoCeiling marks a line without a ceiling price.
const NoCeiling money.Fen = -1

// Line is one item of a bill (费用明细) with the catalogue entry that applies
// to it in the care region on the day of the fee.
type Line struct {
	Name     string
	Class    LineClass
	Amount   money.Fen  // what was charged, in fen
	FirstPay money.Rate // first own pay (先行自付比例), or FirstPayUnstated
	Ceiling  money.Fen  // ceiling for the whole line (限价), or NoCeiling
	Date     civil.Date // day of the fee; zero means the day of the case
}

// MaxAccumulators bounds the accumulators of one package.
const MaxAccumulators = 24

// MaxFacts bounds the facts a package may declare beyond those of the Case.
const MaxFacts = 16

// Accumulators are a person's sums of the benefit year (年度累计), in fen, by
// the slots of the package: see Package.Accumulators.
type Accumulators [MaxAccumulators]money.Fen

// The slots that every package has.
const (
	AccDeductible       = iota // 起付标准累计
	AccInScope                 // 政策范围内费用累计
	AccBasicFund               // 统筹基金支付累计
	AccOutpatientFund          // 门诊统筹支付累计
	AccCatastrophicBase        // 大病保险合规费用累计
	AccCatastrophicFund        // 大病保险支付累计
	AccAssistanceFund          // 医疗救助支付累计
	numStandardAccumulators
)

// ClassSet is a set of person classes (特困, 低保 …); see Store.Class.
type ClassSet uint64

// Has reports whether every class of other is in s.
func (s ClassSet) Has(other ClassSet) bool { return s&other == other }

// Case is everything a settlement is decided from. It is plain data: the same
// Case under the same Store gives the same Result.
type Case struct {
	Region     string     // insured region (参保地), six digits
	CareRegion string     // care region (就医地); empty means Region
	Date       civil.Date // day of discharge or of the visit

	// The person.
	Scheme  Scheme
	Retired bool
	Birth   civil.Date // zero: unknown
	Female  bool
	Classes ClassSet

	// The state of the insurance on the day.
	Insured       InsuredStatus
	BenefitsFrom  civil.Date // with Waiting: the first day of benefits, if known
	ArrearsMonths int        // with Arrears: whole months unpaid

	// The provider.
	Level        Level
	ProviderKind ProviderKind
	Undesignated bool // not a designated provider (非定点)
	Private      bool // never a ground for a different amount (种子004 问十五)

	// The visit.
	Visit    VisitKind
	Disease  string // recognised special disease (慢特病病种), "" for none
	Nth      int    // which visit of this kind in the benefit year; 0 means 1
	Filing   Filing
	Cause    Cause
	Admitted civil.Date // day of admission; zero means Date
	// StayBorne is the deductible that parts of this stay settled before
	// (中途结算) already bore; a deductible per visit falls by it.
	StayBorne money.Fen
	Lines     []Line

	YearToDate Accumulators
	// NextYear holds the sums of the following benefit year, for a stay that
	// crosses into it under a package that divides such stays.
	NextYear Accumulators
	// Facts are the values of the facts the package declares beyond these, by
	// Package.FactSlot; FactsSet tells which are given.
	Facts    [MaxFacts]int64
	FactsSet uint32

	Account       money.Fen // balance of the person's own account (个人账户)
	FamilyAccount money.Fen // what family members let this person use (家庭共济)
	KeepAccount   bool      // do not pay from any account
}
