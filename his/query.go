package his

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
)

// maxPage bounds 本页数据量 (page_size).
const maxPage = 500

// page is the window of a query's row: page_num from 1, page_size rows each.
func page(in *record) (p catalogue.Page, err error) {
	num, err := pageNumber(in, "page_num", 9999)
	if err != nil {
		return p, err
	}
	size, err := pageNumber(in, "page_size", maxPage)
	return catalogue.Page{Offset: (num - 1) * size, Limit: size}, err
}

func pageNumber(in *record, name string, most int64) (int64, error) {
	n, err := strconv.ParseInt(in.text(name), 10, 64)
	if err != nil || n < 1 || n > most {
		return 0, refuse("%s“%s”：应为 1 至 %d 的整数", in.node.Fields[in.node.byName[name]].at(in), clip(in.text(name), 10), most)
	}
	return n, nil
}

// listTypes are 目录类别 (list_type) of the lists that have one.
var listTypes = map[catalogue.List]string{
	catalogue.WesternDrugs: "101", catalogue.HerbalPieces: "102", catalogue.Preparations: "103", catalogue.Granules: "106",
	catalogue.Services: "201", catalogue.Consumables: "301",
}

// listOf reads 目录类别 (list_type); "" is no list.
func listOf(in *record) (catalogue.List, error) {
	code := in.text("list_type")
	if code == "" {
		return "", nil
	}
	for list, c := range listTypes {
		if c == code {
			return list, nil
		}
	}
	return "", refuse("%s目录类别 list_type“%s”：应为 101 西药中成药、102 中药饮片、103 自制剂、106 中药配方颗粒、201 医疗服务项目或 301 医用耗材", in.place(), clip(code, 10))
}

// nation is the 医保区划 of what holds in every region.
const nation = "100000"

// regionOf is the region of a filter: nil for any.
func regionOf(in *record, name string) *string {
	code := in.text(name)
	if code == "" {
		return nil
	}
	if code == nation {
		code = ""
	}
	return &code
}

func regionText(region string) string {
	if region == "" {
		return nation
	}
	return region
}

// constants are the fields of items for which the catalogue holds no more than
// this: no item is restricted, and all are for treatment and maternity care.
var constants = map[string]string{
	"lmt_used_flag": "0", "med_use_flag": "1", "matn_used_flag": "1", "hilist_use_type": "1", "lmt_cpnd_type": "1",
	"overlmt_dspo_way": "1", "selfpay_prop_type": "10", "tabname": "",
}

// itemFilter reads what the queries of the insurance catalogue ask. none says
// that nothing can be found.
func itemFilter(r *request, in *record) (f catalogue.Filter, p catalogue.Page, none bool, err error) {
	if p, err = page(in); err != nil {
		return f, p, false, err
	}
	for name, value := range constants {
		if asked := in.optional(name); asked != "" && asked != value {
			none = true
		}
	}
	f = catalogue.Filter{
		Code: in.text("hilist_code"), NameHas: in.optional("hilist_name"), Region: regionOf(in, "insu_admdvs"),
		Charge: in.optional("med_chrgitm_type"), On: day(in.text("query_date")), BeginsFrom: day(in.text("begndate")),
		EndsBy: day(in.optional("enddate")), UpdatedSince: day(in.text("updt_time")), Today: r.today(),
		Wubi: in.optional("wubi"), Pinyin: in.optional("pinyin"),
	}
	if code := in.optional("med_list_codg"); code != "" {
		none = none || f.Code != "" && f.Code != code
		f.Code = code
	}
	if in.optional("poolarea_no") != "" {
		pool := regionOf(in, "poolarea_no")
		none = none || f.Region != nil && *f.Region != *pool
		f.Region = pool
	}
	if level := in.optional("chrgitm_lv"); level != "" {
		for class, code := range itemLevels {
			if code == level {
				f.Class = &class
			}
		}
	}
	if v := in.text("vali_flag"); v != "" {
		ended := v == "0"
		f.Ended = &ended
	}
	if _, asks := in.node.byName["list_type"]; asks {
		f.List, err = listOf(in)
	}
	return f, p, none, err
}

