package channel_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anji-platform/anji/channel"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

const (
	region  = "990100"
	factory = "91990100MA0000015X"
)

var packages = sync.OnceValues(func() (*policy.Store, error) { return policy.Load(policies.FS) })

type world struct {
	*testing.T
	ctx      context.Context
	db       *db.DB
	register *enrolment.Register
	dues     *contribution.Service
	bank     *channel.Bank
	gateway  *channel.TestGateway
	online   *channel.Online
	now      time.Time
	people   int
}

func open(t *testing.T) *world {
	t.Helper()
	store, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, ctx: context.Background(), db: dbtest.Open(t), register: enrolment.New(sealer)}
	w.now = time.Date(2025, 10, 9, 12, 0, 0, 0, time.FixedZone("CST", 8*60*60))
	clock := func() time.Time { return w.now }
	if _, err := demo.Seed(w.ctx, w.db, w.register, demo.Options{Today: 20251009}); err != nil {
		t.Fatal(err)
	}
	w.dues = contribution.New(store, w.register, clock)
	w.bank = channel.NewBank(w.dues, sealer, clock)
	if w.gateway, err = channel.NewTestGateway(); err != nil {
		t.Fatal(err)
	}
	w.online = &channel.Online{DB: w.db, Dues: w.dues, Gateway: w.gateway, Now: clock}
	s := httptest.NewServer(w.online)
	t.Cleanup(s.Close)
	w.gateway.Notify = s.URL
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) update(f func(*db.Tx) error) { w.Helper(); w.must(w.db.Update(w.ctx, f)) }

// bill makes a new resident's bill of the next year.
func (w *world) bill() *contribution.Bill {
	w.Helper()
	w.people++
	p := enrolment.Person{Name: "某", CitizenID: fmt.Sprintf("99010%013d", w.people), Birth: 19900101, Region: region}
	var b *contribution.Bill
	w.update(func(tx *db.Tx) (err error) {
		if err := w.register.Add(w.ctx, tx, &p); err != nil {
			return err
		}
		if err := w.dues.Register(w.ctx, tx, contribution.Registration{Person: p.ID, Kind: contribution.Resident, Ground: contribution.Household, Actor: "test"}); err != nil {
			return err
		}
		b, err = w.dues.Make(w.ctx, tx, contribution.Request{Person: p.ID, Scheme: policy.Resident, Actor: "test"})
		return err
	})
	return b
}

func (w *world) agree(payer string) {
	w.Helper()
	w.update(func(tx *db.Tx) error {
		return w.bank.Agree(w.ctx, tx, channel.Mandate{Payer: payer, Bank: "示例银行", Account: "6200000000000001", Holder: "某"}, "test")
	})
}

func (w *world) export() (rows [][]string, batch channel.Batch) {
	w.Helper()
	var file bytes.Buffer
	w.update(func(tx *db.Tx) (err error) {
		file.Reset()
		batch, _, err = w.bank.Export(w.ctx, tx, region, "test", &file)
		return err
	})
	rows, err := csv.NewReader(&file).ReadAll()
	w.must(err)
	return rows, batch
}

func (w *world) answer(lines ...string) []channel.Result {
	w.Helper()
	out, err := w.bank.Import(w.ctx, w.db, strings.NewReader("\ufeff批次号,序号,结果,金额（元）,扣款时间,原因\n"+strings.Join(lines, "\n")+"\n"), "test")
	w.must(err)
	return out
}

func (w *world) state(bill string) (b contribution.State) {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error {
		_, err := w.dues.Due(w.ctx, tx, bill)
		var e *contribution.Error
		if errors.As(err, &e) {
			b, err = contribution.Paid, nil
			if !strings.Contains(e.Want, "已缴") {
				b = contribution.Cancelled
			}
		}
		return err
	}))
	return b
}

func (w *world) balance(name string) (b money.Fen) {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) (err error) {
		b, err = fund.Balance(w.ctx, tx, name)
		return err
	}))
	return b
}

func (w *world) proved() {
	w.Helper()
	w.must(w.db.View(w.ctx, func(tx *db.Tx) error { return errors.Join(w.dues.Verify(w.ctx, tx), fund.Verify(w.ctx, tx)) }))
}

