package settlement

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
)

// Fee is one fee line of a bill (费用明细).
type Fee struct {
	Serial       string // unique in the visit (费用明细流水号)
	Batch        string // 收费批次号
	Original     string // serial of the line that this one takes back
	Item         string // code in the catalogue (医疗目录编码)
	ProviderItem string // the provider's own code
	Time         time.Time
	Quantity     catalogue.Quantity // negative when taken back
	Price        int64              // unit price in 10^-6 yuan
	Amount       money.Fen
	OwnPay       bool   // the hospital did not approve a restricted item: full own pay
	Department   string // who ordered it (开单科室), and
	Doctor       string // which doctor (开单医师)
	Detail       FeeDetail
}

// FeeResult is what a fee line comes to.
type FeeResult struct {
	Fee
	Catalogued bool // the catalogue holds the item on that day
	Catalogue  catalogue.Item
	FirstPay   money.Rate // that applies
	Split      policy.LineSplit
	Warning    string // in Chinese
}

// AddFees records fee lines of a visit and says how each divides.
func (s *Service) AddFees(ctx context.Context, tx *db.Tx, visit, prov string, fees []Fee, actor string) ([]FeeResult, error) {
	seen, _, err := s.GetVisit(ctx, tx, visit) // to know whom to wait for
	if err != nil {
		return nil, err
	}
	if err := s.Expect(ctx, tx, visit, seen.Person, true); err != nil {
		return nil, err
	}
	v, err := s.openVisit(ctx, tx, visit, "", prov)
	if err != nil {
		return nil, err
	}
	care, err := s.provider(ctx, tx, v.Provider, dayOf(v.Begun))
	if err != nil {
		return nil, err
	}
	who, err := s.person(ctx, tx, v)
	if err != nil {
		return nil, err
	}
	n := 0
	known := map[string]bool{}
	err = tx.Later(ctx, func(rows *db.Rows) error {
		var serial string
		var at int
		err := rows.Scan(&serial, &at)
		known[serial] = true
		n = max(n, at)
		return err
	}, `SELECT serial, n FROM fee WHERE visit = ?`, visit)
	if err == nil {
		err = audit.Expect(ctx, tx, audit.OfPerson(v.Person))
	}
	for i := 0; i < len(fees) && err == nil; i++ {
		err = catalogue.Expect(ctx, tx, care.Region, dayOf(fees[i].Time), fees[i].Item)
	}
	if err = errors.Join(err, tx.Flush(ctx)); err != nil {
		return nil, err
	}
	out := make([]FeeResult, 0, len(fees))
	rows := make([][]any, 0, len(fees))
	var details [][]any
	for i, f := range fees {
		if known[f.Serial] {
			return nil, at(&Error{"serial", f.Serial, "本次就诊已有这个明细流水号"}, i)
		}
		known[f.Serial] = true
		if f.Quantity < 0 && len(rows) > 0 { // it may take back one of these
			if err := tx.Insert(ctx, "fee (visit, "+feeColumns+")", rows); err != nil {
				return nil, err
			}
			rows = rows[:0:0]
		}
		r, err := s.price(ctx, tx, v, who, care, f)
		if err != nil {
			return nil, at(err, i)
		}
		n++
		rows = append(rows, []any{visit, f.Serial, n, f.Batch, f.Original, f.Item, f.ProviderItem, r.Catalogue.Name, int(dayOf(f.Time)), int64(f.Quantity), f.Price, int64(f.Amount),
			r.Catalogue.Class, int64(r.FirstPay), int64(r.Catalogue.UnitCeiling), f.Department, f.Doctor, stamp(f.Time)})
		out = append(out, r)
		detail, err := detailRow(visit, &f)
		if err != nil {
			return nil, err
		}
		if detail != nil {
			details = append(details, detail)
		}
	}
	err = errors.Join(tx.Insert(ctx, "fee (visit, "+feeColumns+")", rows),
		tx.Insert(ctx, "fee_detail (visit, serial, settlement, document)", details))
	if err != nil {
		return nil, err
	}
	return out, audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: actor, Chain: audit.OfPerson(v.Person), Action: "visit.fees", Subject: visit, Details: map[string]int{"lines": len(fees)}})
}

// feeColumns are what a fee line is, without its visit.
//
// unsettled is the condition that a fee f is not settled, and settledBy reads
// the fees f that a settlement of a visit settled.
const (
	feeColumns = "serial, n, batch, original, item, provider_item, name, day, quantity, price, amount, class, first_pay, unit_ceiling, department, doctor, at"
	unsettled  = `NOT EXISTS (SELECT 1 FROM settled d WHERE d.visit = f.visit AND f.n >= d.first AND f.n <= d.last)`
	settledBy  = `FROM settled d JOIN fee f ON f.visit = d.visit AND f.n >= d.first AND f.n <= d.last WHERE d.visit = ? AND d.settlement = ?`
)

