package his

import (
	"cmp"
	"context"
	"fmt"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/settlement"
)

// reversals are the transactions that take back what was done (撤销、冲正).
var reversals = map[string]operation{
	"2202": {(*Server).cancelVisit, false},
	"2205": {(*Server).withdrawBatch, false},
	"2208": {(*Server).reverse, false},
	"2302": {(*Server).withdrawFees, false},
	"2305": {(*Server).reverse, false},
	"2404": {(*Server).cancelVisit, false},
	"2601": {(*Server).undo, false},
}

// ofStays reports whether the transaction is one of those for stays: 23xx and
// 24xx; 22xx are for outpatients.
func (r *request) ofStays() bool { return r.spec.Number >= "23" }

// ofKind finds the visit of a row and refuses one of the other sort than the
// transaction is for; other is the transaction that is meant.
func (s *Server) ofKind(ctx context.Context, tx *db.Tx, r *request, in *record, other string) (settlement.Visit, error) {
	v, err := s.visit(ctx, tx, r, in)
	if err != nil || stays(v.Kind) == r.ofStays() {
		return v, err
	}
	what := "门诊"
	if stays(v.Kind) {
		what = "住院"
	}
	return v, refuse("就诊ID mdtrt_id“%s”是%s，应以 %s 办理", v.ID, what, other)
}

// cancelVisit is 2202 and 2404: a registration or an admission is cancelled
// (门诊挂号撤销、入院撤销).
func (s *Server) cancelVisit(ctx context.Context, tx *db.Tx, r *request, _ *answer) error {
	in := r.one("data")
	other := "2404"
	if r.ofStays() {
		other = "2202"
	}
	v, err := s.ofKind(ctx, tx, r, in, other)
	if err != nil {
		return err
	}
	return spell(s.Settlement.Cancel(ctx, tx, settlement.CancelRequest{
		Visit: v.ID, Person: v.Person, Provider: r.provider, Number: in.optional("ipt_otp_no"), Actor: r.actor(),
	}))
}

// everything is 收费批次号 or 费用明细流水号 for all that is not settled.
const everything = "0000"

// withdrawBatch is 2205: the unsettled fees of a batch, or all, are taken back
// (门诊费用明细撤销).
func (s *Server) withdrawBatch(ctx context.Context, tx *db.Tx, r *request, _ *answer) error {
	in := r.one("data")
	v, err := s.ofKind(ctx, tx, r, in, "2302")
	if err != nil {
		return err
	}
	q := settlement.WithdrawRequest{Visit: v.ID, Person: v.Person, Provider: r.provider, Batch: in.text("chrg_bchno"), Actor: r.actor()}
	if q.Batch == everything {
		q.Batch = ""
	}
	_, err = s.Settlement.WithdrawFees(ctx, tx, q)
	return spell(err)
}

// withdrawFees is 2302: unsettled fees of a stay are taken back, each by its
// serial or all (住院费用明细撤销). All rows are of one stay.
func (s *Server) withdrawFees(ctx context.Context, tx *db.Tx, r *request, _ *answer) error {
	rows := r.input["data"]
	if len(rows) == 0 {
		return refuse("data 没有要撤销的费用明细")
	}
	v, err := s.ofKind(ctx, tx, r, &rows[0], "2205")
	if err != nil {
		return err
	}
	q := settlement.WithdrawRequest{Visit: v.ID, Person: v.Person, Provider: r.provider, Actor: r.actor()}
	for i := range rows {
		in := &rows[i]
		if err := sameAsFirst(rows, i); err != nil {
			return err
		}
		switch serial := in.text("feedetl_sn"); {
		case serial != everything:
			q.Serials = append(q.Serials, serial)
		case len(rows) > 1:
			return refuse("%sfeedetl_sn“%s”表示全部，不能与其他明细同时撤销", in.place(), everything)
		}
	}
	_, err = s.Settlement.WithdrawFees(ctx, tx, q)
	return spell(err)
}

// sameAsFirst refuses a row of another visit or person than the first.
func sameAsFirst(rows []record, i int) error {
	for _, name := range []string{"mdtrt_id", "psn_no"} {
		if first := rows[0].text(name); rows[i].text(name) != first {
			return refuse("%s%s“%s”与第 1 行“%s”不一致，一次只能是同一人的一次就诊", rows[i].place(), name, clip(rows[i].text(name), 30), clip(first, 30))
		}
	}
	return nil
}

