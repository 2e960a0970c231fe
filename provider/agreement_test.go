package provider

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/policy"
)

// bureau decides on agreements over a store, with a clock.
type bureau struct {
	*testing.T
	*Agreements
	db *db.DB
	at time.Time
}

func newBureau(t *testing.T) *bureau {
	t.Helper()
	b := &bureau{T: t, db: dbtest.Open(t), at: time.Date(2025, 6, 20, 2, 0, 0, 0, time.UTC)}
	b.Agreements = NewAgreements(func() time.Time { return b.at })
	if err := b.do(func(ctx context.Context, tx *db.Tx) error {
		for _, p := range []Provider{
			{Code: "H99010000101", Name: "甲医院", Region: "990100", Level: policy.Level2, Designated: true},
			{Code: "H99010000501", Name: "丙诊所", Region: "990100", Level: policy.Level1},
			{Code: "P99010000401", Name: "乙药房", Region: "990200", Kind: policy.Pharmacy, Designated: true},
		} {
			if err := Add(ctx, tx, p); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bureau) do(f func(context.Context, *db.Tx) error) error {
	ctx := context.Background()
	return b.db.Update(ctx, func(tx *db.Tx) error { return f(ctx, tx) })
}

// propose lets one propose.
func (b *bureau) propose(q Proposal) (id string, err error) {
	if q.Reason == "" {
		q.Reason = "按协议约定办理"
	}
	err = b.do(func(ctx context.Context, tx *db.Tx) error {
		x, err := b.Propose(ctx, tx, q, "甲")
		if err == nil {
			id = x.ID
		}
		return err
	})
	return id, err
}

// agree lets one propose and another approve.
func (b *bureau) agree(q Proposal) {
	b.Helper()
	id, err := b.propose(q)
	if err == nil {
		err = b.do(func(ctx context.Context, tx *db.Tx) error { _, err := b.Approve(ctx, tx, id, "乙"); return err })
	}
	if err != nil {
		b.Fatalf("%s of %s: %v", q.Kind, q.Provider, err)
	}
}

func (b *bureau) on(code string, days map[civil.Date]string) {
	b.Helper()
	if err := b.do(func(ctx context.Context, tx *db.Tx) error {
		p, _, err := Get(ctx, tx, code)
		for day, want := range days {
			got := string(p.Term(day).Standing) + " " + p.On(day).Level.String()
			if got != want || p.On(day).Designated != strings.HasPrefix(want, "designated") {
				b.Errorf("%s on %s: %s, want %s", code, day, got, want)
			}
		}
		return err
	}); err != nil {
		b.Fatal(err)
	}
}

// TestAgreements lets agreements be made, suspended, renewed and ended, and says
// how the provider stands on the days around.
func TestAgreements(t *testing.T) {
	b := newBureau(t)
	const hospital, clinic = "H99010000101", "H99010000501"
	b.on(hospital, map[civil.Date]string{20200101: "designated 2", 20300101: "designated 2"})
	b.agree(Proposal{Provider: hospital, Kind: Suspend, From: 20250701, To: 20250731})
	b.agree(Proposal{Provider: hospital, Kind: Relevel, From: 20250715, Level: policy.Level3})
	b.agree(Proposal{Provider: hospital, Kind: Renew, From: 20250901, To: 20251231})
	b.on(hospital, map[civil.Date]string{20250630: "designated 2", 20250701: "suspended 2", 20250715: "suspended 3", 20250731: "suspended 3",
		20250801: "designated 3", 20251231: "designated 3", 20260101: "expired 3"})
	b.agree(Proposal{Provider: hospital, Kind: Terminate, From: 20251001})
	b.on(hospital, map[civil.Date]string{20250930: "designated 3", 20251001: "terminated 3", 20260101: "terminated 3"})

	b.on(clinic, map[civil.Date]string{20250620: "none 1"})
	b.agree(Proposal{Provider: clinic, Kind: Designate, From: 20250701, To: 20260630})
	b.agree(Proposal{Provider: clinic, Kind: Suspend, From: 20250801, To: 20250831})
	b.agree(Proposal{Provider: clinic, Kind: Terminate, From: 20250810})
	b.on(clinic, map[civil.Date]string{20250630: "none 1", 20250701: "designated 1", 20250801: "suspended 1", 20250810: "terminated 1", 20250901: "terminated 1"})
	b.agree(Proposal{Provider: clinic, Kind: Designate, From: 20251001, To: 20251031})
	b.on(clinic, map[civil.Date]string{20250930: "terminated 1", 20251001: "designated 1", 20251101: "expired 1"})

	const fresh = "P99010000999"
	b.agree(Proposal{Provider: fresh, Kind: Register, From: 20250701, New: Provider{Code: fresh, Name: "新药房", Region: "990100", Kind: policy.Pharmacy, Private: true}})
	b.on(fresh, map[civil.Date]string{20250630: "none primary", 20250701: "designated primary"})
	if err := b.do(func(ctx context.Context, tx *db.Tx) error {
		for _, x := range []struct {
			f    Filter
			want string
		}{
			{Filter{}, "H99010000101 H99010000501 P99010000401 P99010000999"},
			{Filter{Region: "990200"}, "P99010000401"},
			{Filter{Query: "诊所"}, "H99010000501"},
			{Filter{Query: "0000401"}, "P99010000401"},
			{Filter{On: 20250715, Of: Designated}, "H99010000501 P99010000401 P99010000999"},
			{Filter{On: 20250715, Of: Suspended}, "H99010000101"},
			{Filter{On: 20250620, Of: Without}, "H99010000501 P99010000999"},
		} {
			all, err := List(ctx, tx, x.f)
			if err != nil {
				return err
			}
			var codes []string
			for _, p := range all {
				codes = append(codes, p.Code)
			}
			if got := strings.Join(codes, " "); got != x.want {
				t.Errorf("%+v: %s, want %s", x.f, got, x.want)
			}
		}
		return audit.Verify(ctx, tx)
	}); err != nil {
		t.Error(err)
	}
	if err := b.do(func(ctx context.Context, tx *db.Tx) error {
		return tx.Exec(ctx, `UPDATE agreement_change SET from_day = 1`)
	}); err == nil {
		t.Error("what was decided is changed")
	}
}

// TestRefusals: what does not fit is refused, and says what is allowed; nobody
// decides what they proposed.
func TestRefusals(t *testing.T) {
	b := newBureau(t)
	const hospital, clinic, pharmacy = "H99010000101", "H99010000501", "P99010000401"
	for _, x := range []struct {
		q    Proposal
		want string
	}{
		{Proposal{Provider: hospital, Kind: Suspend, From: 20250620}, "应为明天（2025-06-21）起一年以内"},
		{Proposal{Provider: hospital, Kind: Suspend, From: 20260701}, "一年以内"},
		{Proposal{Provider: hospital, Kind: Suspend, From: 20250701, To: 20250630}, "不能早于开始日期"},
		{Proposal{Provider: hospital, Kind: Suspend, From: 20250701, Reason: "无"}, "请写明事由"},
		{Proposal{Provider: hospital, Kind: Designate, From: 20250701, To: 20260630}, "已有协议"},
		{Proposal{Provider: hospital, Kind: Resume, From: 20250701}, "没有中止"},
		{Proposal{Provider: hospital, Kind: Relevel, From: 20250701, Level: policy.Level2}, "与现在的等级相同"},
		{Proposal{Provider: hospital, Kind: Renew, From: 20250701}, "请写明新协议的最后一天"},
		{Proposal{Provider: hospital, Kind: Renew, From: 20250701, To: 20400101}, "不能超过 10 年"},
		{Proposal{Provider: hospital, Kind: "x", From: 20250701}, "请选择要办的事"},
		{Proposal{Provider: clinic, Kind: Suspend, From: 20250701}, "不是定点"},
		{Proposal{Provider: clinic, Kind: Terminate, From: 20250701}, "没有协议"},
		{Proposal{Provider: clinic, Kind: Renew, From: 20250701, To: 20260701}, "没有可续签的协议"},
		{Proposal{Provider: pharmacy, Kind: Relevel, From: 20250701, Level: policy.Level2}, "没有等级"},
		{Proposal{Provider: "H00000000000", Kind: Suspend, From: 20250701}, "没有登记这个医药机构"},
		{Proposal{Provider: hospital, Kind: Register, From: 20250701}, "已登记为 甲医院"},
		{Proposal{Provider: "X1", Kind: Register, From: 20250701, New: Provider{Code: "X1"}}, "应为 12 位"},
		{Proposal{Provider: "P99010000999", Kind: Register, From: 20250701, New: Provider{Code: "P99010000999", Name: "新院"}}, "与编号的首字母不符"},
		{Proposal{Provider: "H99010000999", Kind: Register, From: 20250701, New: Provider{Code: "H99010000999", Name: "新院", Region: "990100", CreditCode: "1"}}, "18 位"},
	} {
		if _, err := b.propose(x.q); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s of %s: %v, want %q", x.q.Kind, x.q.Provider, err, x.want)
		}
	}
	id, err := b.propose(Proposal{Provider: hospital, Kind: Suspend, From: 20250701})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.propose(Proposal{Provider: hospital, Kind: Suspend, From: 20250801}); err == nil || !strings.Contains(err.Error(), "已有一项待批准") {
		t.Errorf("proposed twice: %v", err)
	}
	for name, x := range map[string]struct {
		act  func(ctx context.Context, tx *db.Tx) (*Proposal, error)
		want string
	}{
		"approved by who proposed": {func(ctx context.Context, tx *db.Tx) (*Proposal, error) { return b.Approve(ctx, tx, id, "甲") }, "须由另一人批准"},
		"declined by who proposed": {func(ctx context.Context, tx *db.Tx) (*Proposal, error) {
			return b.Decline(ctx, tx, id, "甲", "不再需要了")
		}, "须由另一人决定"},
		"declined without reason": {func(ctx context.Context, tx *db.Tx) (*Proposal, error) { return b.Decline(ctx, tx, id, "乙", "") }, "请写明不批准的原因"},
		"revoked by another":      {func(ctx context.Context, tx *db.Tx) (*Proposal, error) { return b.Revoke(ctx, tx, id, "乙") }, "只能由提出的人撤回"},
		"one that is not there":   {func(ctx context.Context, tx *db.Tx) (*Proposal, error) { return b.Approve(ctx, tx, "x", "乙") }, "没有这一项"},
	} {
		if err := b.do(func(ctx context.Context, tx *db.Tx) error { _, err := x.act(ctx, tx); return err }); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
	}
	b.at = b.at.AddDate(0, 0, 11) // the first day has come
	if err := b.do(func(ctx context.Context, tx *db.Tx) error { _, err := b.Approve(ctx, tx, id, "乙"); return err }); err == nil || !strings.Contains(err.Error(), "应为明天") {
		t.Errorf("approved too late: %v", err)
	}
	if err := b.do(func(ctx context.Context, tx *db.Tx) error {
		_, err := b.Decline(ctx, tx, id, "乙", "日期已过，请重新提出")
		return err
	}); err != nil {
		t.Error(err)
	}
	if err := b.do(func(ctx context.Context, tx *db.Tx) error { _, err := b.Revoke(ctx, tx, id, "甲"); return err }); err == nil || !strings.Contains(err.Error(), "不能再决定") {
		t.Errorf("decided twice: %v", err)
	}
	b.on(hospital, map[civil.Date]string{20250801: "designated 2"})
}
