package his

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/clearing"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/exchange"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
)

// clearings are the transactions of reconciliation and clearing (对账清算).
var clearings = map[string]operation{
	"3201": {(*Server).reconcileTotals, false},
	"3202": {(*Server).reconcileDetails, false},
	"3203": {(*Server).applyForClearing, false},
}

// figure is a field of a row that states a figure.
type figure struct {
	field  string
	figure clearing.Figure
}

// stated reads the figures of a row.
func stated(in *record, figures ...figure) ([]clearing.Amount, error) {
	out := make([]clearing.Amount, len(figures))
	for i, f := range figures {
		out[i].Figure = f.figure
		if f.figure == clearing.Count || f.figure == clearing.Visits {
			n, err := strconv.ParseInt(in.text(f.field), 10, 64)
			if err != nil {
				panic("his: number " + in.text(f.field) + " was not checked")
			}
			out[i].Value = n
			continue
		}
		a, err := in.amount(f.field)
		if err != nil {
			return nil, err
		}
		out[i].Value = int64(a)
	}
	return out, nil
}

// reconcileTotals is 3201: the totals that a provider states are held against
// the ledger (对总账).
func (s *Server) reconcileTotals(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	scope, err := s.scope(ctx, tx, r, in)
	if err != nil {
		return err
	}
	sch, err := scheme(in.text("insutype"))
	if err != nil {
		return err
	}
	scope.Schemes = []policy.Scheme{sch}
	if scope.Side, err = side(in); err != nil {
		return err
	}
	ours, err := clearing.Sum(ctx, tx, scope)
	if err != nil {
		return err
	}
	theirs, err := stated(in, figure{"medfee_sumamt", clearing.Total}, figure{"fund_pay_sumamt", clearing.Fund},
		figure{"acct_pay", clearing.Account}, figure{"fixmedins_setl_cnt", clearing.Count})
	if err != nil {
		return err
	}
	out := a.add("stmtinfo")
	out.set("setl_optins", in.text("setl_optins"))
	gaps := ours.Gaps(theirs...)
	out.set("stmt_rslt", agreement(len(gaps) == 0))
	says := "平：结算 " + strconv.Itoa(ours.Count) + " 笔，医疗费总额 " + ours.Total.String()
	if len(gaps) > 0 {
		texts := gapTexts(gaps)
		if only := sideWords[scope.Side]; only != "" {
			texts = append(texts, "；"+only)
		}
		says = fit("", texts, maxMessage)
	}
	out.set("stmt_rslt_dscr", says)
	return clearing.Keep(ctx, tx, clearing.Reconciled{Provider: r.provider, Period: scope.Period, Scope: scope.Words(), At: r.received, Actor: r.actor(),
		Stated: len(theirs), Differ: len(gaps), Says: says})
}

// side reads which settlements are reconciled (退费结算标志): 0 asks for those
// that take nothing back, 1 for reversals, nothing for both. Provinces name the
// field in two ways, of which a message may use both.
func side(in *record) (clearing.Side, error) {
	stated := ""
	for _, name := range []string{"refd_setl_flag", "fixmedins_refd_setl_flag"} {
		mark := in.text(name)
		switch {
		case mark == "":
		case mark != reversalFlag(false) && mark != reversalFlag(true):
			return 0, refuse("退费结算标志 %s“%s”：应为 0 否、1 是", name, clip(printable(mark), 6))
		case stated != "" && mark != stated:
			return 0, refuse("退费结算标志 %s“%s”与 refd_setl_flag“%s”不一致", name, mark, stated)
		default:
			stated = mark
		}
	}
	switch stated {
	case reversalFlag(false):
		return clearing.Settlements, nil
	case reversalFlag(true):
		return clearing.Reversals, nil
	}
	return clearing.Both, nil
}

// sideWords say that one side only is reconciled.
var sideWords = map[clearing.Side]string{clearing.Settlements: "只计非退费结算", clearing.Reversals: "只计退费结算"}

// gapTexts are the words of gaps, to be fitted into a message.
func gapTexts(gaps []clearing.Gap) []string {
	texts := make([]string, len(gaps))
	for i, g := range gaps {
		texts[i] = g.String()
		if i > 0 {
			texts[i] = "；" + texts[i]
		}
	}
	return texts
}

