package his

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/provider"
)

// today is the day of the request in the country's time.
func (r *request) today() civil.Date { return civil.Of(r.received.In(zone)) }

// clock is the time of the request as the interface writes it.
func (r *request) clock() string { return r.received.In(zone).Format(clockLayout) }

// signIn is 9001: an operator begins the day (签到).
func (s *Server) signIn(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("signIn")
	b := make([]byte, 15)
	rand.Read(b)
	signNo := hex.EncodeToString(b)
	err := tx.Exec(ctx, `INSERT INTO sign_in (sign_no, provider, operator, at, day, ended, mac, ip) VALUES (?, ?, ?, ?, ?, 0, ?, ?)`,
		signNo, r.provider, in.text("opter_no"), r.clock(), int(r.today()), in.text("mac"), in.text("ip"))
	if err != nil {
		return err
	}
	out := a.add("signinoutb")
	out.set("sign_time", r.clock())
	out.set("sign_no", signNo)
	return nil
}

// signOut is 9002: the end of a sign-in of the same day (签退).
func (s *Server) signOut(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("signOut")
	var known standing
	if err := errors.Join(known.read(ctx, tx, r, in.text("sign_no")), tx.Flush(ctx)); err != nil {
		return err
	}
	if err := known.signedIn(r, in.text("sign_no")); err != nil {
		return err
	}
	n, err := tx.ExecCount(ctx, `UPDATE sign_in SET ended = 1 WHERE sign_no = ? AND operator = ?`, in.text("sign_no"), in.text("opter_no"))
	if err != nil {
		return err
	}
	if n == 0 {
		return refuse("签到编号 sign_no“%s”不是操作员 opter_no“%s”的，请由签到的操作员签退", in.text("sign_no"), in.text("opter_no"))
	}
	// Provinces differ in the name of the node.
	a.add("sign_time").set("sign_time", r.clock())
	a.add("signoutoutb").set("sign_time", r.clock())
	return nil
}

// A standing is what the store holds on the sender of a request.
type standing struct{ signs []signIn }

// A signIn is one sign-in of an operator.
type signIn struct {
	day   civil.Date
	ended bool
}

// expect reads what check needs, together with what else is read.
func (a *standing) expect(ctx context.Context, tx *db.Tx, r *request) error {
	if err := provider.Expect(ctx, tx, r.provider); err != nil {
		return err
	}
	switch base(r.spec.Number) {
	case "9001", "9002":
		return nil
	}
	return a.read(ctx, tx, r, r.signNo)
}

// read reads the sign-in of the number or, without one, whether the operator
// signed in today.
func (a *standing) read(ctx context.Context, tx *db.Tx, r *request, signNo string) error {
	a.signs = nil
	scan := func(rows *db.Rows) error {
		var s signIn
		err := rows.Scan(&s.day, &s.ended)
		a.signs = append(a.signs, s)
		return err
	}
	if signNo != "" {
		return tx.Later(ctx, scan, `SELECT day, ended FROM sign_in WHERE sign_no = ? AND provider = ?`, signNo, r.provider)
	}
	return tx.Later(ctx, scan, `SELECT day, ended FROM sign_in WHERE provider = ? AND operator = ? AND day = ? AND ended = 0 LIMIT 1`, r.provider, r.operator, int(r.today()))
}

// signedIn refuses a sign-in number that this provider did not get today, or
// that has ended.
func (a *standing) signedIn(r *request, signNo string) error {
	switch {
	case len(a.signs) == 0:
		return refuse("签到编号 sign_no“%s”不是本机构的签到编号，请先调用 9001 签到", clip(signNo, 30))
	case a.signs[0].ended:
		return refuse("签到编号 sign_no“%s”已签退，请重新调用 9001 签到", signNo)
	case a.signs[0].day != r.today():
		return refuse("签到编号 sign_no“%s”是 %s 的，当日有效，请重新调用 9001 签到", signNo, a.signs[0].day)
	}
	return nil
}

// check refuses a request whose sender may not ask: an unknown provider,
// another region than the provider's, or no sign-in. Without a sign-in number
// the operator must have signed in today.
func (a *standing) check(ctx context.Context, tx *db.Tx, r *request) error {
	if err := knownProvider(ctx, tx, r); err != nil {
		return err
	}
	switch base(r.spec.Number) {
	case "9001", "9002":
		return nil
	}
	if r.signNo != "" {
		return a.signedIn(r, r.signNo)
	}
	if len(a.signs) == 0 {
		return refuse("操作员 opter“%s”今日尚未签到，请先调用 9001 签到", clip(r.operator, 30))
	}
	return nil
}