func TestBank(t *testing.T) {
	w := open(t)
	if rows, _ := w.export(); len(rows) != 0 {
		t.Fatalf("nothing is due, and exported were %v", rows)
	}
	a, b, c, without := w.bill(), w.bill(), w.bill(), w.bill()
	for _, x := range []*contribution.Bill{a, b, c} {
		w.agree(x.Person)
	}
	w.update(func(tx *db.Tx) error {
		if err := w.dues.AddEmployer(w.ctx, tx, contribution.Employer{Code: factory, Name: "示例单位", Region: region}, "test"); err != nil {
			return err
		}
		d, err := w.dues.Declare(w.ctx, tx, factory, 20251001, []contribution.Declared{{Name: "职工", CitizenID: "990100199001010010", Wage: "5000", Change: contribution.Joins}}, "test")
		if err != nil {
			return err
		}
		_, err = w.dues.Confirm(w.ctx, tx, d.ID, "test")
		return err
	})
	w.agree(factory)
	rows, batch := w.export()
	if len(rows) != 5 || batch.Rows != 4 || rows[1][4] != "6200000000000001" || rows[1][0] != batch.ID {
		t.Fatalf("%v", rows)
	}
	if again, _ := w.export(); len(again) != 0 {
		t.Errorf("what is at the bank is exported again: %v", again)
	}
	line := func(n int, result, amount, at, why string) string {
		return strings.Join([]string{batch.ID, fmt.Sprint(n), result, amount, at, why}, ",")
	}
	at := "2025-10-09 11:00:00"
	answer := []string{
		line(1, "成功", rows[1][6], at, ""),
		line(2, "失败", "", "", "余额不足"),
		line(3, "成功", "1.00", at, ""),
		line(4, "成功", rows[4][6], at, ""),
		line(9, "成功", "1.00", at, ""),
		"x,1,成功,1.00," + at + ",",
		line(3, "也许", rows[3][6], at, ""),
		line(3, "成功", rows[3][6], "昨天", ""),
		"\"坏", "",
	}
	got := w.answer(answer...)
	want := []struct {
		state channel.ResultState
		what  string
	}{
		{channel.Taken, ""}, {channel.Failed, "余额不足"}, {channel.Rejected, "与代扣的"}, {channel.Taken, ""}, {channel.Rejected, "第 9 笔"},
		{channel.Rejected, "没有这个批次"}, {channel.Rejected, "成功或失败"}, {channel.Rejected, "扣款时间"}, {channel.Rejected, "不是 CSV"},
	}
	if len(got) != len(want) {
		t.Fatalf("%d answers: %+v", len(got), got)
	}
	for i, r := range got {
		if r.State != want[i].state || !strings.Contains(r.What, want[i].what) {
			t.Errorf("row %d: %+v, want %+v", i+1, r, want[i])
		}
	}
	if w.state(rows[1][2]) != contribution.Paid || w.state(rows[2][2]) != contribution.Open || w.state(rows[3][2]) != contribution.Open || w.state(rows[4][2]) != contribution.Paid || w.state(without.ID) != contribution.Open {
		t.Error("the wrong bills are paid")
	}
	sum := w.balance(fund.Bank(region))
	w.answer(answer...)
	if w.balance(fund.Bank(region)) != sum {
		t.Error("the same answer moved money twice")
	}
	w.proved()
	// What failed goes out again; the same money over the counter first is held.
	rows, batch = w.export()
	if len(rows) != 2 {
		t.Fatalf("%v", rows)
	}
	w.update(func(tx *db.Tx) error {
		_, err := w.dues.Pay(w.ctx, tx, contribution.Notice{Channel: "counter", Reference: "1", Bill: rows[1][2], Amount: a.Due, At: w.now, Actor: "test"})
		return err
	})
	if got := w.answer(line(1, "成功", rows[1][6], at, "")); got[0].State != channel.Kept || !strings.Contains(got[0].What, "重复缴费") {
		t.Errorf("%+v", got)
	}
	if got := w.answer(line(1, "失败", "", "", "撤回")); got[0].State != channel.Rejected || !strings.Contains(got[0].What, "已按成功入账") {
		t.Errorf("%+v", got)
	}
	w.proved()
	w.update(func(tx *db.Tx) error { return w.bank.End(w.ctx, tx, a.Person, "test") })
	var e *channel.Error
	for _, bad := range []channel.Mandate{{Payer: "p", Bank: "b", Holder: "h", Account: "12"}, {Payer: "p", Holder: "h", Account: "6200000000000001"}} {
		if err := w.db.Update(w.ctx, func(tx *db.Tx) error { return w.bank.Agree(w.ctx, tx, bad, "test") }); !errors.As(err, &e) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "a,b\n"} {
		if _, err := w.bank.Import(w.ctx, w.db, strings.NewReader(bad), "test"); !errors.As(err, &e) || e.Field != "file" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func (w *world) order(bill string) channel.Order {
	w.Helper()
	o, address, err := w.online.Start(w.ctx, bill, "test")
	w.must(err)
	if !strings.HasSuffix(address, o.ID) {
		w.Errorf("pay at %s", address)
	}
	return o
}

func (w *world) pay(order string) string {
	w.Helper()
	trade, err := w.gateway.Pay(order, w.now)
	w.must(err)
	return trade
}

func (w *world) send(trade string) bool {
	w.Helper()
	ok, err := w.gateway.Send(w.ctx, trade)
	w.must(err)
	return ok
}

func TestOnline(t *testing.T) {
	w := open(t)
	b := w.bill()
	first, second := w.order(b.ID), w.order(b.ID)
	trade := w.pay(first.ID)
	if w.state(b.ID) != contribution.Open {
		t.Error("paid before the notice")
	}
	for range 3 { // the same notice comes again
		if !w.send(trade) {
			t.Error("the notice is not taken")
		}
	}
	if w.state(b.ID) != contribution.Paid || w.balance(fund.Bank(region)) != -b.Due {
		t.Errorf("paid %s", w.balance(fund.Bank(region)))
	}
	other := w.pay(second.ID) // paid twice, on two phones
	if !w.send(other) || w.balance(fund.Held(region)) != b.Due {
		t.Errorf("held %s", w.balance(fund.Held(region)))
	}
	w.proved()
	p, err := w.online.Repay(w.ctx, other, "重复缴费", "test")
	if err != nil || p.State != contribution.PaidBack || w.gateway.Refunded(other) != b.Due || w.balance(fund.Held(region)) != 0 {
		t.Errorf("%+v, %v; refunded %s", p, err, w.gateway.Refunded(other))
	}
	if _, err := w.online.Repay(w.ctx, other, "重复缴费", "test"); err == nil || !strings.Contains(err.Error(), "只退一次") {
		t.Errorf("twice: %v", err)
	}
	if !w.send(other) || w.balance(fund.Held(region)) != 0 {
		t.Error("a notice after the refund moved money")
	}
	w.proved()

	// A channel that is down is asked again; it gives back once.
	late := w.bill()
	o := w.order(late.ID)
	trade = w.pay(o.ID)
	w.send(trade)
	w.gateway.Down(true)
	if _, err := w.online.Repay(w.ctx, trade, "身份信息错误", "test"); err == nil {
		t.Error("a channel that is down gave money back")
	}
	if _, _, err := w.online.Start(w.ctx, w.bill().ID, "test"); err == nil {
		t.Error("a channel that is down made an order")
	}
	w.gateway.Down(false)
	if n, err := w.online.Send(w.ctx); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := w.online.Send(w.ctx); n != 0 || err != nil || w.gateway.Refunded(trade) != late.Due {
		t.Errorf("%d, %v, refunded %s", n, err, w.gateway.Refunded(trade))
	}
	w.proved()

	// A late notice, of another amount, of no order, of somebody else.
	b = w.bill()
	o = w.order(b.ID)
	odd, err := w.gateway.PayOther(o.ID, b.Due-1, w.now)
	w.must(err)
	if !w.send(odd) || w.state(b.ID) != contribution.Open || w.balance(fund.Held(region)) != b.Due-1 {
		t.Error("another amount paid the bill")
	}
	w.pay(o.ID)
	w.now = w.now.AddDate(0, 1, 0)
	if left := w.gateway.SendAll(w.ctx); left != 0 || w.state(b.ID) != contribution.Paid {
		t.Errorf("a month late: %d left", left)
	}
	resp, err := http.Post(w.gateway.Notify, "application/json", strings.NewReader(`{"Order":"`+o.ID+`","Trade":"T9","Fen":100,"At":1}`))
	w.must(err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("a forged notice: %s", resp.Status)
	}
	if _, err := w.online.Receive(w.ctx, channel.Paid{Order: "x", Trade: "y", Amount: 1, At: w.now}); err == nil || !strings.Contains(err.Error(), "没有这个订单") {
		t.Errorf("no order: %v", err)
	}
	if _, _, err := w.online.Start(w.ctx, b.ID, "test"); err == nil || !strings.Contains(err.Error(), "已缴") {
		t.Errorf("an order for what is paid: %v", err)
	}
	w.proved()
}

// TestStorm sends all notices many times at once, in any order.
func TestStorm(t *testing.T) {
	w := open(t)
	var sum money.Fen
	var trades []string
	for range 6 {
		b := w.bill()
		sum += b.Due
		trades = append(trades, w.pay(w.order(b.ID).ID))
	}
	var all sync.WaitGroup
	for range 5 {
		for _, trade := range trades {
			all.Go(func() {
				if _, err := w.gateway.Send(w.ctx, trade); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	if left := w.gateway.SendAll(w.ctx); left != 0 || w.balance(fund.Bank(region)) != -sum || w.balance(fund.Held(region)) != 0 {
		t.Errorf("%d left; the bank has %s of %s", left, w.balance(fund.Bank(region)), sum)
	}
	w.proved()
}

func FuzzAnswer(f *testing.F) {
	f.Add("批次号,序号,结果,金额,扣款时间,原因\nx,1,成功,1.00,2025-10-09 11:00:00,\n")
	f.Add("\"")
	store, err := packages()
	if err != nil {
		f.Fatal(err)
	}
	sealer, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		f.Fatal(err)
	}
	d := dbtest.Open(f)
	bank := channel.NewBank(contribution.New(store, enrolment.New(sealer), nil), sealer, nil)
	f.Fuzz(func(t *testing.T, s string) {
		out, err := bank.Import(context.Background(), d, strings.NewReader(s), "test")
		var e *channel.Error
		if err != nil && !errors.As(err, &e) {
			t.Fatal(err)
		}
		for _, r := range out {
			if r.State != channel.Rejected {
				t.Errorf("a row of no batch is taken: %+v", r)
			}
		}
	})
}