// scope reads which settlements a reconciliation is about.
func (s *Server) scope(ctx context.Context, tx *db.Tx, r *request, in *record) (c clearing.Scope, err error) {
	c.Provider = r.provider
	c.From, c.To = day(in.text("stmt_begndate")), day(in.text("stmt_enddate"))
	if c.From > c.To {
		return c, refuse("对账结束日期 stmt_enddate“%s”早于对账开始日期 stmt_begndate“%s”", c.To, c.From)
	}
	if limit := c.From.AddMonths(12); c.To >= limit {
		return c, refuse("对账结束日期 stmt_enddate“%s”：一次对账不超过一年，应早于 %s", c.To, limit)
	}
	if code := in.text("clr_type"); code != "" {
		if c.Kinds, err = s.clearingKinds(code); err != nil {
			return c, err
		}
	}
	p, _, err := provider.Get(ctx, tx, r.provider)
	if err != nil {
		return c, err
	}
	if agency := in.text("setl_optins"); !ident.Region(pad(agency)).Within(ident.Region(p.Region)) {
		return c, refuse("结算经办机构 setl_optins“%s”：本机构的结算都由 %s 清算（见结算返回的 clr_optins）", clip(agency, 10), p.Region)
	}
	return c, nil
}

// clearingKinds are the kinds of care that are cleared as 清算类别 (clr_type).
func (s *Server) clearingKinds(code string) ([]policy.VisitKind, error) {
	var out []policy.VisitKind
	for kind, c := range clearingTypes {
		if c == code {
			out = append(out, kind)
		}
	}
	slices.Sort(out)
	if out == nil {
		label, _ := s.spec.Dictionary("clr_type").Label(code)
		used := slices.Compact(slices.Sorted(maps.Values(clearingTypes)))
		return nil, refuse("清算类别 clr_type“%s %s”：本平台的结算没有这一类别，应为结算返回的 %s", code, label, strings.Join(used, "、"))
	}
	return out, nil
}

// reconcileDetails is 3202: the provider's own list of settlements, uploaded
// as a file, is held against the ledger row by row (对明细账). The list holds
// reversals as rows of their own (退费须传正反两条): where it has rows of both
// sides, both are reconciled, whichever the request asks for. What is found is a
// file for 9102.
func (s *Server) reconcileDetails(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	scope, err := s.scope(ctx, tx, r, in)
	if err != nil {
		return err
	}
	theirs, err := stated(in, figure{"medfee_sumamt", clearing.Total}, figure{"fund_pay_sumamt", clearing.Fund},
		figure{"cash_payamt", clearing.Cash}, figure{"fixmedins_setl_cnt", clearing.Count})
	if err != nil {
		return err
	}
	file, err := s.fileOf(ctx, tx, r, in.text("file_qury_no"))
	if err != nil {
		return err
	}
	if file.Size > maxStatement {
		return refuse("文件查询号 file_qury_no“%s”：对账文件超过 %d 字节，请分期间对账", file.Number, int64(maxStatement))
	}
	data, err := io.ReadAll(s.files.Open(ctx, file, func(_ context.Context, f func(*db.Tx) error) error { return f(tx) }))
	if err != nil {
		return err
	}
	lines, warnings, err := readStatement(r.spec.InFile, data)
	if err != nil {
		return err
	}
	if scope.Side, err = side(in); err != nil {
		return err
	}
	if asked := scope.Side; asked != clearing.Both {
		summary := sideWords[asked]
		if slices.ContainsFunc(lines, func(l clearing.Line) bool { return l.Side() != asked }) {
			scope.Side, summary = clearing.Both, "明细与退费结算标志 refd_setl_flag 不符，已按正常结算与退费一并对账"
		}
		warnings = append([]string{summary}, warnings...)
	}
	found, ours, err := clearing.Reconcile(ctx, tx, scope, lines)
	if err != nil {
		return err
	}
	messages, err := messagesOf(ctx, tx, r.provider, scope.Period)
	if err != nil {
		return err
	}
	name := "3202_" + strings.ReplaceAll(scope.From.String()+"_"+scope.To.String(), "-", "")
	result, err := writeFindings(r.spec.OutFile, name+".txt", found, messages)
	if err != nil {
		return err
	}
	name += ".zip"
	kept, err := s.files.Put(ctx, tx, exchange.File{Owner: r.provider, Name: name, At: r.received.In(zone), Expires: r.today().AddDays(keepUpload)}, bytes.NewReader(result), r.actor())
	if err != nil {
		return err
	}
	out := a.add("fileinfo")
	out.set("file_qury_no", kept.Number)
	out.set("filename", name)
	out.set("dld_endtime", lastMoment(kept))
	summary, differ := summarise(found)
	r.warnings = append([]string{summary}, r.warnings...)
	for _, g := range ours.Gaps(theirs...) {
		r.warnings = append(r.warnings, g.String())
	}
	r.warnings = append(r.warnings, warnings...)
	if err := clearing.Keep(ctx, tx, clearing.Reconciled{Provider: r.provider, Period: scope.Period, Details: true, Scope: scope.Words(), At: r.received, Actor: r.actor(),
		Stated: len(lines), Differ: differ, Says: summary, File: kept.Number}); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Record{At: r.received, Actor: r.actor(), Action: "reconcile", Subject: kept.Number, Details: map[string]any{
		"provider": r.provider, "from": scope.From, "to": scope.To, "stated": len(lines), "differ": differ,
	}})
}

