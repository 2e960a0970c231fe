// Package demo makes the data of the sandbox and the demonstration: the fixed
// people, providers and items that a HIS developer can rely on, and some
// thousands of generated ones around them. All of it is synthetic; nobody in
// it exists.
package demo

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
)

// Options say what to make.
type Options struct {
	Today    civil.Date // the day on which the fixed people are in their states
	People   int        // how many generated people
	Progress func(done, total int)
}

// start is the day from which the examples are insured.
const start civil.Date = 20250101

// Seed fills an empty store; on a store that has people it does nothing and
// reports false.
func Seed(ctx context.Context, store *db.DB, register *enrolment.Register, o Options) (bool, error) {
	seeded := false
	err := store.Update(ctx, func(tx *db.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM person`).Scan(&n); err != nil || n > 0 {
			return err
		}
		seeded = true
		r := rand.New(rand.NewPCG(uint64(o.Today), 0xa2))
		for _, p := range Providers {
			if err := provider.Add(ctx, tx, p); err != nil {
				return err
			}
		}
		if err := addItems(ctx, tx, Items); err != nil {
			return err
		}
		if err := publish(ctx, tx); err != nil {
			return err
		}
		if err := employ(ctx, tx, register); err != nil {
			return err
		}
		for _, f := range fixed(o.Today) {
			if err := f.add(ctx, tx, register, r, o.Today); err != nil {
				return err
			}
		}
		return generate(ctx, tx, register, r, o)
	})
	return seeded, err
}

// Providers are the fixed providers.
var Providers = []provider.Provider{
	{Code: "H99010000101", Name: "安济示例市人民医院", Region: "990100", Level: policy.Level3, Designated: true, CreditCode: "12990100100001019Y", District: "东城区", Address: "示例大道 1 号", Position: provider.Point{Lat: 31231000, Lon: 121471000}, Away: provider.Yes},
	{Code: "H99010000102", Name: "安济示例仁和医院", Region: "990100", Level: policy.Level3, Designated: true, Private: true, CreditCode: "52990100100001027M", District: "西城区", Address: "仁和路 8 号", Position: provider.Point{Lat: 31228000, Lon: 121448000}, Away: provider.Yes},
	{Code: "H99010000201", Name: "示例区医院", Region: "990100", Level: policy.Level2, Designated: true, CreditCode: "12990100100002011D", District: "东城区", Address: "健康路 20 号", Position: provider.Point{Lat: 31239000, Lon: 121489000}, Away: provider.Yes},
	{Code: "H99010000301", Name: "示例街道社区卫生服务中心", Region: "990100", Level: policy.Primary, Designated: true, CreditCode: "12990100100003014X", District: "东城区", Address: "安济街 66 号", Position: provider.Point{Lat: 31233500, Lon: 121476000}, Away: provider.No},
	{Code: "P99010000401", Name: "示例大药房", Region: "990100", Level: policy.Primary, Kind: policy.Pharmacy, Designated: true, CreditCode: "919901001000040179", District: "东城区", Address: "安济街 70 号", Position: provider.Point{Lat: 31233700, Lon: 121476500}, Away: provider.No},
	{Code: "H99010000501", Name: "示例未定点诊所", Region: "990100", Level: policy.Level1, CreditCode: "9199010010000501XL", District: "西城区", Address: "南巷 3 号", Position: provider.Point{Lat: 31225000, Lon: 121452000}, Away: provider.No},
	{Code: "H99020000101", Name: "手册示例县医院", Region: "990200", Level: policy.Level2, Designated: true, CreditCode: "129902002000010166", District: "城关镇", Address: "县前街 5 号", Position: provider.Point{Lat: 31621000, Lon: 121398000}, Away: provider.Yes},
	{Code: "H50000000101", Name: "异地示例医院", Region: "500000", Level: policy.Level3, Designated: true, CreditCode: "12500000000001011M"},
}

// Items are the fixed catalogue items, in every region.
var Items = []catalogue.Item{
	{Code: "SVC990000001", Name: "诊疗服务", Kind: catalogue.Service, Class: policy.ClassA, FirstPay: 0, UnitCeiling: policy.NoCeiling, Charge: "05", From: start},
	{Code: "DRG990000001", Name: "甲类药品", Kind: catalogue.Drug, Class: policy.ClassA, FirstPay: 0, UnitCeiling: policy.NoCeiling, Charge: "09", From: start},
	{Code: "DRG990000002", Name: "乙类药品", Kind: catalogue.Drug, Class: policy.ClassB, FirstPay: money.Percent(10), UnitCeiling: policy.NoCeiling, Charge: "09", From: start},
	{Code: "DRG990000003", Name: "丙类药品", Kind: catalogue.Drug, Class: policy.ClassC, FirstPay: policy.FirstPayUnstated, UnitCeiling: policy.NoCeiling, Charge: "09", From: start},
	{Code: "DRG990000004", Name: "限价药品", Kind: catalogue.Drug, Class: policy.ClassB, FirstPay: money.Percent(10), UnitCeiling: 2000, Charge: "09", From: start},
	{Code: "BED990000001", Name: "床位费", Kind: catalogue.Facility, Class: policy.ClassA, FirstPay: 0, UnitCeiling: 5000, Charge: "01", From: start},
	{Code: "MEAL99000001", Name: "膳食费", Kind: catalogue.Facility, Class: policy.ClassC, FirstPay: policy.FirstPayUnstated, UnitCeiling: policy.NoCeiling, Charge: "14", From: start},
}

// The citizen IDs of the fixed people that the demonstration uses.
const (
	Guo  = "990100198808080412" // 老郭, insured in 990200
	LiJi = "990100195607040023" // 李济, employee, retired
)

// Password is that of the fixed people's e-credentials.
const Password = "135790"

// Employer is the fixed employer, with who of the fixed people works there.
var Employer = struct {
	Code, Name, Region string
	Since              civil.Date
	Staff              []string    // citizen IDs
	Wages              []money.Fen // a month
}{"91990100MA0000015X", "安济示例有限公司", "990100", start,
	[]string{"990100198503120014", "990100196611110236", "990100198002290314"}, []money.Fen{800_000, 1_250_000, 2_500_000}}

type fixture struct {
	id, name  string
	region    string
	insurance []enrolment.Insurance
	classes   []string
	diseases  []enrolment.SpecialDisease
	filings   []enrolment.Filing
	balance   money.Fen
	employer  string
	ethnicity string // "" is 01 汉族
}

// fixed are the fixed people in their states on the day.
func fixed(today civil.Date) []fixture {
	first := func(i enrolment.Insurance) []enrolment.Insurance {
		if i.From == 0 {
			i.From = start
		}
		return []enrolment.Insurance{i}
	}
	employee := first(enrolment.Insurance{Scheme: policy.Employee, Reason: "单位参保"})
	resident := first(enrolment.Insurance{Scheme: policy.Resident, Reason: "居民参保"})
	return []fixture{
		{id: "990100198503120014", name: "张安", insurance: employee, balance: 123456, employer: "安济示例有限公司"},
		{id: LiJi, name: "李济", insurance: first(enrolment.Insurance{Scheme: policy.Employee, Retired: true, Reason: "退休"}), balance: 80000},
		{id: "990100199001010119", name: "王平", insurance: resident, ethnicity: "03"},
		{id: "990100201509010128", name: "赵小禾", insurance: resident},
		{id: "990100194805200214", name: "钱厚", insurance: resident, classes: []string{"特困"}},
		{id: "990100197108150227", name: "孙敏", ethnicity: "08", insurance: resident, classes: []string{"低保"}},
		{id: "990100196611110236", name: "周和", insurance: employee, employer: "安济示例有限公司", diseases: []enrolment.SpecialDisease{
			{Code: "M07800", Name: "慢性肾衰竭血液净化", Special: true, From: start},
			{Code: "M03900", Name: "高血压", From: start},
		}},
		{id: "990100198002290314", name: "吴远", ethnicity: "11", insurance: employee, employer: "安济示例有限公司", filings: []enrolment.Filing{{Region: "500000", Kind: policy.Filed, From: start}}},
		{id: "990100196206300327", name: "郑缺", employer: "安济示例有限公司", insurance: []enrolment.Insurance{
			{Scheme: policy.Employee, From: start, To: today.AddMonths(-4).AddDays(-1), Reason: "单位参保"},
			{Scheme: policy.Employee, From: today.AddMonths(-4), Status: policy.Arrears, Reason: "欠费"},
		}},
		{id: "990100199304180334", name: "冯新", insurance: []enrolment.Insurance{
			{Scheme: policy.Resident, From: today.AddDays(-30), BenefitsFrom: today.AddDays(60), Reason: "集中参保期外缴费，待遇等待期"},
		}},
		{id: "99010019991231034X", name: "陈别", employer: "安济示例有限公司", insurance: append(first(enrolment.Insurance{Scheme: policy.Employee, Reason: "单位参保"}),
			enrolment.Insurance{Scheme: policy.Resident, From: start, Reason: "居民参保（重复）"})},
		{id: "990100194501010358", name: "褚故", insurance: []enrolment.Insurance{
			{Scheme: policy.Resident, From: start, To: today.AddDays(-101), Reason: "居民参保"},
			{Scheme: policy.Resident, From: today.AddDays(-100), Status: policy.Deceased, Reason: "死亡"},
		}},
		{id: Guo, name: "老郭", region: "990200", insurance: employee, employer: "手册示例县示例厂"},
	}
}

func (f fixture) insuredIn() string {
	if f.region == "" {
		return "990100"
	}
	return f.region
}

// birthOf reads the birthday in a citizen ID, female whether its 17th digit is
// even.
func birthOf(id string) (birth civil.Date, female bool) {
	birth, err := civil.Parse(id[6:10] + "-" + id[10:12] + "-" + id[12:14])
	if err != nil {
		birth = 0
	}
	return birth, (id[16]-'0')%2 == 0
}

func (f fixture) add(ctx context.Context, tx *db.Tx, register *enrolment.Register, r *rand.Rand, today civil.Date) error {
	f.region = f.insuredIn()
	p := enrolment.Person{ID: personID(r), Name: f.name, CitizenID: f.id, Region: f.region, Employer: f.employer,
		Ethnicity: cmp.Or(f.ethnicity, ethnicities[0]), CardSerial: cardSerial(f.id)}
	p.Birth, p.Female = birthOf(f.id)
	if err := register.Add(ctx, tx, &p); err != nil {
		return err
	}
	for _, i := range f.insurance {
		if err := enrolment.AddInsurance(ctx, tx, p.ID, i); err != nil {
			return err
		}
	}
	for _, c := range f.classes {
		if err := enrolment.AddClass(ctx, tx, p.ID, enrolment.Class{Name: c, From: start, Authority: "安济示例市民政局"}); err != nil {
			return err
		}
	}
	for _, d := range f.diseases {
		if err := enrolment.AddSpecialDisease(ctx, tx, p.ID, d); err != nil {
			return err
		}
	}
	for _, x := range f.filings {
		if err := enrolment.AddFiling(ctx, tx, p.ID, x); err != nil {
			return err
		}
	}
	if f.balance == 0 {
		return nil
	}
	return opening(ctx, tx, today, f.region, []fund.Posting{{Account: fund.PersonAccount(p.ID), Amount: f.balance}})
}

// opening posts balances taken over from before.
func opening(ctx context.Context, tx *db.Tx, today civil.Date, region string, postings []fund.Posting) error {
	var sum money.Fen
	for _, p := range postings {
		sum += p.Amount
	}
	return fund.Post(ctx, tx, fund.Entry{At: today.Time().Add(time.Hour), Kind: "opening", Ref: region,
		Postings: append(postings, fund.Posting{Account: fund.Opening(region), Amount: -sum})})
}
