package inventory

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/gm"
)

// Service takes reports, inside the caller's transaction.
type Service struct {
	sealer *gm.Sealer
	now    func() time.Time
}

// New returns a service. now nil is time.Now.
func New(sealer *gm.Sealer, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{sealer, now}
}

// zone is the one time of the country (北京时间).
var zone = time.FixedZone("CST", 8*60*60)

// sealDetails is what details are sealed for.
const sealDetails = "inventory.details"

func clock(t time.Time) string { return t.In(zone).Format(time.DateTime) }

func dayOf(t time.Time) civil.Date { return civil.Of(t.In(zone)) }

// endOf is the last second of a day.
func endOf(day civil.Date) time.Time {
	return time.Date(day.Year(), time.Month(day.Month()), day.Day(), 23, 59, 59, 0, zone)
}

// Result is what came of a report.
type Result struct {
	Movement // as it was written or voided
	// Stock is what there is of the item with all that is reported, up to the
	// end of today. It is negative where reports are missing or wrong.
	Stock catalogue.Quantity
	// Twice is the kind of another report of the same number and item that
	// says the same, so that the goods count twice; 0 for none.
	Twice Kind
}

// Record writes what a provider reports. An *Error refuses a report that is
// not sound in itself, whose number was used before, that returns more than was
// bought or sold, or that names a visit or a settlement that is not the
// provider's.
func (s *Service) Record(ctx context.Context, tx *db.Tx, m Movement, actor string) (*Result, error) {
	m.Recorded, m.Voided = Act{s.now(), actor}, Act{}
	if m.Kind == Count {
		m.At = endOf(dayOf(m.At))
	}
	if err := m.sound(); err != nil {
		return nil, err
	}
	if err := lock(ctx, tx, m.Provider); err != nil {
		return nil, err
	}
	if err := m.link(ctx, tx); err != nil {
		return nil, err
	}
	var original int64
	var err error
	if m.Kind.Return() {
		original, err = m.returns(ctx, tx)
	} else if err = m.unused(ctx, tx, 0); err == nil && m.Kind == Count {
		err = m.counted(ctx, tx)
	}
	if err != nil {
		return nil, err
	}
	if err := s.write(ctx, tx, &m, original); err != nil {
		return nil, err
	}
	r := &Result{Movement: m}
	if r.Twice, err = m.twice(ctx, tx); err != nil {
		return nil, err
	}
	r.Stock, err = Stock(ctx, tx, m.Provider, m.ProviderItem, endOf(dayOf(m.Recorded.At)))
	return r, err
}

// lock makes the reports of a provider wait for each other: what they are held
// against may not change meanwhile.
func lock(ctx context.Context, tx *db.Tx, provider string) error {
	return tx.Lock(ctx, "inventory "+provider)
}

// sound refuses what needs nothing else to be seen as wrong.
func (m *Movement) sound() error {
	least, want := catalogue.Quantity(1), "应为正数"
	if m.Kind == Count {
		least, want = 0, "不能为负"
	}
	today := dayOf(m.Recorded.At)
	switch _, known := reasons[m.Reason]; {
	case m.Kind < Count || m.Kind > SaleReturn:
		return fmt.Errorf("inventory: kind %d", m.Kind)
	case m.Kind == Change && !known:
		return fmt.Errorf("inventory: reason %q", m.Reason)
	case m.Quantity < least:
		return &Error{"quantity", m.Quantity.String(), want + "；是入是出由业务类型决定"}
	case m.Quantity > MaxQuantity:
		return &Error{"quantity", m.Quantity.String(), "不能超过 " + MaxQuantity.String()}
	case m.Price < NoPrice:
		return fmt.Errorf("inventory: price %d", m.Price)
	case dayOf(m.At) > today:
		return &Error{"time", dayOf(m.At).String(), "晚于今天 " + today.String()}
	case m.Made != 0 && m.Expires != 0 && m.Expires < m.Made:
		return &Error{"expires", m.Expires.String(), "早于生产日期 " + m.Made.String()}
	case m.Settlement != "" && m.Payer == SelfPaid:
		return &Error{"settlement", m.Settlement, "自费的销售不应有医保结算"}
	}
	seen := map[string]bool{}
	for _, code := range m.Traces {
		if seen[code] {
			return &Error{"trace", code, "同一追溯码重复"}
		}
		seen[code] = true
	}
	return nil
}