// summarise counts the rows by what was found, in words.
func summarise(found []clearing.Finding) (words string, differ int) {
	counts := map[clearing.DifferenceKind]int{}
	for i := range found {
		kinds := map[clearing.DifferenceKind]bool{}
		for _, d := range found[i].Differences {
			kinds[d.Kind] = true
		}
		for k := range kinds {
			counts[k]++
		}
		if len(kinds) > 0 {
			differ++
		}
	}
	words = fmt.Sprintf("明细 %d 笔：平 %d，不平 %d", len(found), len(found)-differ, differ)
	for i, k := range slices.Sorted(maps.Keys(counts)) {
		words += []string{"；其中", "、"}[min(i, 1)] + k.Title() + " " + strconv.Itoa(counts[k])
	}
	return words, differ
}

// applyForClearing is 3203: a provider applies to be paid for a month (清算申请).
func (s *Server) applyForClearing(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	kinds, err := s.clearingKinds(in.text("clr_type"))
	if err != nil {
		return err
	}
	if way := in.text("clr_way"); way != "" && way != clearingWay {
		label, _ := s.spec.Dictionary("clr_way").Label(way)
		return refuse("清算方式 clr_way“%s %s”：本平台的结算均为 1 按项目", way, label)
	}
	first, err := civil.Parse(monthStart(in.text("setlym")))
	if err != nil {
		return refuse("清算年月 setlym“%s”：应为六位年月，如 202601", clip(printable(in.text("setlym")), 10))
	}
	month := clearing.MonthOf(first)
	if whole := month.Period(); day(in.text("begndate")) != whole.From || day(in.text("enddate")) != whole.To {
		return refuse("开始日期 begndate“%s”、结束日期 enddate“%s”：应为清算年月 %s 的整月，%s 至 %s",
			in.text("begndate"), in.text("enddate"), month, whole.From, whole.To)
	}
	theirs, err := stated(in, figure{"psntime", clearing.Visits}, figure{"medfee_sumamt", clearing.Total}, figure{"med_sumfee", clearing.InScope},
		figure{"fund_appy_sum", clearing.Fund}, figure{"cash_payamt", clearing.Cash}, figure{"acct_pay", clearing.Account})
	if err != nil {
		return err
	}
	filed, err := clearing.Apply(ctx, tx, clearing.ApplyRequest{Provider: r.provider, Month: month, Kinds: kinds, Stated: theirs, At: r.received, Actor: r.actor()})
	var gaps *clearing.Disagreement
	if errors.As(err, &gaps) {
		return refuse("%s", fit("申报与结算不符：", gapTexts(gaps.Gaps), maxMessage))
	}
	if err != nil {
		return spell(err)
	}
	a.add("result").set("clr_appy_evt_id", filed.ID)
	return nil
}

// monthStart is the first day of a month written as 202601, as a text to be
// parsed.
func monthStart(month string) string {
	if len(month) != 6 {
		return ""
	}
	return month[:4] + "-" + month[4:] + "-01"
}

// messagesOf are the numbers of the messages that made the settlements of a
// period.
func messagesOf(ctx context.Context, tx *db.Tx, provider string, p clearing.Period) (map[string]string, error) {
	out := map[string]string{}
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var id, msgid string
		err := rows.Scan(&id, &msgid)
		out[id] = msgid
		return err
	}, `SELECT m.subject, m.msgid FROM settlement s JOIN his_message m ON m.subject = s.id AND m.subject <> '' WHERE s.provider = ? AND s.at >= ? AND s.at < ?`,
		provider, p.From.AddDays(-1).String(), p.To.AddDays(2).String())
	return out, err
}