// at makes a line's error name the line, counted from 1.
func at(err error, i int) error {
	if e, ok := err.(*Error); ok {
		return &Error{fmt.Sprintf("fees[%d].%s", i+1, e.Field), e.Value, e.Want}
	}
	return err
}

// provider finds a provider as it stood on the day on which a visit began: who was
// admitted while an agreement held is settled under it.
func (s *Service) provider(ctx context.Context, tx *db.Tx, code string, day civil.Date) (provider.Provider, error) {
	p, ok, err := provider.Get(ctx, tx, code)
	if err == nil && !ok {
		err = &Error{"provider", code, "没有登记这个医药机构"}
	}
	return p.On(day), err
}

// person is the person of a visit.
func (s *Service) person(ctx context.Context, tx *db.Tx, v Visit) (enrolment.Person, error) {
	p, ok, err := s.register.ByID(ctx, tx, v.Person)
	if err == nil && !ok {
		err = fmt.Errorf("visit %s is of a person %s who is not registered", v.ID, v.Person)
	}
	return p, err
}

// price checks one fee line and divides it by the care region's catalogue.
func (s *Service) price(ctx context.Context, tx *db.Tx, v Visit, person enrolment.Person, care provider.Provider, f Fee) (FeeResult, error) {
	r := FeeResult{Fee: f}
	switch {
	case f.Serial == "":
		return r, &Error{"serial", "", "须填写费用明细流水号"}
	case f.Quantity == 0:
		return r, &Error{"quantity", f.Quantity.String(), "数量不能为零"}
	case f.Price < 0:
		return r, &Error{"price", "", "单价不能为负；退费以负的数量表示"}
	}
	want, why := Multiply(f.Quantity, f.Price), "应等于数量 × 单价 ＝ "
	if f.Quantity < 0 {
		left, err := s.takesBack(ctx, tx, v.ID, f)
		if err != nil {
			return r, err
		}
		// The last part taken back is what is left of the amount: the parts,
		// rounded one by one, need not sum to the whole.
		if f.Quantity == -left.quantity {
			want, why = -left.amount, "退完原费用明细，应等于其剩余金额 "
		}
		if f.Amount == want && -f.Amount > left.amount {
			return r, &Error{"amount", f.Amount.String(), "超过原费用明细可退的金额 " + left.amount.String()}
		}
	}
	if f.Amount != want {
		return r, &Error{"amount", f.Amount.String(), why + want.String()}
	}
	day := dayOf(f.Time)
	if !v.Ended.IsZero() && day > dayOf(v.Ended) {
		return r, &Error{"time", day.String(), "晚于出院日 " + dayOf(v.Ended).String() + "；出院日登记有误的，请先撤销出院办理"}
	}
	it, ok, err := catalogue.Find(ctx, tx, care.Region, day, f.Item)
	if err != nil {
		return r, err
	}
	if !ok {
		it = catalogue.Item{Code: f.Item, Name: f.ProviderItem, Class: policy.ClassC, FirstPay: policy.FirstPayUnstated, UnitCeiling: policy.NoCeiling, Charge: "14"}
		r.Warning = "目录编码「" + f.Item + "」在" + day.String() + "不在就医地目录内，按全自费处理"
	}
	if f.OwnPay && it.Class != policy.ClassC {
		it.Class = policy.ClassC
		r.Warning = "未经医院审批，按全自费处理"
	}
	r.Catalogued, r.Catalogue = ok, it
	q, a := f.Quantity, f.Amount
	if q < 0 {
		q, a = -q, -a
	}
	line := policy.Line{Name: it.Name, Class: it.Class, Amount: a, FirstPay: it.FirstPay, Ceiling: it.Ceiling(q), Date: day}
	c := policy.Case{Region: person.Region, CareRegion: care.Region, Date: day, Scheme: v.Scheme, Level: care.Level}
	if _, err := s.store.At(c.Region, day); err != nil {
		c.Date = dayOf(s.now()) // a fee from before the first package: it is settled under one of now
	}
	if r.Split, err = s.store.SplitLine(&c, &line); err != nil {
		return r, inputError(err)
	}
	r.FirstPay = it.FirstPay
	if it.Class == policy.ClassB && it.FirstPay < 0 && a > r.Split.OverCeiling {
		// The package's ratio applies; keep it on the line as it holds today.
		probe := policy.Line{Class: policy.ClassB, Amount: 100_000_000, FirstPay: policy.FirstPayUnstated, Ceiling: policy.NoCeiling}
		split, err := s.store.SplitLine(&c, &probe)
		if err != nil {
			return r, inputError(err)
		}
		r.FirstPay = money.Rate(split.FirstOwnPay)
	}
	if f.Quantity < 0 {
		r.Split.FullOwnPay, r.Split.OverCeiling = -r.Split.FullOwnPay, -r.Split.OverCeiling
		r.Split.FirstOwnPay, r.Split.InScope = -r.Split.FirstOwnPay, -r.Split.InScope
	}
	return r, nil
}

