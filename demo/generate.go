package demo

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
)

var (
	surnames   = []rune("王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎")
	givenNames = []rune("安济和平康宁仁德惠民泽润清芳秀兰英华文武建国志强丽娟敏静伟勇军杰涛超明晓春夏秋冬梅桂香玉珍荣")
	places     = []string{"东城", "西城", "南关", "北苑", "河口", "清溪", "石桥", "长宁", "永安", "新港", "柳林", "云台"}
	drugs      = []string{"阿莫西林胶囊", "布洛芬缓释片", "二甲双胍片", "氨氯地平片", "阿托伐他汀钙片", "奥美拉唑肠溶胶囊", "头孢呋辛酯片", "缬沙坦胶囊", "格列美脲片", "氯吡格雷片", "甲钴胺片", "蒙脱石散", "复方丹参滴丸", "六味地黄丸", "连花清瘟胶囊", "板蓝根颗粒"}
	services   = []string{"血常规", "尿常规", "胸部CT平扫", "腹部彩超", "心电图", "静脉输液", "换药", "清创缝合", "阑尾切除术", "普通门诊诊察费", "住院诊察费", "二级护理", "肝功能全套", "肾功能全套", "针刺治疗", "推拿治疗"}
)

// batch is how many generated people are written between two reports of
// progress.
const batch = 200

// around puts a made-up provider somewhere about the middle of the example city.
func around(i, j int) provider.Point {
	return provider.Point{Lat: 31_180_000 + int64(i%4)*35_000 + int64(j)*1_500, Lon: 121_420_000 + int64(i/4)*45_000 + int64(j)*2_000}
}

// generate makes people, providers and items around the fixed ones. The same
// options give the same data but for sealing.
func generate(ctx context.Context, tx *db.Tx, register *enrolment.Register, r *rand.Rand, o Options) error {
	for i, place := range places {
		level := policy.Level(i % 4)
		p := provider.Provider{Code: fmt.Sprintf("H9901000%04d", 2001+i), Name: "示例" + place + []string{"卫生服务中心", "一院", "区医院", "中心医院"}[level], Region: "990100", Level: level, Designated: true, Private: i%5 == 4,
			District: place + "区", Address: place + "路 1 号", Position: around(i, 0), Away: provider.Answer(1 + i%2)}
		if err := provider.Add(ctx, tx, p); err != nil {
			return err
		}
		p = provider.Provider{Code: fmt.Sprintf("P9901000%04d", 3001+i), Name: "示例" + place + "药房", Region: "990100", Kind: policy.Pharmacy, Designated: true, Private: true,
			District: place + "区", Address: place + "路 9 号", Position: around(i, 1)}
		if err := provider.Add(ctx, tx, p); err != nil {
			return err
		}
	}
	if err := generateItems(ctx, tx, r); err != nil {
		return err
	}
	var balances []fund.Posting
	used := map[string]bool{}
	for _, f := range fixed(o.Today) {
		used[f.id] = true
	}
	for i := range o.People {
		if i%batch == 0 && o.Progress != nil {
			o.Progress(i, o.People)
		}
		p, ins := person(r, o.Today, used)
		if err := register.Add(ctx, tx, &p); err != nil {
			return err
		}
		if err := enrolment.AddInsurance(ctx, tx, p.ID, ins); err != nil {
			return err
		}
		if ins.Scheme == policy.Resident && r.IntN(20) == 0 {
			class := []string{"低保", "特困", "返贫致贫"}[r.IntN(3)]
			if err := enrolment.AddClass(ctx, tx, p.ID, enrolment.Class{Name: class, From: start, Authority: "安济示例市民政局"}); err != nil {
				return err
			}
		}
		if ins.Scheme == policy.Employee {
			balances = append(balances, fund.Posting{Account: fund.PersonAccount(p.ID), Amount: money.Fen(r.IntN(500_000))})
		}
	}
	if o.Progress != nil {
		o.Progress(o.People, o.People)
	}
	return opening(ctx, tx, o.Today, "990100", balances)
}

func generateItems(ctx context.Context, tx *db.Tx, r *rand.Rand) error {
	items := make([]catalogue.Item, 0, len(drugs)+len(services))
	for i, name := range drugs {
		it := catalogue.Item{Code: fmt.Sprintf("DRG9910%05d", i+1), Name: name, Kind: catalogue.Drug, Class: policy.LineClass(i % 2), FirstPay: policy.FirstPayUnstated, UnitCeiling: policy.NoCeiling, Charge: "09", From: start}
		if it.Class == policy.ClassB {
			it.FirstPay = money.Percent(int64(5 + 5*r.IntN(4)))
		}
		if r.IntN(4) == 0 {
			it.UnitCeiling = money.Fen(500 + r.IntN(5000))
		}
		items = append(items, it)
	}
	for i, name := range services {
		items = append(items, catalogue.Item{Code: fmt.Sprintf("SVC9910%05d", i+1), Name: name, Kind: catalogue.Service, Class: policy.ClassA, UnitCeiling: policy.NoCeiling, Charge: "05", From: start})
	}
	return addItems(ctx, tx, items)
}

func person(r *rand.Rand, today civil.Date, used map[string]bool) (enrolment.Person, enrolment.Insurance) {
	age := r.IntN(90)
	birth := civil.New(today.Year()-age, 1+r.IntN(12), 1+r.IntN(28))
	if birth > today {
		birth = civil.New(today.Year()-1, birth.Month(), birth.Day())
	}
	female := r.IntN(2) == 0
	var id string
	for id == "" || used[id] {
		id = citizenID(r, birth, female)
	}
	used[id] = true
	name := string(surnames[r.IntN(len(surnames))]) + string(givenNames[r.IntN(len(givenNames))])
	if r.IntN(3) > 0 {
		name += string(givenNames[r.IntN(len(givenNames))])
	}
	p := enrolment.Person{ID: personID(r), Name: name, CitizenID: id, Female: female, Birth: birth, Region: "990100", Ethnicity: ethnicities[0], CardSerial: cardSerial(id)}
	if n := len(used); n%20 == 0 {
		p.Ethnicity = ethnicities[1:][n/20%(len(ethnicities)-1)]
	}
	i := enrolment.Insurance{Scheme: policy.Resident, From: max(start, birth), Reason: "居民参保"}
	if age >= 20 && r.IntN(5) < 2 {
		i = enrolment.Insurance{Scheme: policy.Employee, From: start, Retired: age >= 60, Reason: "单位参保"}
		p.Employer = "示例" + places[r.IntN(len(places))] + "公司"
	}
	return p, i
}

// ethnicities are codes of 民族 (GB/T 3304): 汉族 first, then some others.
var ethnicities = []string{"01", "03", "05", "06", "08", "11", "15"}

// personID makes a person number that says nothing about the person.
func personID(r *rand.Rand) string {
	return fmt.Sprintf("%016x%04x", r.Uint64(), r.Uint32()>>16)
}

// citizenID makes an identity number with its check digit (GB 11643).
func citizenID(r *rand.Rand, birth civil.Date, female bool) string {
	order := 2*r.IntN(500) + 1
	if female {
		order--
	}
	return withCheckDigit(fmt.Sprintf("990100%08d%03d", int(birth), order))
}

// withCheckDigit completes the first 17 digits of an identity number.
func withCheckDigit(s string) string {
	weights := [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, w := range weights {
		sum += int(s[i]-'0') * w
	}
	return s + string("10X98765432"[sum%11])
}
