package settlement_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anji-platform/anji/account"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

const (
	wangPing = "990100199001010119" // a resident, without an account
	liJi     = "990100195607040023" // 800.00
	clinic   = "H99010000201"
)

func (w *world) accounts() *account.Service {
	store, err := policy.Load(policies.FS)
	w.must(err)
	return account.New(store, w.register, func() time.Time { return noon })
}

func (w *world) grant(owner, beneficiary string, g account.Grant) {
	w.Helper()
	g.Owner, g.Beneficiary = w.person(owner).ID, w.person(beneficiary).ID
	w.must(w.update(func(tx *db.Tx) error { return w.accounts().Grant(w.ctx, tx, g, "test") }))
}

// byFamily settles an ordinary visit with the accounts of family members.
func (w *world) byFamily(citizenID string, scheme policy.Scheme, yuan int64) (*settlement.Settlement, error) {
	q := w.visit(citizenID, clinic, scheme, policy.Outpatient, fee("1", "DRG990000001", yuan))
	q.UseAccount = settlement.FamilyAccount
	var st, preview *settlement.Settlement
	w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		preview, err = w.service.Preview(w.ctx, tx, q)
		return err
	}))
	err := w.update(func(tx *db.Tx) (err error) {
		st, err = w.service.Settle(w.ctx, tx, q)
		return err
	})
	if err == nil && (preview.Result.FamilyAccount != st.Result.FamilyAccount || preview.Result.Cash != st.Result.Cash) {
		w.Errorf("the preview gave %s from the family, settled were %s", preview.Result.FamilyAccount, st.Result.FamilyAccount)
	}
	return st, err
}

func (w *world) owned(citizenID string) money.Fen {
	w.Helper()
	return w.balance(fund.PersonAccount(w.person(citizenID).ID))
}

// TestFamilyAid lets a resident's care be paid from the accounts of two family
// members, within the limits that they set, and takes it back.
func TestFamilyAid(t *testing.T) {
	w := open(t)
	w.grant(zhangAn, wangPing, account.Grant{Relation: policy.Spouse, PerUse: 10_000, Yearly: 15_000})
	w.grant(liJi, wangPing, account.Grant{Relation: policy.Parent})
	first, err := w.byFamily(wangPing, policy.Resident, 300)
	w.must(err)
	r := &first.Result
	if r.FamilyAccount != r.Person || r.Account != r.Person || r.Cash != 0 || len(first.Family) != 2 || first.Family[0] != (account.Share{Owner: w.person(zhangAn).ID, Amount: 10_000}) {
		t.Fatalf("person %s, account %s, family %s by %+v", r.Person, r.Account, r.FamilyAccount, first.Family)
	}
	if w.owned(zhangAn) != 113_456 || w.owned(liJi) != 80_000-(r.FamilyAccount-10_000) || w.owned(wangPing) != 0 {
		t.Errorf("balances %s and %s", w.owned(zhangAn), w.owned(liJi))
	}
	if !slices.ContainsFunc(first.Steps, func(x policy.Step) bool {
		return strings.Contains(x.What, "家庭共济账户可用900.00元，可付135.00元，支付135.00元")
	}) {
		t.Errorf("explained as %+v", first.Steps)
	}
	w.verify()
	second, err := w.byFamily(wangPing, policy.Resident, 300)
	w.must(err)
	if second.Family[0].Amount != 5_000 {
		t.Errorf("of 150.00 in the year, 100.00 are used; paid was %s", second.Family[0].Amount)
	}
	third, err := w.byFamily(wangPing, policy.Resident, 300)
	w.must(err)
	if len(third.Family) != 1 || third.Family[0].Owner != w.person(liJi).ID {
		t.Errorf("the year is used up, and paid was %+v", third.Family)
	}
	var used []account.Standing
	w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		used, err = w.accounts().Given(w.ctx, tx, w.person(zhangAn).ID)
		return err
	}))
	if len(used) != 1 || used[0].Used != 15_000 || used[0].Relation != policy.Spouse {
		t.Errorf("%+v", used)
	}
	w.verify()

	reverse := func(st *settlement.Settlement) {
		t.Helper()
		w.must(w.update(func(tx *db.Tx) error {
			_, err := w.service.Reverse(w.ctx, tx, settlement.ReverseRequest{Settlement: st.ID, Provider: clinic, Actor: "test"})
			return err
		}))
		w.verify()
	}
	reverse(third)
	reverse(second)
	again, err := w.byFamily(wangPing, policy.Resident, 300)
	w.must(err)
	if again.Family[0].Amount != 5_000 {
		t.Errorf("after the reversal %s of the year are left, not 50.00", again.Family[0].Amount)
	}
	reverse(again)
	reverse(first)
	if w.owned(zhangAn) != 123_456 || w.owned(liJi) != 80_000 {
		t.Errorf("all is reversed, and the balances are %s and %s", w.owned(zhangAn), w.owned(liJi))
	}
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		st, _, err := w.service.Get(w.ctx, tx, first.ID)
		if len(st.Family) != 2 {
			t.Errorf("read back with %+v", st.Family)
		}
		return err
	}))

	// What the owner ends, pays no more; nor does an account that is closed.
	w.must(w.update(func(tx *db.Tx) error {
		return w.accounts().Revoke(w.ctx, tx, w.person(zhangAn).ID, w.person(wangPing).ID, "test")
	}))
	w.must(w.update(func(tx *db.Tx) error {
		_, err := w.accounts().Close(w.ctx, tx, account.Closing{Person: w.person(liJi).ID, Reason: account.Death, Day: today, Actor: "test",
			Heirs: []account.Heir{{Person: w.person(zhangAn).ID, Amount: 50_000}, {Name: "别人", Amount: 30_000}}})
		return err
	}))
	alone, err := w.byFamily(wangPing, policy.Resident, 300)
	w.must(err)
	if alone.Result.FamilyAccount != 0 || alone.Result.Cash != alone.Result.Person || w.owned(zhangAn) != 173_456 || w.owned(liJi) != 0 {
		t.Errorf("family pays %s; balances %s and %s", alone.Result.FamilyAccount, w.owned(zhangAn), w.owned(liJi))
	}
	w.verify()
}