// link finds the visit of a sale. It refuses a settlement and a visit of
// another provider, and those of two visits or two people.
func (m *Movement) link(ctx context.Context, tx *db.Tx) error {
	m.Visit = ""
	ofPerson := func(person string) error {
		if m.Person != "" && m.Person != person {
			return &Error{"person", m.Person, "与就诊登记的人员不符"}
		}
		m.Person = person
		return nil
	}
	if m.Settlement != "" {
		var person, provider string
		err := tx.QueryRow(ctx, `SELECT visit, person, provider FROM settlement WHERE id = ?`, m.Settlement).Scan(&m.Visit, &person, &provider)
		if db.IsNotFound(err) || err == nil && provider != m.Provider {
			return &Error{"settlement", m.Settlement, "本机构没有这笔结算"}
		}
		if err == nil {
			err = ofPerson(person)
		}
		if err != nil {
			return err
		}
	}
	if m.VisitNumber != "" {
		var person, provider string
		err := tx.QueryRow(ctx, `SELECT person, provider FROM visit WHERE id = ?`, m.VisitNumber).Scan(&person, &provider)
		switch {
		case db.IsNotFound(err): // a number of the provider's own
		case err != nil:
			return err
		case provider != m.Provider:
			return &Error{"visit", m.VisitNumber, "本机构没有这次就诊"}
		case m.Visit != "" && m.Visit != m.VisitNumber:
			return &Error{"visit", m.VisitNumber, "不是结算 " + m.Settlement + " 的就诊 " + m.Visit}
		default:
			m.Visit = m.VisitNumber
			if err := ofPerson(person); err != nil {
				return err
			}
		}
	}
	if m.Payer == Unstated && m.Visit != "" {
		m.Payer = Insured
	}
	return nil
}

// returns finds what is taken back, and refuses a return of other goods, a
// number that is used, and more than is left of it. The return is of the visit,
// the person and the payer of the sale.
func (m *Movement) returns(ctx context.Context, tx *db.Tx) (original int64, err error) {
	of, _ := m.Kind.family()
	if m.Original == "" {
		m.Original = m.Number
	}
	refused := func(want string) (int64, error) { return 0, &Error{"original", m.Original, want} }
	var item, providerItem, at, visit, person string
	var moved catalogue.Quantity
	var insured bool
	err = tx.QueryRow(ctx, `SELECT id, item, provider_item, at, quantity, visit, person, insured FROM inventory_movement
		WHERE provider = ? AND kind = ? AND number = ? AND voided = ''`, m.Provider, of, m.Original).
		Scan(&original, &item, &providerItem, &at, &moved, &visit, &person, &insured)
	switch {
	case db.IsNotFound(err):
		return refused("没有这个流水号的" + of.Title() + "，请先上传" + of.Title())
	case err != nil:
		return 0, err
	case item != m.Item || providerItem != m.ProviderItem:
		return refused("是商品 " + providerItem + "（" + item + "）的" + of.Title() + "，与退货的商品不同")
	case clock(m.At) < at:
		return 0, &Error{"time", clock(m.At), "早于所退" + of.Title() + "的时间 " + at}
	case m.Visit != "" && visit != "" && m.Visit != visit:
		return 0, &Error{"visit", m.Visit, "不是所退销售的就诊 " + visit}
	case m.Person != "" && person != "" && m.Person != person:
		return 0, &Error{"person", m.Person, "与所退销售的人员不符"}
	}
	if m.Visit == "" {
		m.Visit = visit
	}
	if m.Person == "" {
		m.Person = person
	}
	m.Payer = payer(insured)
	if err := m.unused(ctx, tx, original); err != nil {
		return 0, err
	}
	var back catalogue.Quantity
	if err := tx.QueryRow(ctx, `SELECT COALESCE(SUM(quantity), 0) FROM inventory_movement WHERE original = ? AND original <> 0 AND voided = ''`, original).Scan(&back); err != nil {
		return 0, err
	}
	// What moved and what came back have opposite signs.
	if left := max(moved+back, -moved-back); m.Quantity > left {
		return 0, &Error{"quantity", m.Quantity.String(), fmt.Sprintf("超过%s %s 可退的 %s（共 %s，已退 %s）", of.Title(), m.Original, left, max(moved, -moved), max(back, -back))}
	}
	return original, nil
}