// describeItem sets the fields that every row about an item has.
func describeItem(l *line, it *catalogue.Listed, today civil.Date, record string) {
	l.set("hilist_code", it.Code)
	l.set("insu_admdvs", regionText(it.Region))
	l.set("begndate", it.From.String())
	l.set("enddate", dayText(it.To))
	l.set("vali_flag", yesNo(it.To == 0 || it.To >= today))
	l.set("rid", record)
	l.set("updt_time", it.Updated.String())
	l.set("crte_time", it.Updated.String())
	l.set("opt_time", it.Updated.String())
	l.set("poolarea_no", regionText(it.Region))
}

// queryItems is 1312 (医保目录信息查询).
func (s *Server) queryItems(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	f, p, none, err := itemFilter(r, r.one("data"))
	if err != nil || none {
		return err
	}
	return catalogue.Items(ctx, tx, f, p, func(it catalogue.Listed) error {
		l := a.add("data")
		describeItem(l, &it, r.today(), it.Record)
		l.set("hilist_name", it.Name)
		l.set("med_chrgitm_type", it.Charge)
		l.set("chrgitm_lv", itemLevels[it.Class])
		l.set("list_type", listTypes[it.List])
		of, err := it.Attributes()
		if err != nil {
			return err
		}
		l.set("wubi", clip(of.Wubi, 29))
		l.set("pinyin", clip(of.Pinyin, 29))
		l.set("memo", clip(cmp.Or(it.Restriction, of.Note), 499))
		for _, name := range []string{"lmt_used_flag", "med_use_flag", "matn_used_flag", "hilist_use_type", "lmt_cpnd_type"} {
			l.set(name, constants[name])
		}
		return nil
	})
}

// queryMatches is 1316: which entry of the insurance catalogue stands for a
// code of the national lists (医疗目录与医保目录匹配查询). Both have the same codes.
func (s *Server) queryMatches(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	f, p, none, err := itemFilter(r, r.one("data"))
	if err != nil || none {
		return err
	}
	return catalogue.Items(ctx, tx, f, p, func(it catalogue.Listed) error {
		l := a.add("data")
		describeItem(l, &it, r.today(), it.Record)
		l.set("med_list_codg", it.Code)
		l.set("list_type", listTypes[it.List])
		of, err := it.Attributes()
		l.set("memo", clip(of.Note, 499))
		return err
	})
}

// expanded is the page of rows of which every item makes one for each kind.
// The kinds are those asked for, or all.
func expanded(ctx context.Context, tx *db.Tx, f catalogue.Filter, p catalogue.Page, kinds []string, asked string, each func(it *catalogue.Listed, kind string)) error {
	if asked != "" {
		kept := kinds[:0:0]
		for _, k := range kinds {
			if k == asked {
				kept = append(kept, k)
			}
		}
		kinds = kept
	}
	n := int64(len(kinds))
	if n == 0 {
		return nil
	}
	skip, left := p.Offset%n, p.Limit
	return catalogue.Items(ctx, tx, f, catalogue.Page{Offset: p.Offset / n, Limit: (skip + p.Limit + n - 1) / n}, func(it catalogue.Listed) error {
		for _, k := range kinds {
			switch {
			case skip > 0:
				skip--
			case left > 0:
				left--
				each(&it, k)
			}
		}
		return nil
	})
}

// ceilingLevels are 医保目录限价类型 (hilist_lmtpric_type): a ceiling holds for
// providers of every level.
var ceilingLevels = []string{"1", "2", "3"}

// queryCeilings is 1318 (医保目录限价信息查询).
func (s *Server) queryCeilings(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	f, p, none, err := itemFilter(r, in)
	if err != nil || none {
		return err
	}
	f.WithCeiling = true
	asked := in.text("hilist_lmtpric_type")
	if f.Record, asked, none = recordFilter(in.text("rid"), asked); none {
		return nil
	}
	return expanded(ctx, tx, f, p, ceilingLevels, asked, func(it *catalogue.Listed, level string) {
		l := a.add("data")
		describeItem(l, it, r.today(), it.Record+"-"+level)
		l.set("hilist_lmtpric_type", level)
		l.set("overlmt_dspo_way", constants["overlmt_dspo_way"])
		l.money("hilist_pric_uplmt_amt", it.UnitCeiling)
	})
}

// recordFilter reads 唯一记录号 of a row that stands for an item and a kind.
func recordFilter(rid, kind string) (record, asked string, none bool) {
	if rid == "" {
		return "", kind, false
	}
	i := strings.LastIndexByte(rid, '-')
	if i < 0 || kind != "" && rid[i+1:] != kind {
		return "", "", true
	}
	return rid[:i], rid[i+1:], false
}

