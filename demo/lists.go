package demo

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
)

// publisher is who publishes the lists, for the audit record.
const publisher = "demo"

// details are an entry's further columns.
type details = map[string]string

// addItems publishes items in the national lists and adds them to the
// insurance catalogue of every region.
func addItems(ctx context.Context, tx *db.Tx, items []catalogue.Item) error {
	entries := map[catalogue.List][]catalogue.Entry{}
	for _, it := range items {
		e := catalogue.Entry{Code: it.Code, Name: it.Name, From: it.From, To: it.To}
		list := catalogue.Services
		switch it.Kind {
		case catalogue.Drug:
			list = catalogue.WesternDrugs
			e.Details = details{"药品商品名": it.Name, "注册名称": it.Name, "药品剂型名称": "片剂", "药品规格": "按说明书", "最小包装单位": "盒",
				"生产地类别": "1", "生产地类别名称": "国产", "基本药物标志": yesNo(it.Class == policy.ClassA), "医保谈判药品标志": yesNo(it.Class == policy.ClassB && it.UnitCeiling >= 0), "儿童用药": "0",
				"生产企业名称": "安济示例药业有限公司", "市场状态名称": "正常", "国家医保药品目录甲乙类标识": classNames[it.Class]}
			if it.Code == "DRG990000004" {
				e.Details["备注"] = "限二级及以上医疗机构使用"
			}
			if code := pinyin[it.Code]; code != "" {
				e.Details["拼音助记码"] = code
			}
		case catalogue.Consumable:
			list = catalogue.Consumables
		default:
			e.Details = details{"计价单位": "次", "计价单位名称": "次"}
			if it.Kind == catalogue.Facility {
				e.Details = details{"计价单位": "日", "计价单位名称": "日"}
			}
		}
		entries[list] = append(entries[list], e)
	}
	for _, list := range []catalogue.List{catalogue.WesternDrugs, catalogue.Consumables, catalogue.Services} {
		if _, err := catalogue.Publish(ctx, tx, list, start, publisher, entries[list]...); err != nil {
			return err
		}
	}
	for _, it := range items {
		if err := catalogue.Add(ctx, tx, it); err != nil {
			return err
		}
	}
	return nil
}

// pinyin are the 拼音助记码 of the fixed drugs.
var pinyin = map[string]string{"DRG990000001": "JLYP", "DRG990000002": "YLYP", "DRG990000003": "BLYP", "DRG990000004": "XJYP"}