func payer(insured bool) Payer {
	if insured {
		return Insured
	}
	return SelfPaid
}

// counted refuses a second count of one lot on one day. Counts of several lots
// add up.
func (m *Movement) counted(ctx context.Context, tx *db.Tx) error {
	var number string
	err := tx.QueryRow(ctx, `SELECT number FROM inventory_movement WHERE provider = ? AND provider_item = ? AND at = ? AND kind = 1 AND voided = ''
		AND lot = ? AND made = ? AND expires = ?`,
		m.Provider, m.ProviderItem, clock(m.At), m.Lot, m.Made, m.Expires).Scan(&number)
	if db.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return &Error{"lot", m.Lot, "商品 " + m.ProviderItem + " 的这一批 " + dayOf(m.At).String() + " 已盘存，流水号 " + number}
}

// unused refuses a number that a report of the same family has. Only a return
// may have the number of what it takes back, its original: which of the two a
// number means is then plain, for the return has to be voided first.
func (m *Movement) unused(ctx context.Context, tx *db.Tx, original int64) error {
	first, last := m.Kind.family()
	var kind Kind
	var recorded string
	err := tx.QueryRow(ctx, `SELECT kind, recorded FROM inventory_movement WHERE provider = ? AND kind IN (?, ?) AND number = ? AND voided = '' AND id <> ?
		ORDER BY kind LIMIT 1`, m.Provider, first, last, m.Number, original).Scan(&kind, &recorded)
	if db.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return &Error{"number", m.Number, "已于 " + recorded + " 用于上传的" + kind.Title() + "；上传有误的，请先删除"}
}

