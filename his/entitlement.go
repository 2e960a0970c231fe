package his

import (
	"context"
	"strconv"
	"strings"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/settlement"
)

// benefits are the queries about a person's benefits.
var benefits = map[string]operation{
	"2001": {(*Server).entitlements, true},
	"5205": {(*Server).medicines, true},
	"5206": {(*Server).yearSums, true},
}

// fundCheck is 待遇检查类型 (trt_chk_type): each row is about one fund.
const fundCheck = "01"

// entitlements is 2001: whether funds would pay for care (人员待遇享受检查).
func (s *Server) entitlements(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	p, err := s.holder(ctx, tx, r, in)
	if err != nil {
		return err
	}
	if _, _, err := spanOf(in); err != nil {
		return err
	}
	sch, err := scheme(in.text("insutype"))
	if err != nil {
		return err
	}
	kind, err := s.visitKind(in.text("med_type"))
	if err != nil {
		return err
	}
	e, err := s.Settlement.Entitlements(ctx, tx, settlement.EntitlementRequest{
		Person: p.ID, Provider: in.text("fixmedins_code"), Scheme: sch, Kind: kind, At: moment(in.text("begntime")),
		Disease: in.text("dise_codg"), DiseaseName: in.text("dise_name"),
	})
	if err != nil {
		return spell(err)
	}
	for _, f := range e.Funds {
		row := a.add("trtinfo")
		row.set("psn_no", p.ID)
		row.set("trt_chk_type", fundCheck)
		row.set("fund_pay_type", f.Fund.Code)
		row.set("trt_enjymnt_flag", "0")
		if f.Due {
			row.set("trt_enjymnt_flag", "1")
		}
		row.set("begndate", e.From.String())
		row.set("enddate", dateText(e.To))
		reason := f.Reason
		if !f.Due {
			for _, x := range e.Do {
				reason += "；" + x.What
			}
		}
		row.set("trt_chk_rslt", clip(reason, 499))
	}
	return nil
}

// yearSums is 5206: a person's sums of the benefit year (人员累计信息).
//
// Sums are kept by benefit year, so that cum_ym in the request chooses the
// years that hold the end of the month, and in the reply says up to which
// month they count. The interface publishes no list of 累计类别代码
// (cum_type_code): it is made from the accumulator's name in the region's
// package (see sumCode), and cum_type_name gives its title.
func (s *Server) yearSums(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	p, err := s.holder(ctx, tx, r, in)
	if err != nil {
		return err
	}
	today := r.today()
	on := today
	if ym := in.text("cum_ym"); ym != "" {
		first, err := civil.Parse(ym[:min(4, len(ym))] + "-" + ym[min(4, len(ym)):] + "-01")
		if err != nil {
			return refuse("累计年月 cum_ym“%s”：应为年月 yyyyMM，如 %s", clip(ym, 10), yearMonth(today))
		}
		on = first.AddMonths(1).AddDays(-1)
	}
	sums, err := s.Settlement.YearSums(ctx, tx, p.ID, on)
	for _, y := range sums {
		row := a.add("cuminfo")
		row.set("insutype", insutype(y.Scheme))
		row.set("year", strconv.Itoa(y.Year.Year()))
		row.set("cum_ym", yearMonth(min(today, y.Year.AddMonths(12).AddDays(-1))))
		row.set("cum_type_code", sumCode(y.Name))
		row.set("cum_type_name", y.Title)
		row.money("cum", y.Amount)
	}
	return err
}

// yearMonth writes the month of a day as yyyyMM.
func yearMonth(d civil.Date) string { return strconv.Itoa(int(d) / 100) }

// sumCode is an accumulator's name as a code of at most ten characters: a
// longer name keeps four letters of each of its words, such as outp_fund for
// outpatient_fund.
func sumCode(name string) string {
	const most, letters = 10, 4
	if len(name) <= most {
		return name
	}
	words := strings.Split(name, "_")
	for i, w := range words {
		words[i] = w[:min(letters, len(w))]
	}
	short := strings.Join(words, "_")
	return short[:min(most, len(short))]
}

// maxMedicines bounds one reply to 5205.
const maxMedicines = 5000

// notKnown is what a required text of a reply says for what the catalogue does
// not hold, such as the package size of a drug (规格).
const notKnown = "不详"

// medicines is 5205: the medicines settled for a person's chronic and special
// diseases (慢特病用药记录).
func (s *Server) medicines(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	p, err := s.holder(ctx, tx, r, in)
	if err != nil {
		return err
	}
	from, to, err := spanOf(in)
	if err != nil {
		return err
	}
	all, err := s.Settlement.Medicines(ctx, tx, p.ID, from, to, maxMedicines+1)
	if err != nil {
		return err
	}
	if len(all) > maxMedicines {
		return refuse("这段时间的用药记录超过 %d 条，请缩短 begntime 至 endtime 的期间", maxMedicines)
	}
	for _, m := range all {
		row := a.add("feedetail")
		row.set("feedetl_sn", m.Serial)
		row.set("fixmedins_code", m.Provider.Code)
		row.set("fixmedins_name", m.Provider.Name)
		row.set("psn_no", p.ID)
		row.set("med_type", m.Code)
		row.set("fee_ocur_time", m.Time.In(zone).Format(clockLayout))
		row.set("cnt", m.Quantity.String())
		row.set("pric", unitPrice(m.Price))
		row.set("chrgitm_lv", itemLevels[m.Catalogue.Class])
		row.set("hilist_code", m.Item)
		row.set("hilist_name", m.Catalogue.Name)
		row.set("list_type", listTypes[m.Catalogue.List])
		row.set("med_list_codg", m.Item)
		row.set("medins_list_codg", m.ProviderItem)
		row.set("medins_list_name", m.Catalogue.Name)
		row.set("med_chrgitm_type", m.Catalogue.Charge)
		row.set("spec", notKnown)
		describeDetail(row, &m.Detail)
		if err := describeEntry(row, &m.Catalogue); err != nil {
			return err
		}
		row.set("lmt_used_flag", notRestricted)
	}
	return nil
}

// unitPrice writes a price in 10^-6 yuan.
func unitPrice(p int64) string {
	s := strconv.FormatInt(1_000_000+p%1_000_000, 10)[1:]
	return strings.TrimSuffix(strconv.FormatInt(p/1_000_000, 10)+"."+strings.TrimRight(s, "0"), ".")
}
