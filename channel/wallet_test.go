package channel_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/anji-platform/anji/account"
	"github.com/anji-platform/anji/channel"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

const password = "246801"

// wallet gives 张安, who has 1234.56, an e-credential.
func (w *world) wallet() (*channel.Wallet, string) {
	w.Helper()
	store, err := packages()
	w.must(err)
	signer, err := gm.NewSigner()
	w.must(err)
	issuer, err := credential.NewIssuer(signer, region)
	w.must(err)
	codes := credential.New(credential.Config{DB: w.db, Register: w.register, Issuer: issuer, Now: w.online.Now, Iterations: 10})
	var owner string
	w.update(func(tx *db.Tx) error {
		p, _, err := w.register.ByCitizenID(w.ctx, tx, "990100198503120014")
		if err != nil {
			return err
		}
		owner = p.ID
		_, err = codes.ActivateAtCounter(w.ctx, tx, owner, password, credential.Device{ID: "phone"}, "test")
		return err
	})
	return &channel.Wallet{DB: w.db, Store: store, Register: w.register, Dues: w.dues, Codes: codes, Now: w.online.Now}, owner
}

func (w *world) grant(owner, to string, yearly money.Fen) {
	w.Helper()
	store, err := packages()
	w.must(err)
	w.update(func(tx *db.Tx) error {
		return account.New(store, w.register, w.online.Now).Grant(w.ctx, tx, account.Grant{Owner: owner, Beneficiary: to, Relation: policy.Parent, Yearly: yearly}, "test")
	})
}

func TestWallet(t *testing.T) {
	w := open(t)
	wallet, owner := w.wallet()
	b := w.bill()
	refused := func(err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if w.state(b.ID) != contribution.Open || w.balance(fund.PersonAccount(owner)) != 123_456 {
			t.Error("refused, and something moved")
		}
	}
	_, err := wallet.Pay(w.ctx, owner, password, b.ID)
	refused(err, "没有授权")
	w.grant(owner, b.Person, 10_000)
	_, err = wallet.Pay(w.ctx, owner, password, b.ID)
	refused(err, "账户可用 100.00 元")
	w.grant(owner, b.Person, b.Due) // the whole of a year's limit
	_, err = wallet.Pay(w.ctx, owner, "135790", b.ID)
	refused(err, "密码不对，还可以试 4 次")
	_, err = wallet.Pay(w.ctx, b.Person, password, b.ID)
	refused(err, "未激活")
	_, err = wallet.Pay(w.ctx, owner, password, "B0")
	refused(err, "没有这笔应缴")
	p, err := wallet.Pay(w.ctx, owner, password, b.ID)
	w.must(err)
	if p.State != contribution.Applied || w.state(b.ID) != contribution.Paid || w.balance(fund.PersonAccount(owner)) != 123_456-b.Due || w.balance(fund.Bank(region)) != 0 {
		t.Errorf("%+v; account %s, bank %s", p, w.balance(fund.PersonAccount(owner)), w.balance(fund.Bank(region)))
	}
	if _, err := wallet.Pay(w.ctx, owner, password, b.ID); err == nil || !strings.Contains(err.Error(), "已缴") {
		t.Errorf("twice: %v", err)
	}
	w.proved()
	repay := func() error {
		return w.db.Update(w.ctx, func(tx *db.Tx) error {
			_, err := wallet.Repay(w.ctx, tx, p.Reference, "已参加职工医保", "test")
			return err
		})
	}
	w.must(repay())
	if w.balance(fund.PersonAccount(owner)) != 123_456 || w.balance(fund.Bank(region)) != 0 {
		t.Errorf("given back: account %s, bank %s", w.balance(fund.PersonAccount(owner)), w.balance(fund.Bank(region)))
	}
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error { // what was given back counts for the year no more
		store, _ := packages()
		given, err := account.New(store, w.register, w.online.Now).Given(w.ctx, tx, owner)
		if len(given) != 1 || given[0].Used != 0 || given[0].Yearly != b.Due {
			t.Errorf("%+v", given)
		}
		return errors.Join(err, account.Verify(w.ctx, tx))
	}))
	if err := repay(); err == nil || !strings.Contains(err.Error(), "只退一次") {
		t.Errorf("twice: %v", err)
	}
	w.proved()
}

// TestWalletAtOnce pays more bills at once than the account holds.
func TestWalletAtOnce(t *testing.T) {
	w := open(t)
	wallet, owner := w.wallet()
	var bills []*contribution.Bill
	for range 5 { // 400.00 each, and 1234.56 are there
		b := w.bill()
		w.grant(owner, b.Person, 0)
		bills = append(bills, b)
	}
	var all sync.WaitGroup
	for _, b := range bills {
		for range 2 {
			all.Go(func() {
				_, err := wallet.Pay(w.ctx, owner, password, b.ID)
				var a *channel.Error
				var c *contribution.Error
				if err != nil && !errors.As(err, &a) && !errors.As(err, &c) {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	paid := 0
	for _, b := range bills {
		if w.state(b.ID) == contribution.Paid {
			paid++
		}
	}
	if paid != 3 || w.balance(fund.PersonAccount(owner)) != 3_456 {
		t.Errorf("%d are paid, %s are left", paid, w.balance(fund.PersonAccount(owner)))
	}
	w.proved()
}