// reverse is 2208 and 2305: a settlement is taken back (结算撤销). The reply has
// the amounts of the settlement, each with the opposite sign.
func (s *Server) reverse(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	other := "2305"
	if r.ofStays() {
		other = "2208"
	}
	v, err := s.ofKind(ctx, tx, r, in, other)
	if err != nil {
		return err
	}
	done, err := s.Settlement.Reverse(ctx, tx, settlement.ReverseRequest{
		Settlement: in.text("setl_id"), Visit: v.ID, Person: v.Person, Provider: r.provider, Actor: r.actor(),
	})
	if err != nil {
		return spell(err)
	}
	r.subject = done.Settlement.ID
	r.tellAdjusted(done)
	out := a.add("setlinfo")
	s.settlementInfo(out, r, in, done.Settlement)
	notes, err := s.notes(ctx, tx, v.ID)
	if err != nil {
		return err
	}
	out.offer("mdtrt_cert_type", notes["mdtrt_cert_type"])
	out.offer("mdtrt_cert_no", notes["mdtrt_cert_no"])
	settlementDetail(a, done.Settlement)
	return nil
}

// tellAdjusted warns of the later settlements that were made again.
func (r *request) tellAdjusted(done *settlement.Reversal) {
	for _, x := range done.Adjusted {
		r.warnings = append(r.warnings, fmt.Sprintf("%s 的结算 %s 已重新计算为 %s：基金支付 %s 变为 %s，个人负担 %s 变为 %s",
			x.New.Provider.Name, x.Old.ID, x.New.ID, x.Old.Result.FundTotal, x.New.Result.FundTotal, x.Old.Result.Person, x.New.Result.Person))
	}
}

// undoable are the transactions that 2601 undoes, and what they made.
var undoable = map[string]string{"2102": "settlement", "2207": "settlement", "2304": "settlement", "2401": "visit"}

// undo is 2601: what a message did is undone (冲正). A message that did nothing
// yet will do nothing when it comes, so that the sender, who does not know
// which of the two happened, is sure of the end.
func (s *Server) undo(ctx context.Context, tx *db.Tx, r *request, _ *answer) error {
	in := r.one("data")
	msgid, infno := in.text("omsgid"), base(in.text("oinfno"))
	made, ok := undoable[infno]
	switch {
	case !ok:
		return refuse("原交易编号 oinfno“%s”：只能冲正 2102、2207、2304、2401", clip(infno, 10))
	case msgid == r.msgid:
		return refuse("原发送方报文ID omsgid“%s”是本报文自己的 msgid", clip(msgid, 64))
	}
	var was, subject string
	var cancelled bool
	err := tx.QueryRow(ctx, `SELECT infno, subject, cancelled FROM his_message WHERE provider = ? AND msgid = ?`, r.provider, msgid).Scan(&was, &subject, &cancelled)
	if err != nil && !db.IsNotFound(err) {
		return err
	}
	known := err == nil
	switch {
	case known && was != infno:
		return refuse("原发送方报文ID omsgid“%s”办理的是 %s，不是 oinfno“%s”", clip(msgid, 64), was, infno)
	case cancelled:
		if subject != "" {
			return s.ofPerson(ctx, tx, in, made, subject)
		}
		return nil // a repeated 2601 is answered as the first was
	case !known:
		if _, done, err := tx.Recall(ctx, scope, r.provider+" "+msgid); err != nil {
			return err
		} else if done {
			return refuse("原发送方报文ID omsgid“%s”办理的不是 oinfno“%s”", clip(msgid, 64), infno)
		}
		r.warnings = append(r.warnings, "没有收到原报文；此后收到也不再办理")
	default:
		if err := s.ofPerson(ctx, tx, in, made, subject); err != nil {
			return err
		}
		if made == "visit" {
			err = s.undoVisit(ctx, tx, r, subject)
		} else {
			err = s.undoSettlement(ctx, tx, r, subject)
		}
		if err != nil {
			return err
		}
	}
	return tx.Exec(ctx, `INSERT INTO his_message (provider, msgid, infno, subject, cancelled) VALUES (?, ?, ?, '', 1)
		ON CONFLICT (provider, msgid) DO UPDATE SET cancelled = 1`, r.provider, msgid, infno)
}