// firstPayClasses are 医保目录自付比例人员类别 (selfpay_prop_psn_type): an item's
// first own pay is the same for employees and residents.
var firstPayClasses = []string{"310", "390"}

// queryFirstPays is 1319 (医保目录先自付比例信息查询). Where the catalogue leaves
// the first own pay to the region's package, it has no row.
func (s *Server) queryFirstPays(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	f, p, none, err := itemFilter(r, in)
	if err != nil || none {
		return err
	}
	f.WithFirstPay = true
	asked := in.text("selfpay_prop_psn_type")
	if f.Record, asked, none = recordFilter(in.text("rid"), asked); none {
		return nil
	}
	return expanded(ctx, tx, f, p, firstPayClasses, asked, func(it *catalogue.Listed, class string) {
		l := a.add("data")
		describeItem(l, it, r.today(), it.Record+"-"+class)
		l.set("selfpay_prop_psn_type", class)
		l.set("selfpay_prop_type", constants["selfpay_prop_type"])
		share := it.FirstPay
		if it.Class == policy.ClassC {
			share = money.One
		}
		l.set("selfpay_prop", share.String())
	})
}

// queryDictionary is 1901 (字典表查询). The dictionaries have no levels.
func (s *Server) queryDictionary(_ context.Context, _ *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	asked := in.text("type")
	d := s.spec.Dictionary(asked)
	for _, x := range s.spec.Dictionaries {
		if d == nil && strings.EqualFold(x.Name, asked) {
			d = x
		}
	}
	if d == nil {
		return refuse("字典类型 type“%s”：没有这个字典；字典以字段命名，如 med_type、insutype", clip(printable(asked), 30))
	}
	if parent := in.text("parent_value"); in.text("Vali_Flag") == "0" || parent != "" && !strings.EqualFold(parent, d.Name) {
		return nil
	}
	for i, c := range d.Codes {
		l := a.add("list")
		l.set("type", d.Name)
		l.set("label", clip(c.Label, 49))
		l.set("value", c.Code)
		l.set("sort", strconv.Itoa(i+1))
		l.set("valiFlag", "1")
		l.set("version", dictionaryVersion)
	}
	return nil
}

// dictionaryVersion grows when spec/dictionaries.tsv changes.
const dictionaryVersion = "1"

// providerTypes are 定点医疗服务机构类型 (fixmedins_type).
var providerTypes = map[policy.ProviderKind]string{policy.Hospital: "1", policy.Pharmacy: "2"}

// findProvider is 1201 (医药机构信息获取).
func (s *Server) findProvider(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("medinsinfo")
	code, name, kind := in.text("fixmedins_code"), in.text("fixmedins_name"), in.text("fixmedins_type")
	var found []provider.Provider
	switch {
	case code != "":
		p, ok, err := provider.Get(ctx, tx, code)
		if err != nil {
			return err
		}
		if ok && (name == "" || name == p.Name) {
			found = append(found, p)
		}
	case name != "":
		var err error
		if found, err = provider.Named(ctx, tx, name, 2); err != nil {
			return err
		}
	default:
		return refuse("medinsinfo 的 fixmedins_code（定点医药机构编号）与 fixmedins_name（定点医药机构名称）至少填一项")
	}
	switch {
	case len(found) == 0:
		return refuse("没有编号为“%s”、名称为“%s”的定点医药机构", clip(code, 12), clip(name, 40))
	case len(found) > 1:
		return refuse("名称为“%s”的机构不止一个，请填 fixmedins_code（定点医药机构编号）", clip(name, 40))
	case providerTypes[found[0].Kind] != kind:
		return refuse("机构 %s 不是 fixmedins_type“%s”类型，应为 %s", found[0].Code, kind, providerTypes[found[0].Kind])
	}
	p := found[0].On(r.today())
	l := a.add("medinsinfo")
	l.set("fixmedins_code", p.Code)
	l.set("fixmedins_name", p.Name)
	l.set("uscc", p.CreditCode)
	l.set("fixmedins_type", kind)
	if p.Kind == policy.Hospital {
		l.set("hosp_lv", withoutGrade[p.Level])
	}
	return nil
}
