package account

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// Reason is why an account is closed (销户原因).
type Reason string

// The reasons for which an account is paid out. There are no others: money in
// an account is for care (不得提现).
const (
	Death      Reason = "death"      // 死亡，余额由继承人继承
	Emigration Reason = "emigration" // 出国（境）定居
	Transfer   Reason = "transfer"   // 医保关系转移到其他统筹区
)

var reasonTitles = map[Reason]string{Death: "死亡继承", Emigration: "出国（境）定居", Transfer: "关系转移"}

// Title is the reason in Chinese.
func (r Reason) Title() string { return reasonTitles[r] }

// Heir is who gets what is left in an account (继承人).
type Heir struct {
	Person string    `json:"person,omitempty"` // person number; of one who has an account here, it goes there
	Name   string    `json:"-"`                // of one who is not registered; never kept in the clear
	Amount money.Fen `json:"fen"`
	Paid   string    `json:"paid"` // account or bank
}

// Closing asks to close an account (个人账户清退).
type Closing struct {
	Person string
	Reason Reason
	Day    civil.Date // of the death, or from which the person is gone
	Heirs  []Heir     // of a death; the amounts sum to the balance
	To     string     // of a transfer: the region that takes the money over
	Actor  string
}

// Closed is a closed account.
type Closed struct {
	Person string
	Reason Reason
	Paid   money.Fen
	Heirs  []Heir
}