// ofPerson refuses a 2601 whose person is not that of the original message.
func (s *Server) ofPerson(ctx context.Context, tx *db.Tx, in *record, made, subject string) error {
	query := `SELECT person FROM settlement WHERE id = ?`
	if made == "visit" {
		query = `SELECT person FROM visit WHERE id = ?`
	}
	var person string
	if err := tx.QueryRow(ctx, query, subject).Scan(&person); err != nil {
		return err
	}
	if person != in.text("psn_no") {
		return refuse("人员编号 psn_no“%s”与原报文的人员不符", clip(in.text("psn_no"), 30))
	}
	return nil
}

func (s *Server) undoVisit(ctx context.Context, tx *db.Tx, r *request, id string) error {
	v, _, err := s.Settlement.GetVisit(ctx, tx, id)
	if err != nil {
		return err
	}
	if v.Cancelled {
		r.warnings = append(r.warnings, "原入院办理已撤销")
		return nil
	}
	return spell(s.Settlement.Cancel(ctx, tx, settlement.CancelRequest{Visit: id, Person: v.Person, Provider: r.provider, Actor: r.actor()}))
}

func (s *Server) undoSettlement(ctx context.Context, tx *db.Tx, r *request, id string) error {
	standing, ok, err := settlement.Standing(ctx, tx, id)
	if err != nil {
		return err
	}
	if !ok {
		r.warnings = append(r.warnings, "原结算已撤销")
		return nil
	}
	done, err := s.Settlement.Reverse(ctx, tx, settlement.ReverseRequest{Settlement: standing, Provider: r.provider, Actor: r.actor()})
	if err != nil {
		return spell(err)
	}
	r.tellAdjusted(done)
	return nil
}

// lockMessages makes requests of the same msgid wait for each other: twins, and
// a message and the 2601 that undoes it.
func (s *Server) lockMessages(ctx context.Context, tx *db.Tx, r *request) error {
	names := []string{r.msgid}
	if base(r.spec.Number) == "2601" {
		if other := r.one("data").text("omsgid"); other < r.msgid {
			names = []string{other, r.msgid}
		} else {
			names = append(names, other)
		}
	}
	for _, name := range names {
		if err := tx.Lock(ctx, scope+" "+r.provider+" "+name); err != nil {
			return err
		}
	}
	return nil
}

// laterCancelled reads, at the next flush, whether the message was undone.
func laterCancelled(ctx context.Context, tx *db.Tx, cancelled *bool, r *request) error {
	return tx.Later(ctx, func(rows *db.Rows) error { return rows.Scan(cancelled) },
		`SELECT cancelled FROM his_message WHERE provider = ? AND msgid = ?`, r.provider, r.msgid)
}

// keepMessage keeps what the message made.
func keepMessage(ctx context.Context, tx *db.Tx, r *request) error {
	if r.subject == "" {
		return nil
	}
	return tx.Exec(ctx, `INSERT INTO his_message (provider, msgid, infno, subject, cancelled, operator, operator_name) VALUES (?, ?, ?, ?, 0, ?, ?)`,
		r.provider, r.msgid, base(r.spec.Number), r.subject, r.operator, r.operatorName)
}

// A sending is the message that made something, and who sent it (经办人).
type sending struct{ msgid, operator, operatorName string }

// messageOf is the message that made a settlement. One that was made or
// reversed because of another has that of the settlement it concerns; it is
// empty for one that no message made.
func (s *Server) messageOf(ctx context.Context, tx *db.Tx, st *settlement.Settlement) (by sending, err error) {
	for {
		err := tx.QueryRow(ctx, `SELECT msgid, operator, operator_name FROM his_message WHERE subject = ? AND subject <> ''`, st.ID).Scan(&by.msgid, &by.operator, &by.operatorName)
		if !db.IsNotFound(err) {
			return by, err
		}
		of, ok, err := s.Settlement.Get(ctx, tx, cmp.Or(st.Replaces, st.Reverses))
		if err != nil || !ok {
			return by, err
		}
		st = of
	}
}