func (s *Service) write(ctx context.Context, tx *db.Tx, m *Movement, original int64) error {
	details, err := json.Marshal(m.Details)
	if err != nil {
		return err
	}
	m.ID = db.NextID()
	if err := tx.Exec(ctx, `INSERT INTO inventory_movement (id, provider, kind, number, reason, original, at, item, provider_item, name, quantity, price,
		lot, made, expires, producer, approval, supplier, prescription, opened, gift, person, visit, visit_number, settlement, insured, details, recorded, recorded_by)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		m.ID, m.Provider, m.Kind, m.Number, m.Reason, original, clock(m.At), m.Item, m.ProviderItem, m.Name, m.Effect(), m.Price,
		m.Lot, m.Made, m.Expires, m.Producer, m.Approval, m.Supplier, m.Prescription, m.Opened, m.Gift, m.Person, m.Visit, m.VisitNumber, m.Settlement,
		m.Payer == Insured, s.sealer.Seal(sealDetails, string(details)), clock(m.Recorded.At), m.Recorded.By); err != nil {
		return err
	}
	traces := make([][]any, len(m.Traces))
	for i, code := range m.Traces {
		traces[i] = []any{m.ID, i + 1, code}
	}
	if err := tx.Insert(ctx, `inventory_trace (movement, n, code)`, traces); err != nil {
		return err
	}
	return m.note(ctx, tx, "inventory.record", m.Recorded)
}

// note appends what was done to the audit record.
func (m *Movement) note(ctx context.Context, tx *db.Tx, action string, act Act) error {
	chain := ""
	if m.Person != "" {
		chain = audit.OfPerson(m.Person)
	}
	return audit.Append(ctx, tx, audit.Record{At: act.At, Actor: act.By, Action: action, Subject: m.Provider + " " + m.Number, Chain: chain,
		Details: map[string]any{"kind": m.Kind.Title(), "item": m.Item, "provider_item": m.ProviderItem, "quantity": m.Effect().String()}})
}

// twice finds the purchase or purchase return that a change reports again, or
// the change that reports this one.
func (m *Movement) twice(ctx context.Context, tx *db.Tx) (Kind, error) {
	other := Change
	switch m.Kind {
	case Change:
		if other = reasons[m.Reason].sameAs; other == 0 {
			return 0, nil
		}
	case Purchase, PurchaseReturn:
	default:
		return 0, nil
	}
	var reason Reason
	err := tx.QueryRow(ctx, `SELECT reason FROM inventory_movement WHERE provider = ? AND kind = ? AND number = ? AND provider_item = ? AND voided = ''`,
		m.Provider, other, m.Number, m.ProviderItem).Scan(&reason)
	switch {
	case db.IsNotFound(err):
		return 0, nil
	case err != nil:
		return 0, err
	case other == Change && reasons[reason].sameAs != m.Kind:
		return 0, nil
	}
	return other, nil
}

// VoidRequest says which report was wrong.
type VoidRequest struct {
	Provider string
	Kind     Kind   // a purchase or a sale stands for its returns too
	Number   string // 定点医药机构批次流水号
	Actor    string
}

// Void voids a report; the row stays, with who voided it and when. Where a
// purchase or a sale and a return of it have the same number, the return is
// voided. An *Error refuses what does not stand, and a purchase or a sale of
// which something was returned.
func (s *Service) Void(ctx context.Context, tx *db.Tx, q VoidRequest) (*Result, error) {
	if err := lock(ctx, tx, q.Provider); err != nil {
		return nil, err
	}
	first, last := q.Kind.family()
	found, err := s.read(ctx, tx, `m.provider = ? AND m.kind IN (?, ?) AND m.number = ? AND m.voided = '' ORDER BY m.kind DESC LIMIT 1`, q.Provider, first, last, q.Number)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, gone(ctx, tx, q)
	}
	m := found[0]
	var number string
	err = tx.QueryRow(ctx, `SELECT number FROM inventory_movement WHERE original = ? AND original <> 0 AND voided = '' ORDER BY id LIMIT 1`, m.ID).Scan(&number)
	if err == nil {
		return nil, &Error{"number", q.Number, "这笔" + m.Kind.Title() + "已有退货，流水号 " + number + "；请先删除退货"}
	}
	if !db.IsNotFound(err) {
		return nil, err
	}
	m.Voided = Act{s.now(), q.Actor}
	if err := tx.Exec(ctx, `UPDATE inventory_movement SET voided = ?, voided_by = ? WHERE id = ?`, clock(m.Voided.At), m.Voided.By, m.ID); err != nil {
		return nil, err
	}
	if err := m.note(ctx, tx, "inventory.void", m.Voided); err != nil {
		return nil, err
	}
	stock, err := Stock(ctx, tx, m.Provider, m.ProviderItem, endOf(dayOf(m.Voided.At)))
	return &Result{Movement: m, Stock: stock}, err
}

// gone says why there is nothing to void.
func gone(ctx context.Context, tx *db.Tx, q VoidRequest) error {
	first, last := q.Kind.family()
	var kind Kind
	var at string
	err := tx.QueryRow(ctx, `SELECT kind, voided FROM inventory_movement WHERE provider = ? AND number = ? AND kind IN (?, ?) AND voided <> '' ORDER BY voided DESC, id DESC LIMIT 1`,
		q.Provider, q.Number, first, last).Scan(&kind, &at)
	if db.IsNotFound(err) {
		return &Error{"number", q.Number, "本机构没有这个流水号的" + first.Title() + "记录"}
	}
	if err != nil {
		return err
	}
	return &Error{"number", q.Number, "这个流水号的" + kind.Title() + "记录已于 " + at + " 删除"}
}