// TestFamilyAidAtOnce has two spouses, each of whom may use the other's account,
// settle and reverse at the same time, while both spend their own.
func TestFamilyAidAtOnce(t *testing.T) {
	w := open(t)
	w.grant(zhangAn, liJi, account.Grant{Relation: policy.Spouse, Yearly: 60_000})
	w.grant(liJi, zhangAn, account.Grant{Relation: policy.Spouse})
	var all sync.WaitGroup
	for n := range 6 {
		who := []string{zhangAn, liJi}[n%2]
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), 1))
			for range 12 {
				q := w.visit(who, clinic, policy.Employee, policy.Outpatient, fee("1", "DRG990000003", 20+random.Int64N(100)))
				q.UseAccount = settlement.AccountUse(random.IntN(3))
				ctx := db.Concurrent(w.ctx)
				var st *settlement.Settlement
				if err := w.db.Update(ctx, func(tx *db.Tx) (err error) {
					st, err = w.service.Settle(ctx, tx, q)
					return err
				}); err != nil {
					t.Error(err)
					return
				}
				if random.IntN(3) > 0 {
					continue
				}
				err := w.db.Update(ctx, func(tx *db.Tx) error {
					_, err := w.service.Reverse(ctx, tx, settlement.ReverseRequest{Settlement: st.ID, Provider: clinic, Actor: "test"})
					return err
				})
				var e *settlement.Error
				if err != nil && !errors.As(err, &e) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	w.verify()
	for _, who := range []string{zhangAn, liJi} {
		if b := w.owned(who); b < 0 {
			t.Errorf("%s is %s", who, b)
		}
	}
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		given, err := w.accounts().Given(w.ctx, tx, w.person(zhangAn).ID)
		if len(given) != 1 || given[0].Used > 60_000 || given[0].Used < 0 {
			t.Errorf("%+v", given)
		}
		return err
	}))
}

// TestFamilyAidFails makes every write of such a settlement fail in turn.
func TestFamilyAidFails(t *testing.T) {
	w := open(t)
	w.grant(zhangAn, wangPing, account.Grant{Relation: policy.Child})
	q := w.visit(wangPing, clinic, policy.Resident, policy.Outpatient, fee("1", "DRG990000001", 300))
	q.UseAccount = settlement.FamilyAccount
	broken := errors.New("broken")
	for n := 0; ; n++ {
		left := n
		ctx := db.WithFailure(w.ctx, func(string) error {
			left--
			if left < 0 {
				return broken
			}
			return nil
		})
		err := w.db.Update(ctx, func(tx *db.Tx) error { _, err := w.service.Settle(ctx, tx, q); return err })
		if err == nil {
			break
		}
		if !errors.Is(err, broken) {
			t.Fatal(err)
		}
		if w.owned(zhangAn) != 123_456 {
			t.Fatalf("write %d failed, and the account is %s", n, w.owned(zhangAn))
		}
		w.verify()
	}
	if w.owned(zhangAn) >= 123_456 {
		t.Error("nothing was paid")
	}
	w.verify()
	// What is written of it and is not there is found.
	w.must(w.update(func(tx *db.Tx) error { return tx.Exec(w.ctx, `UPDATE family_aid_use SET amount = amount - 1`) }))
	if err := w.db.View(w.ctx, func(tx *db.Tx) error { return w.service.Verify(w.ctx, tx) }); err == nil || !strings.Contains(err.Error(), "family members' accounts pay") {
		t.Errorf("a changed use: %v", err)
	}
}