func yesNo(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

var classNames = map[policy.LineClass]string{policy.ClassA: "甲类", policy.ClassB: "乙类", policy.ClassC: "目录外"}

// publish publishes the lists of what is not charged by itself, and the few
// pieces, preparations, granules and consumables of the sandbox.
func publish(ctx context.Context, tx *db.Tx) error {
	for _, list := range slices.Sorted(maps.Keys(lists)) {
		entries := slices.Clone(lists[list])
		for i := range entries {
			entries[i].From = start
		}
		if _, err := catalogue.Publish(ctx, tx, list, start, publisher, entries...); err != nil {
			return err
		}
	}
	return nil
}

// disease is an entry of the list of diseases, in its chapter and section.
func disease(code, name, chapter, chapterRange, chapterName, section, sectionName, category string) catalogue.Entry {
	return catalogue.Entry{Code: code, Name: name, Details: details{"章": chapter, "章代码范围": chapterRange, "章名称": chapterName,
		"节代码范围": section, "节名称": sectionName, "类目代码": code[:3], "类目名称": category}}
}

func operation(code, name, chapter, chapterRange, chapterName, category string) catalogue.Entry {
	return catalogue.Entry{Code: code, Name: name, Details: details{"章": chapter, "章代码范围": chapterRange, "章名称": chapterName,
		"类目代码": code[:4], "类目名称": category}}
}

func chronic(code, name, class string) catalogue.Entry {
	return catalogue.Entry{Code: code, Name: name, Details: details{"门慢门特病种大类名称": class, "门慢门特病种大类代码": code[:3], "医保区划": "990100"}}
}

func tcmDisease(code, name, system, systemName string) catalogue.Entry {
	return catalogue.Entry{Code: code, Name: name, Details: details{"科别类目代码": code[:3], "科别类目名称": "内科病类", "专科系统分类目代码": system, "专科系统分类目名称": systemName}}
}

func syndrome(code, name, category string) catalogue.Entry {
	return catalogue.Entry{Code: code, Name: name, Details: details{"证候类目代码": code[:3], "证候类目名称": category}}
}

func morphology(code, name, cell, cellName string) catalogue.Entry {
	return catalogue.Entry{Code: code, Name: name, Details: details{"肿瘤/细胞类型代码": cell, "肿瘤/细胞类型": cellName}}
}

// lists are small lists in the form of the national ones, for the sandbox.
var lists = map[catalogue.List][]catalogue.Entry{
	catalogue.HerbalPieces: {
		{Code: "T990000001", Name: "黄芪", Details: details{"单复方标志": "1", "药材名称": "黄芪", "药用部位": "根", "性味": "甘，微温", "归经": "归肺、脾经", "功效分类": "补气药", "炮制方法": "除去杂质，洗净，润透，切厚片，干燥"}},
		{Code: "T990000002", Name: "炙甘草", Details: details{"单复方标志": "1", "药材名称": "甘草", "药用部位": "根和根茎", "性味": "甘，平", "归经": "归心、肺、脾、胃经", "功效分类": "补气药", "炮制方法": "取甘草片，照蜜炙法炒至不粘手"}},
		{Code: "T990000003", Name: "金银花", Details: details{"单复方标志": "1", "药材名称": "金银花", "药用部位": "花蕾", "性味": "甘，寒", "归经": "归肺、心、胃经", "功效分类": "清热解毒药"}},
	},
	catalogue.Preparations: {
		{Code: "Z990000001", Name: "安济清咽合剂", Details: details{"剂型名称": "合剂", "药品规格": "每瓶 100 毫升", "批准文号": "示例药制字Z20250001", "所在地区": "990100", "医院制剂申请人单位名称": "安济示例市人民医院"}},
		{Code: "Z990000002", Name: "安济烫伤软膏", Details: details{"剂型名称": "软膏剂", "药品规格": "每支 20 克", "批准文号": "示例药制字Z20250002", "所在地区": "990100", "医院制剂申请人单位名称": "安济示例市人民医院"}},
	},
	catalogue.Granules: {
		{Code: "K990000001", Name: "黄芪配方颗粒", Details: details{"规格": "每 1 克配方颗粒相当于饮片 4 克", "中药饮片代码": "T990000001", "中药饮片名称": "黄芪", "生产企业名称": "安济示例药业有限公司"}},
		{Code: "K990000002", Name: "金银花配方颗粒", Details: details{"规格": "每 1 克配方颗粒相当于饮片 5 克", "中药饮片代码": "T990000003", "中药饮片名称": "金银花", "生产企业名称": "安济示例药业有限公司"}},
	},
	catalogue.Consumables: {
		{Code: "C990000001", Name: "一次性使用无菌注射器", Details: details{"规格": "10 毫升", "一次性使用标志": "1", "一次性使用标志名称": "是", "最小使用单位": "支", "生产企业名称": "安济示例器械有限公司"}},
		{Code: "C990000002", Name: "一次性使用输液器", Details: details{"规格": "带针", "一次性使用标志": "1", "一次性使用标志名称": "是", "最小使用单位": "套", "生产企业名称": "安济示例器械有限公司"}},
	},
	catalogue.Diseases: {
		disease("A09.900", "胃肠炎", "1", "A00-B99", "某些传染病和寄生虫病", "A00-A09", "肠道传染病", "其他胃肠炎和结肠炎"),
		disease("C34.900", "支气管或肺恶性肿瘤", "2", "C00-D48", "肿瘤", "C30-C39", "呼吸和胸腔内器官恶性肿瘤", "支气管和肺恶性肿瘤"),
		disease("E11.900", "2型糖尿病不伴有并发症", "4", "E00-E90", "内分泌、营养和代谢疾病", "E10-E14", "糖尿病", "2型糖尿病"),
		disease("I10.x00", "特发性（原发性）高血压", "9", "I00-I99", "循环系统疾病", "I10-I15", "高血压病", "特发性高血压"),
		disease("I21.900", "急性心肌梗死", "9", "I00-I99", "循环系统疾病", "I20-I25", "缺血性心脏病", "急性心肌梗死"),
		disease("I63.900", "脑梗死", "9", "I00-I99", "循环系统疾病", "I60-I69", "脑血管病", "脑梗死"),
		disease("J06.900", "急性上呼吸道感染", "10", "J00-J99", "呼吸系统疾病", "J00-J06", "急性上呼吸道感染", "多部位的急性上呼吸道感染"),
		disease("J18.900", "肺炎", "10", "J00-J99", "呼吸系统疾病", "J09-J18", "流行性感冒和肺炎", "病原体未特指的肺炎"),
		disease("K35.900", "急性阑尾炎", "11", "K00-K93", "消化系统疾病", "K35-K38", "阑尾疾病", "急性阑尾炎"),
		disease("N18.900", "慢性肾脏病", "14", "N00-N99", "泌尿生殖系统疾病", "N17-N19", "肾衰竭", "慢性肾脏病"),
	},
	catalogue.Operations: {
		operation("36.0600x004", "经皮冠状动脉支架植入术", "7", "35-39", "心血管系统手术", "冠状动脉操作"),
		operation("39.9500x007", "血液透析", "7", "35-39", "心血管系统手术", "血管其他操作"),
		operation("47.0100", "腹腔镜下阑尾切除术", "9", "42-54", "消化系统手术", "阑尾切除术"),
		operation("51.2300", "腹腔镜下胆囊切除术", "9", "42-54", "消化系统手术", "胆囊切除术"),
		operation("74.1x01", "子宫下段剖宫产", "13", "72-75", "产科操作", "低位子宫下段剖宫产"),
	},
	catalogue.ChronicDiseases: {
		chronic("M01600", "糖尿病", "内分泌系统疾病"),
		chronic("M03900", "高血压", "循环系统疾病"),
		chronic("M00500", "恶性肿瘤门诊治疗", "肿瘤"),
		chronic("M07800", "慢性肾衰竭血液净化", "泌尿系统疾病"),
		chronic("M08300", "器官移植抗排异治疗", "移植"),
	},
	catalogue.CasePayments: {
		{Code: "D990001", Name: "急性阑尾炎（单纯性）", Details: details{"限定手术操作代码": "47.0100", "限定手术操作名称": "腹腔镜下阑尾切除术"}},
		{Code: "D990002", Name: "子宫下段剖宫产", Details: details{"限定手术操作代码": "74.1x01", "限定手术操作名称": "子宫下段剖宫产"}},
	},
	catalogue.DaySurgeries: {
		{Code: "R990001", Name: "胆囊结石", Details: details{"手术操作代码": "51.2300", "手术操作名称": "腹腔镜下胆囊切除术"}},
		{Code: "R990002", Name: "慢性阑尾炎", Details: details{"手术操作代码": "47.0100", "手术操作名称": "腹腔镜下阑尾切除术"}},
	},
	catalogue.Morphologies: {
		morphology("M80100/3", "癌", "801-804", "上皮肿瘤"),
		morphology("M80700/3", "鳞状细胞癌", "805-808", "鳞状细胞肿瘤"),
		morphology("M81400/3", "腺癌", "814-838", "腺瘤和腺癌"),
	},
	catalogue.TCMDiseases: {
		tcmDisease("A04.01.01", "感冒", "A04.01", "肺系病"),
		tcmDisease("A04.03.01", "胃脘痛", "A04.03", "脾系病"),
		tcmDisease("A07.01.01", "眩晕", "A07.01", "脑系病"),
	},
	catalogue.TCMSyndromes: {
		syndrome("B02.02.01", "风寒束表证", "外感六淫证"),
		syndrome("B02.02.02", "风热犯表证", "外感六淫证"),
		syndrome("B04.05.02", "肝阳上亢证", "脏腑证"),
	},
}

// employ gives every fixed provider departments and staff.
func employ(ctx context.Context, tx *db.Tx, register *enrolment.Register) error {
	directory := provider.NewDirectory(register.Sealer())
	person := 0
	hire := func(p provider.Provider, department, name string, kind provider.StaffKind, letter string) error {
		person++
		return directory.AddStaff(ctx, tx, provider.Staff{
			Provider: p.Code, Code: fmt.Sprintf("%s990100%06d", letter, person), Number: fmt.Sprintf("%04d", person), Name: name, Kind: kind, Department: department,
			CitizenID: withCheckDigit(fmt.Sprintf("9901001980%02d%02d9%02d", 1+person%12, 1+person%28, person%100)),
			Licence:   fmt.Sprintf("99%013d", person), Qualification: fmt.Sprintf("2010%011d", person), Insured: kind == provider.Doctor && p.Designated, From: start,
		})
	}
	for _, p := range Providers {
		departments := []provider.Department{
			{Code: "A03", Name: "内科", Specialty: "A03", Head: "示例内科主任", Beds: 40, InsuredBeds: 40, Scope: "内科常见病、多发病诊疗"},
			{Code: "A04", Name: "外科", Specialty: "A04", Head: "示例外科主任", Beds: 30, InsuredBeds: 30, Scope: "外科常见病、多发病诊疗"},
		}
		if p.Kind == policy.Pharmacy {
			departments = []provider.Department{{Code: "YF", Name: "药房", Specialty: "A99", Head: "示例药房经理", Scope: "处方药和非处方药销售"}}
		}
		for _, d := range departments {
			d.Provider, d.From, d.Established, d.Phone = p.Code, start, start, "0990-5550100"
			if err := directory.AddDepartment(ctx, tx, d); err != nil {
				return err
			}
			if p.Kind == policy.Pharmacy {
				if err := hire(p, d.Code, "示例药师", provider.Pharmacist, "YS"); err != nil {
					return err
				}
				continue
			}
			for _, x := range []struct {
				name   string
				kind   provider.StaffKind
				letter string
			}{{"示例" + d.Name + "医师", provider.Doctor, "D"}, {"示例" + d.Name + "护士", provider.Nurse, "N"}, {"示例" + d.Name + "技师", provider.Technician, "T"}} {
				if err := hire(p, d.Code, x.name, x.kind, x.letter); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
