package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
)

const (
	hospital = "H99010000101"
	shop     = "P99010000401"
	actor    = "H99010000101 0001"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// A room is the inventory room over a real store with two providers. It is the
// 20th of June, 2025, at noon.
type room struct {
	*testing.T
	*Service
	db *db.DB
}

func open(t *testing.T) *room {
	t.Helper()
	sealer, err := gm.NewSealer(bytes.Repeat([]byte{5}, 48))
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return at(20, 12) }
	r := &room{T: t, Service: New(sealer, now), db: dbtest.Open(t)}
	ctx := context.Background()
	err = r.db.Update(ctx, func(tx *db.Tx) error {
		return errors.Join(
			provider.Add(ctx, tx, provider.Provider{Code: hospital, Name: "甲医院", Region: "990100", Level: policy.Level3, Designated: true}),
			provider.Add(ctx, tx, provider.Provider{Code: shop, Name: "乙药房", Region: "990100", Kind: policy.Pharmacy, Designated: true}))
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// at is a time of June, 2025.
func at(day, hour int) time.Time { return time.Date(2025, 6, day, hour, 0, 0, 0, zone) }

func units(n int64) catalogue.Quantity { return catalogue.Quantity(n * 10_000) }

func (r *room) record(m Movement) (res *Result, err error) {
	ctx := context.Background()
	err = r.db.Update(ctx, func(tx *db.Tx) error {
		var err error
		res, err = r.Record(ctx, tx, m, actor)
		return err
	})
	return res, err
}

func (r *room) void(provider string, kind Kind, number string) (res *Result, err error) {
	ctx := context.Background()
	err = r.db.Update(ctx, func(tx *db.Tx) error {
		var err error
		res, err = r.Void(ctx, tx, VoidRequest{Provider: provider, Kind: kind, Number: number, Actor: actor})
		return err
	})
	return res, err
}

func (r *room) stock(provider, item string, at time.Time) (q catalogue.Quantity) {
	r.Helper()
	ctx := context.Background()
	err := r.db.View(ctx, func(tx *db.Tx) error {
		var err error
		q, err = Stock(ctx, tx, provider, item, at)
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	return q
}

func (r *room) movements(provider, item string) (all []Movement) {
	r.Helper()
	ctx := context.Background()
	err := r.db.View(ctx, func(tx *db.Tx) error {
		var err error
		all, err = r.Movements(ctx, tx, provider, item)
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	return all
}

func refusal(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Want: fmt.Sprint(err)}
}

// A model of the room: all reports that stand, in a list.
type model struct{ all []Movement }

func sameFamily(a, b Kind) bool {
	family := map[Kind]int{Count: 1, Change: 2, Purchase: 3, PurchaseReturn: 3, Sale: 4, SaleReturn: 4}
	return family[a] == family[b]
}

func (w *model) find(provider string, kind Kind, number string) *Movement {
	for i := range w.all {
		if m := &w.all[i]; m.Provider == provider && m.Kind == kind && m.Number == number {
			return m
		}
	}
	return nil
}

func (w *model) returned(of *Movement) (n catalogue.Quantity) {
	for _, m := range w.all {
		if m.Provider == of.Provider && m.Kind == of.Kind+1 && m.Original == of.Number {
			n += m.Quantity
		}
	}
	return n
}

func (w *model) record(m Movement) bool {
	if m.Kind == PurchaseReturn || m.Kind == SaleReturn {
		if m.Original == "" {
			m.Original = m.Number
		}
		of := w.find(m.Provider, m.Kind-1, m.Original)
		if of == nil || of.ProviderItem != m.ProviderItem || m.At.Before(of.At) || w.returned(of)+m.Quantity > of.Quantity {
			return false
		}
	}
	for _, x := range w.all {
		if x.Provider != m.Provider {
			continue
		}
		own := x.Kind == m.Kind-1 && x.Number == m.Original // what a return takes back
		if sameFamily(x.Kind, m.Kind) && x.Number == m.Number && !own {
			return false
		}
		if m.Kind == Count && x.Kind == Count && x.ProviderItem == m.ProviderItem && x.Lot == m.Lot && dayOf(x.At) == dayOf(m.At) {
			return false
		}
	}
	w.all = append(w.all, m)
	return true
}

func (w *model) void(provider string, kind Kind, number string) bool {
	for _, k := range []Kind{kind + 1, kind} {
		m := w.find(provider, k, number)
		if m == nil || !sameFamily(k, kind) {
			continue
		}
		if k == kind && sameFamily(kind, kind+1) && w.returned(m) > 0 {
			return false
		}
		for i := range w.all {
			if &w.all[i] == m {
				w.all = append(w.all[:i:i], w.all[i+1:]...)
				return true
			}
		}
	}
	return false
}

// stock adds up day by day and hour by hour what the list says.
func (w *model) stock(provider, item string, until time.Time) (n catalogue.Quantity) {
	for day := 1; day <= until.Day(); day++ {
		counted, found := catalogue.Quantity(0), false
		for _, m := range w.all {
			if m.Provider != provider || m.ProviderItem != item || m.At.Day() != day {
				continue
			}
			switch {
			case m.Kind == Count:
				counted, found = counted+m.Quantity, true
			case m.At.After(until):
			case m.Kind == Purchase, m.Kind == SaleReturn, m.Kind == Change && strings.HasSuffix(string(m.Reason), "_in"), m.Reason == Surplus:
				n += m.Quantity
			default:
				n -= m.Quantity
			}
		}
		if dayEnd := at(day, 24).Add(-time.Second); found && !dayEnd.After(until) {
			n = counted
		}
	}
	return n
}

// TestModel does random reports, in any order of their times, and voids some.
// What is taken, what is refused and the stock at any time are the model's.
func TestModel(t *testing.T) {
	all := []Reason{TransferIn, TransferOut, Surplus, Shortage, Destroyed, OtherIn, OtherOut, PurchaseIn, ReturnOut, GiftIn, GiftReturnOut}
	for seed := range uint64(3) {
		r, w, rnd := open(t), &model{}, rand.New(rand.NewPCG(seed, 7))
		taken, voids, refused := 0, 0, 0
		for step := range 500 {
			who := []string{hospital, shop}[rnd.IntN(2)]
			number := fmt.Sprint("N", rnd.IntN(12))
			if rnd.IntN(4) == 0 {
				kind := []Kind{Count, Change, Purchase, Sale}[rnd.IntN(4)]
				_, err := r.void(who, kind, number)
				if want := w.void(who, kind, number); want != (err == nil) {
					t.Fatalf("seed %d, step %d: %s %s is voided: %v, want %t", seed, step, kind.Title(), number, err, want)
				}
				if err == nil {
					voids++
				}
				continue
			}
			m := Movement{Provider: who, Kind: Kind(1 + rnd.IntN(6)), Number: number, At: at(1+rnd.IntN(18), rnd.IntN(24)), Price: NoPrice,
				Item: "D", Quantity: units(int64(1 + rnd.IntN(20))), Lot: fmt.Sprint("L", rnd.IntN(2))}
			m.ProviderItem = fmt.Sprint("I", rnd.IntN(2))
			m.Item += m.ProviderItem
			switch {
			case m.Kind == Change:
				m.Reason = all[rnd.IntN(len(all))]
			case m.Kind.Return() && rnd.IntN(3) > 0:
				m.Original = fmt.Sprint("N", rnd.IntN(12))
			}
			res, err := r.record(m)
			if want := w.record(m); want != (err == nil) {
				t.Fatalf("seed %d, step %d: %+v: %v, want %t", seed, step, m, err, want)
			}
			if err != nil {
				if refusal(err).Field == "" {
					t.Fatal(err)
				}
				refused++
				continue
			}
			taken++
			if want := w.stock(who, m.ProviderItem, at(20, 23)); res.Stock != want {
				t.Fatalf("seed %d, step %d: the stock after %+v is %s, want %s", seed, step, m, res.Stock, want)
			}
			when := at(1+rnd.IntN(19), rnd.IntN(24))
			if got, want := r.stock(who, m.ProviderItem, when), w.stock(who, m.ProviderItem, when); got != want {
				t.Fatalf("seed %d, step %d: the stock at %s is %s, want %s", seed, step, when, got, want)
			}
		}
		if taken < 50 || voids < 20 || refused < 50 {
			t.Errorf("seed %d: %d taken, %d voided, %d refused: too few to mean anything", seed, taken, voids, refused)
		}
		stands, rows := 0, 0
		for _, who := range []string{hospital, shop} {
			for _, item := range []string{"I0", "I1"} {
				for _, m := range r.movements(who, item) {
					if rows++; m.Voided == (Act{}) {
						stands++
					}
				}
			}
		}
		if stands != len(w.all) || rows != taken {
			t.Errorf("seed %d: %d of %d rows stand, want %d of %d", seed, stands, rows, len(w.all), taken)
		}
		ctx := context.Background()
		if err := r.db.View(ctx, func(tx *db.Tx) error { return audit.Verify(ctx, tx) }); err != nil {
			t.Error(err)
		}
	}
}

func sale(number string, n int64) Movement {
	return Movement{Provider: hospital, Kind: Sale, Number: number, At: at(10, 9), Item: "D1", ProviderItem: "I1", Name: "药", Quantity: units(n), Price: NoPrice}
}

// A movement is read as it was written; names and numbers of people are sealed.
func TestKept(t *testing.T) {
	r := open(t)
	m := sale("N1", 2)
	m.Price, m.Lot, m.Made, m.Expires = 12_345_678, "L1", 20240101, 20261231
	m.Producer, m.Approval, m.Supplier = "丙药业", "国药准字H0", "丁公司"
	m.Prescription, m.Opened, m.Gift, m.VisitNumber, m.Payer = true, true, true, "M1", Insured
	m.Traces = []string{"81000000000000000002", "81000000000000000001"}
	m.Details = Details{Operator: "戊操作员", Prescriber: Professional{"己医师", "01", "990100196001010011", ""}, Pharmacist: Professional{"庚药师", "", "", "Y1"},
		Customer: Customer{"辛顾客", "01", "990100197001010012"}, PrescriptionNo: "RX1", External: true, Receipt: "R1", Note: "壬备注"}
	if _, err := r.record(m); err != nil {
		t.Fatal(err)
	}
	if _, err := r.void(hospital, Sale, "N1"); err != nil {
		t.Fatal(err)
	}
	got := r.movements(hospital, "I1")
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	m.ID = got[0].ID
	m.Recorded, m.Voided = Act{at(20, 12), actor}, Act{at(20, 12), actor}
	if !reflect.DeepEqual(got[0], m) {
		t.Errorf("%+v, want %+v", got[0], m)
	}
	ctx := context.Background()
	err := r.db.View(ctx, func(tx *db.Tx) error {
		var details []byte
		var records string
		if err := tx.QueryRow(ctx, `SELECT details FROM inventory_movement`).Scan(&details); err != nil {
			return err
		}
		err := tx.Each(ctx, func(rows *db.Rows) error {
			var action, subject, text string
			err := rows.Scan(&action, &subject, &text)
			records += action + " " + subject + " " + text + "\n"
			return err
		}, `SELECT action, subject, details FROM audit ORDER BY seq`)
		for _, secret := range []string{"戊操作员", "己医师", "990100196001010011", "庚药师", "辛顾客", "990100197001010012", "壬备注"} {
			if bytes.Contains(details, []byte(secret)) || strings.Contains(records, secret) {
				t.Errorf("%s is not sealed", secret)
			}
		}
		for _, want := range []string{"inventory.record H99010000101 N1", "inventory.void H99010000101 N1", `"quantity":"-2"`} {
			if !strings.Contains(records, want) {
				t.Errorf("no %s in %s", want, records)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRefused(t *testing.T) {
	r := open(t)
	edit := func(m Movement, f func(*Movement)) Movement { f(&m); return m }
	if _, err := r.record(sale("N1", 5)); err != nil {
		t.Fatal(err)
	}
	back := edit(sale("R1", 2), func(m *Movement) { m.Kind, m.Original, m.At = SaleReturn, "N1", at(11, 9) })
	if _, err := r.record(back); err != nil {
		t.Fatal(err)
	}
	count := edit(sale("C1", 0), func(m *Movement) { m.Kind, m.Lot = Count, "L1" })
	if _, err := r.record(count); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name, field, want string
		m                 Movement
	}{
		{"nothing", "quantity", "应为正数", sale("N2", 0)},
		{"less than nothing", "quantity", "应为正数", sale("N2", -1)},
		{"a count below zero", "quantity", "不能为负", edit(count, func(m *Movement) { m.Quantity = -1 })},
		{"too much", "quantity", "不能超过 100000000", edit(sale("N2", 0), func(m *Movement) { m.Quantity = MaxQuantity + 1 })},
		{"tomorrow", "time", "晚于今天 2025-06-20", edit(sale("N2", 1), func(m *Movement) { m.At = at(21, 0) })},
		{"expires before it was made", "expires", "早于生产日期 2025-01-02", edit(sale("N2", 1), func(m *Movement) { m.Made, m.Expires = 20250102, 20250101 })},
		{"one code twice", "trace", "重复", edit(sale("N2", 1), func(m *Movement) { m.Traces = []string{"A", "B", "A"} })},
		{"self-paid and settled", "settlement", "自费", edit(sale("N2", 1), func(m *Movement) { m.Payer, m.Settlement = SelfPaid, "S1" })},
		{"an unknown settlement", "settlement", "本机构没有这笔结算", edit(sale("N2", 1), func(m *Movement) { m.Settlement = "S1" })},
		{"the number again", "number", "已于 2025-06-20 12:00:00 用于上传的销售", sale("N1", 1)},
		{"the number of a return", "number", "用于上传的销售退货", sale("R1", 1)},
		{"the return again", "number", "用于上传的销售退货", back},
		{"the lot counted again", "lot", "2025-06-10 已盘存，流水号 C1", edit(count, func(m *Movement) { m.Number, m.At = "C2", at(10, 20) })},
		{"a return of no sale", "original", "没有这个流水号的销售", edit(back, func(m *Movement) { m.Number, m.Original = "R2", "N9" })},
		{"a return of another provider's", "original", "没有这个流水号的销售", edit(back, func(m *Movement) { m.Provider = shop })},
		{"a return of another item", "original", "商品 I1（D1）", edit(back, func(m *Movement) { m.Number, m.Item = "R2", "D2" })},
		{"a return before the sale", "time", "2025-06-10 09:00:00", edit(back, func(m *Movement) { m.Number, m.At = "R2", at(10, 8) })},
		{"a return of too much", "quantity", "超过销售 N1 可退的 3（共 5，已退 2）", edit(back, func(m *Movement) { m.Number, m.Quantity = "R2", units(3)+1 })},
	} {
		if _, err := r.record(x.m); refusal(err).Field != x.field || !strings.Contains(refusal(err).Want, x.want) {
			t.Errorf("%s: %v, want %s: %s", x.name, err, x.field, x.want)
		}
	}
	for _, x := range []struct {
		provider, number, want string
		kind                   Kind
	}{
		{hospital, "N1", "已有退货，流水号 R1", Sale},
		{hospital, "N1", "没有这个流水号的采购记录", Purchase},
		{shop, "N1", "没有这个流水号的销售记录", Sale},
	} {
		if _, err := r.void(x.provider, x.kind, x.number); refusal(err).Field != "number" || !strings.Contains(refusal(err).Want, x.want) {
			t.Errorf("voids %s: %v, want %s", x.number, err, x.want)
		}
	}
	if got := len(r.movements(hospital, "I1")); got != 3 {
		t.Errorf("%d rows: what was refused left something", got)
	}
}

// A voided number may be used again, and is not voided twice.
func TestVoidedNumber(t *testing.T) {
	r := open(t)
	for range 2 {
		if _, err := r.record(sale("N1", 1)); err != nil {
			t.Fatal(err)
		}
		if res, err := r.void(hospital, Sale, "N1"); err != nil || res.Stock != 0 {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	if _, err := r.void(hospital, Sale, "N1"); !strings.Contains(refusal(err).Want, "已于 2025-06-20 12:00:00 删除") {
		t.Errorf("voided again: %v", err)
	}
	// A sale and a return of it under one number: the return is voided first.
	back := sale("N1", 1)
	back.Kind = SaleReturn
	for _, m := range []Movement{sale("N1", 1), back} {
		if _, err := r.record(m); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []Kind{SaleReturn, Sale} {
		if res, err := r.void(hospital, Sale, "N1"); err != nil || res.Kind != want {
			t.Errorf("%+v, %v, want %s", res, err, want.Title())
		}
	}
}

// What a purchase and a change both report counts twice, and is told.
func TestTwice(t *testing.T) {
	for _, x := range []struct {
		kind   Kind
		reason Reason
		twice  bool
	}{
		{Purchase, PurchaseIn, true}, {Purchase, GiftIn, true}, {PurchaseReturn, ReturnOut, true}, {PurchaseReturn, GiftReturnOut, true},
		{Purchase, OtherIn, false}, {Purchase, ReturnOut, false}, {PurchaseReturn, TransferOut, false}, {Sale, ReturnOut, false},
	} {
		for _, changeFirst := range []bool{true, false} {
			r := open(t)
			traded, change := sale("N1", 1), sale("N1", 1)
			traded.Kind, change.Kind, change.Reason = x.kind, Change, x.reason
			if x.kind == PurchaseReturn {
				bought := sale("P1", 1)
				bought.Kind, traded.Original = Purchase, "P1"
				if _, err := r.record(bought); err != nil {
					t.Fatal(err)
				}
			}
			first, then := traded, change
			if changeFirst {
				first, then = change, traded
			}
			a, err := r.record(first)
			if err != nil || a.Twice != 0 {
				t.Fatalf("%+v, %v", a, err)
			}
			b, err := r.record(then)
			if err != nil || (b.Twice == first.Kind) != x.twice || !x.twice && b.Twice != 0 {
				t.Errorf("%s and %s: %+v, %v", first.Kind.Title(), x.reason, b, err)
			}
		}
	}
}

// Returns at the same time take back no more than was sold.
func TestReturnsTakeTurns(t *testing.T) {
	r := open(t)
	if _, err := r.record(sale("N1", 5)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			back := sale(fmt.Sprint("R", i), 2)
			back.Kind, back.Original = SaleReturn, "N1"
			_, errs[i] = r.record(back)
		})
	}
	wg.Wait()
	done := 0
	for _, err := range errs {
		if err == nil {
			done++
		} else if refusal(err).Field != "quantity" {
			t.Error(err)
		}
	}
	if got := r.stock(hospital, "I1", at(20, 0)); done != 2 || got != units(-1) {
		t.Errorf("%d returns, the stock is %s", done, got)
	}
}

func TestDifferenceString(t *testing.T) {
	for want, d := range map[string]Difference{
		"D1 药：医保结算 5，医保销售 3.5，结算多 1.5":      {"D1", "药", units(5), 35_000, 0},
		"D1 药：医保结算 0，医保销售 2，销售多 2；另有自费销售 1": {"D1", "药", 0, units(2), units(1)},
	} {
		if d.String() != want {
			t.Errorf("%s, want %s", d, want)
		}
	}
}