// Close settles an account and closes it: of the dead to their heirs (into their
// own accounts where they have one here, else from the bank), of who leaves the
// country from the bank, of who moves to the region that takes them over. Grants
// to and by the person end. Insurance ends on the day; after a death no fund
// pays.
func (s *Service) Close(ctx context.Context, tx *db.Tx, q Closing) (*Closed, error) {
	today := s.today()
	switch {
	case q.Reason.Title() == "":
		return nil, &Error{"reason", string(q.Reason), "个人账户不得提取现金，只在死亡（death）、出国（境）定居（emigration）或关系转移（transfer）时清退"}
	case q.Day == 0 || q.Day > today:
		return nil, &Error{"day", q.Day.String(), "应为今天或以前的日子"}
	case q.Reason != Death && len(q.Heirs) > 0:
		return nil, &Error{"heirs", "", q.Reason.Title() + "没有继承人"}
	case (q.Reason == Transfer) != (q.To != ""):
		return nil, &Error{"to", q.To, "关系转移须写明转入的统筹区，其他原因不写"}
	}
	// All whose accounts move are held, always in the same order.
	people := []string{q.Person}
	for _, h := range q.Heirs {
		if h.Person == q.Person {
			return nil, &Error{"heirs", h.Person, "不能是本人"}
		}
		if h.Person != "" {
			people = append(people, h.Person)
		}
	}
	held, err := s.holdAll(ctx, tx, people)
	if err != nil {
		return nil, err
	}
	who := held[q.Person]
	if q.To == who.Region {
		return nil, &Error{"to", q.To, "就是现在的参保地"}
	}
	if err := s.open(ctx, tx, q.Person); err != nil {
		return nil, err
	}
	balance, err := fund.Balance(ctx, tx, fund.PersonAccount(q.Person))
	if err != nil {
		return nil, err
	}
	out := &Closed{Person: q.Person, Reason: q.Reason, Paid: balance, Heirs: q.Heirs}
	postings := []fund.Posting{{Account: fund.PersonAccount(q.Person), Amount: -balance}}
	switch q.Reason {
	case Death:
		var sum money.Fen
		for i := range out.Heirs {
			h := &out.Heirs[i]
			if h.Amount <= 0 {
				return nil, &Error{"heirs", h.Amount.String(), "每位继承人的金额应大于零"}
			}
			sum += h.Amount
			to := fund.Bank(who.Region)
			h.Paid = "bank"
			if h.Person != "" && held[h.Person].Region == who.Region {
				has, err := hasAccount(ctx, tx, h.Person)
				if err != nil {
					return nil, err
				}
				if has {
					to, h.Paid = fund.PersonAccount(h.Person), "account"
				}
			}
			postings = append(postings, fund.Posting{Account: to, Amount: h.Amount})
		}
		if sum != balance {
			return nil, &Error{"heirs", sum.String(), "各继承人的金额之和应等于账户余额 " + balance.String()}
		}
	case Transfer:
		postings = append(postings, fund.Posting{Account: fund.Moved(who.Region, q.To), Amount: balance})
	default:
		postings = append(postings, fund.Posting{Account: fund.Bank(who.Region), Amount: balance})
	}
	if err := fund.Post(ctx, tx, fund.Entry{At: s.now(), Kind: "account.close", Ref: "close:" + q.Person, Postings: postings}); err != nil {
		return nil, err
	}
	if err := tx.Exec(ctx, `UPDATE family_aid SET ended_at = ? WHERE (owner = ? OR beneficiary = ?) AND ended_at = ''`, s.clock(), q.Person, q.Person); err != nil {
		return nil, err
	}
	status := policy.Terminated
	if q.Reason == Death {
		status = policy.Deceased
	}
	if err := enrolment.End(ctx, tx, q.Person, q.Day, enrolment.Insurance{Status: status, Reason: q.Reason.Title()}); err != nil {
		return nil, err
	}
	parts, err := json.Marshal(out.Heirs)
	if err != nil {
		return nil, err
	}
	if err := tx.Exec(ctx, `INSERT INTO account_closed (person, day, at, actor, reason, paid, parts, place) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		q.Person, int(q.Day), s.clock(), q.Actor, string(q.Reason), int64(balance), string(parts), q.To); err != nil {
		return nil, err
	}
	return out, s.record(ctx, tx, q.Person, q.Actor, "close", map[string]string{"reason": string(q.Reason), "paid": balance.String(), "to": q.To})
}

// holdAll holds several people, always in the same order.
func (s *Service) holdAll(ctx context.Context, tx *db.Tx, people []string) (map[string]enrolment.Person, error) {
	out := map[string]enrolment.Person{}
	slices.Sort(people)
	for _, id := range slices.Compact(people) {
		p, err := s.hold(ctx, tx, "person", id)
		if err != nil {
			return nil, err
		}
		out[id] = p
	}
	return out, nil
}

// open refuses what is done with a closed account.
func (s *Service) open(ctx context.Context, tx *db.Tx, person string) error {
	var reason Reason
	var day civil.Date
	err := tx.QueryRow(ctx, `SELECT reason, day FROM account_closed WHERE person = ?`, person).Scan(&reason, &day)
	if db.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return &Error{"person", person, fmt.Sprintf("个人账户已于 %s 因%s清退", day, reason.Title())}
}

func hasAccount(ctx context.Context, tx *db.Tx, person string) (bool, error) {
	all, err := enrolment.Timeline(ctx, tx, person)
	for _, i := range all {
		if i.Scheme == policy.Employee {
			return true, err
		}
	}
	return false, err
}

// Verify proves that closed accounts hold nothing but what came back since, and
// that what family members' accounts paid is of settlements that are there.
func Verify(ctx context.Context, tx *db.Tx) error {
	for what, query := range map[string]string{
		"a use of a family member's account is of settlement": `SELECT settlement FROM family_aid_use WHERE settlement NOT LIKE 'wallet%' AND NOT EXISTS (SELECT 1 FROM settlement s WHERE s.id = family_aid_use.settlement) ORDER BY settlement LIMIT 1`,
		"a use for a contribution is without its entry:":      `SELECT settlement FROM family_aid_use WHERE settlement LIKE 'wallet%' AND NOT EXISTS (SELECT 1 FROM entry e WHERE e.ref = family_aid_use.settlement) ORDER BY settlement LIMIT 1`,
		"a closed account is without its entry: person":       `SELECT person FROM account_closed WHERE paid <> 0 AND NOT EXISTS (SELECT 1 FROM entry e WHERE e.ref = 'close:' || account_closed.person) ORDER BY person LIMIT 1`,
	} {
		var id string
		err := tx.QueryRow(ctx, query).Scan(&id)
		if err == nil {
			return fmt.Errorf("%s %s", what, id)
		}
		if !db.IsNotFound(err) {
			return err
		}
	}
	return nil
}