// remainder is what has not been taken back of a fee line.
type remainder struct {
	quantity catalogue.Quantity
	amount   money.Fen
}

// takesBack checks that a negative line takes back no more than is left of
// the line it names, and says what is left before it.
func (s *Service) takesBack(ctx context.Context, tx *db.Tx, visit string, f Fee) (left remainder, err error) {
	if f.Original == "" {
		return left, &Error{"original", "", "数量为负的退费明细须写明原费用流水号"}
	}
	var item string
	var price int64
	err = tx.QueryRow(ctx, `SELECT item, price, quantity, amount FROM fee f WHERE visit = ? AND serial = ? AND quantity > 0 AND `+unsettled, visit, f.Original).
		Scan(&item, &price, &left.quantity, &left.amount)
	if db.IsNotFound(err) {
		return left, &Error{"original", f.Original, "本次就诊没有这条未结算的原费用明细"}
	}
	if err != nil {
		return left, err
	}
	var back remainder
	if err := tx.QueryRow(ctx, `SELECT COALESCE(SUM(quantity), 0), COALESCE(SUM(amount), 0) FROM fee WHERE visit = ? AND original = ? AND quantity < 0`, visit, f.Original).
		Scan(&back.quantity, &back.amount); err != nil {
		return left, err
	}
	left.quantity += back.quantity
	left.amount += back.amount
	switch {
	case item != f.Item || price != f.Price:
		return left, &Error{"item", f.Item, "与原费用明细的项目或单价不符"}
	case -f.Quantity > left.quantity:
		return left, &Error{"quantity", f.Quantity.String(), "超过原费用明细可退的数量 " + left.quantity.String()}
	}
	return left, nil
}

// Multiply is quantity × unit price, rounded half up to the fen.
func Multiply(q catalogue.Quantity, price int64) money.Fen {
	neg := q < 0
	if neg {
		q = -q
	}
	v := money.Fen(q).Mul(money.Rate(max(price, 0))) // 10^-4 × 10^-6 yuan, in fen
	if neg {
		return -v
	}
	return v
}

// netLine is a fee line with what was taken back of it.
type netLine struct {
	policy.Line
	serial   string
	numbers  []int // of the fee and of those that take back from it
	batch    string
	quantity catalogue.Quantity
	item     catalogue.Item
}

// A feeRow is an unsettled fee line as it is stored.
type feeRow struct {
	netLine
	original string
	n        int
}

// laterFees reads the unsettled fee lines of a visit.
func laterFees(ctx context.Context, tx *db.Tx, into *[]feeRow, visit string) error {
	return tx.Later(ctx, func(rs *db.Rows) error {
		var l feeRow
		err := rs.Scan(&l.serial, &l.n, &l.original, &l.batch, &l.Name, &l.Date, &l.quantity, &l.Amount, &l.Class, &l.FirstPay, &l.item.UnitCeiling)
		*into = append(*into, l)
		return err
	}, `SELECT serial, n, original, batch, name, day, quantity, amount, class, first_pay, unit_ceiling FROM fee f
		WHERE visit = ? AND `+unsettled+` ORDER BY n`, visit)
}

// netFees are the unsettled lines of one batch or of all, up to a day or all,
// and what they sum to. A line taken back counts with the line that it takes from, whatever
// batch it came in. Lines taken back whole stay, with amount zero.
func (r *snapshot) netFees(batch string, until civil.Date) (lines []netLine, total money.Fen, err error) {
	all := make([]netLine, 0, len(r.fees))
	index := make(map[string]int, len(r.fees))
	for _, f := range r.fees {
		if f.quantity > 0 {
			f.numbers = []int{f.n}
			index[f.serial] = len(all)
			all = append(all, f.netLine)
			continue
		}
		i, ok := index[f.original]
		if !ok {
			return nil, 0, fmt.Errorf("fee %s takes back %s, which is not there", f.serial, f.original)
		}
		all[i].quantity += f.quantity
		all[i].Amount += f.Amount
		all[i].numbers = append(all[i].numbers, f.n)
	}
	for _, l := range all {
		if batch != "" && l.batch != batch || until != 0 && l.Date > until {
			continue
		}
		l.Ceiling = l.item.Ceiling(l.quantity)
		total += l.Amount
		lines = append(lines, l)
	}
	return lines, total, nil
}
