// Package enrolment is the register of people and their insurance (参保): who
// they are, what they are insured in on a day, and what was recognised or
// filed for them.
package enrolment

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/policy"
)

// Person is an insured person (参保人).
type Person struct {
	ID        string // 人员编号, says nothing about the citizen ID
	Name      string
	CitizenID string // 公民身份号码; sealed at rest
	Female    bool
	Birth     civil.Date
	Region    string // insured region (参保地)
	Employer  string
	Phone     string // 手机号, "" if unknown; sealed at rest
	Ethnicity string // 民族, two digits of GB/T 3304, "" if unknown
	// CardSerial is the serial of the social security card (卡识别码), "" if
	// unknown. Only Add reads it: what is kept is its digest, for HasCardSerial.
	CardSerial string

	serialDigest string
}

// HasCardSerial reports whether the person's card has the serial. Of a person
// whose card's serial is not known, every serial may be.
func (r *Register) HasCardSerial(p Person, serial string) bool {
	return p.serialDigest == "" || p.serialDigest == string(r.serialIndex(serial))
}

// serialIndex is the digest of a card's serial, which is hexadecimal.
func (r *Register) serialIndex(serial string) []byte {
	return r.sealer.Index(sealSerial, strings.ToUpper(serial))
}

// Insurance is one spell of insurance in a scheme.
type Insurance struct {
	Scheme       policy.Scheme
	From, To     civil.Date // To 0: open
	Retired      bool
	Status       policy.InsuredStatus
	BenefitsFrom civil.Date // first day of benefits; 0: from the start
	Reason       string
}

// ArrearsMonths is how many whole months have gone unpaid by the day, 0 unless
// the spell is one of arrears (欠费月数).
func (i Insurance) ArrearsMonths(day civil.Date) int {
	if i.Status != policy.Arrears || day < i.From {
		return 0
	}
	n := (day.Year()-i.From.Year())*12 + day.Month() - i.From.Month()
	if i.From.AddMonths(n) > day {
		n--
	}
	return n
}

// Filing is a filing for care away from home (异地就医备案).
type Filing struct {
	Region   string
	Kind     policy.Filing
	From, To civil.Date
}

// SpecialDisease is a recognised chronic or special disease (门诊慢特病).
type SpecialDisease struct {
	Code, Name string
	Special    bool // 特殊病 rather than 慢性病
	From, To   civil.Date
}

// Class is a class of person that somebody recognised (人员类别).
type Class struct {
	Name      string
	From, To  civil.Date
	Authority string // 认定机关
}

// Register reads and writes people. Their citizen IDs are sealed by its key.
type Register struct{ sealer *gm.Sealer }

// Sealer is what the register seals personal data with, for rooms that keep
// such data beside it.
func (r *Register) Sealer() *gm.Sealer { return r.sealer }

// New returns a register that seals with s.
func New(s *gm.Sealer) *Register { return &Register{s} }

// The purposes for which fields are sealed and indexed.
const (
	sealID     = "person.citizen_id"
	sealCard   = "person.card"
	sealSerial = "person.card_serial"
	sealPhone  = "person.phone"
)

// Add registers a person. An empty ID is filled with a random one.
func (r *Register) Add(ctx context.Context, tx *db.Tx, p *Person) error {
	e := r.Ready(*p)
	*p = e.Person
	tx.Keep(personKey(p.ID), nil)
	return tx.Exec(ctx, `INSERT INTO `+personColumns+` VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, e.row...)
}

const personColumns = `person (id, name, citizen_id, id_digest, card_digest, female, birth, region, employer, phone, phone_digest, ethnicity, card_serial_digest)`

// Entry is a person made ready to be registered, all that is sealed being sealed.
type Entry struct {
	Person
	Digest string // by which Known finds the citizen ID
	row    []any
}

// Ready makes a person ready to be registered. An empty ID is filled with a
// random one.
func (r *Register) Ready(p Person) Entry {
	if p.ID == "" {
		p.ID = random(10)
	}
	var phone, phoneDigest, serialDigest []byte
	if p.CardSerial != "" {
		serialDigest = r.serialIndex(p.CardSerial)
		p.serialDigest = string(serialDigest)
	}
	if p.Phone != "" {
		phone, phoneDigest = r.sealer.Seal(sealPhone, p.Phone), r.sealer.Index(sealPhone, p.Phone)
	}
	digest := r.sealer.Index(sealID, p.CitizenID)
	return Entry{p, string(digest), []any{p.ID, p.Name, r.sealer.Seal(sealID, p.CitizenID), digest, r.sealer.Index(sealCard, "C"+p.CitizenID),
		p.Female, int(p.Birth), p.Region, p.Employer, phone, phoneDigest, p.Ethnicity, serialDigest}}
}

// AddAll registers many people at once.
func (r *Register) AddAll(ctx context.Context, tx *db.Tx, all []Entry) error {
	rows := make([][]any, len(all))
	for i := range all {
		rows[i] = slices.Clone(all[i].row)
	}
	return tx.Insert(ctx, personColumns, rows)
}

// crowd is how many people one question asks for.
const crowd = 250

// Digest is by what Known finds a citizen ID.
func (r *Register) Digest(citizenID string) string { return string(r.sealer.Index(sealID, citizenID)) }

// Known finds those of the digests that are registered: their person number,
// name and region.
func (r *Register) Known(ctx context.Context, tx *db.Tx, digests []string) (map[string]Person, error) {
	out := map[string]Person{}
	query := `SELECT id_digest, id, name, region FROM person WHERE id_digest IN (?` + strings.Repeat(`, ?`, crowd-1) + `)`
	for part := range slices.Chunk(digests, crowd) {
		keys := make([]any, crowd)
		for i := range keys {
			keys[i] = []byte(part[min(i, len(part)-1)])
		}
		err := tx.Later(ctx, func(rows *db.Rows) error {
			var digest []byte
			var p Person
			err := rows.Scan(&digest, &p.ID, &p.Name, &p.Region)
			out[string(digest)] = p
			return err
		}, query, keys...)
		if err != nil {
			return nil, err
		}
	}
	return out, tx.Flush(ctx)
}

// InsurancesOf lists all the insurance of many people, oldest first.
func InsurancesOf(ctx context.Context, tx *db.Tx, people []string) (map[string][]Insurance, error) {
	out := map[string][]Insurance{}
	query := `SELECT person, scheme, from_day, to_day, retired, status, benefits_from, reason FROM insurance WHERE person IN (?` + strings.Repeat(`, ?`, crowd-1) + `) ORDER BY person, from_day`
	for part := range slices.Chunk(people, crowd) {
		keys := make([]any, crowd)
		for i := range keys {
			keys[i] = part[min(i, len(part)-1)]
		}
		err := tx.Later(ctx, func(rows *db.Rows) error {
			var person string
			var i Insurance
			err := rows.Scan(&person, &i.Scheme, &i.From, &i.To, &i.Retired, &i.Status, &i.BenefitsFrom, &i.Reason)
			out[person] = append(out[person], i)
			return err
		}, query, keys...)
		if err != nil {
			return nil, err
		}
	}
	return out, tx.Flush(ctx)
}

// InsureAll adds spells of insurance of many people at once.
func InsureAll(ctx context.Context, tx *db.Tx, spells []Spell) error {
	rows := make([][]any, len(spells))
	for n, x := range spells {
		rows[n] = []any{x.Person, x.Scheme, int(x.From), int(x.To), x.Retired, x.Status, int(x.BenefitsFrom), x.Reason}
	}
	return tx.Insert(ctx, "insurance (person, scheme, from_day, to_day, retired, status, benefits_from, reason)", rows)
}

// Spell is one spell of insurance of a person.
type Spell struct {
	Person string
	Insurance
}

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// The ways to find a person; ok is false if there is none.

// ByID finds a person by the person number (人员编号).
func (r *Register) ByID(ctx context.Context, tx *db.Tx, id string) (Person, bool, error) {
	found, ok := tx.Kept(personKey(id)).(*[]Person)
	if !ok {
		if err := r.Expect(ctx, tx, id); err != nil {
			return Person{}, false, err
		}
		found = tx.Kept(personKey(id)).(*[]Person)
	}
	if err := tx.Flush(ctx); err != nil {
		return Person{}, false, err
	}
	if len(*found) == 0 {
		return Person{}, false, nil
	}
	return (*found)[0], true, nil
}

type personKey string

// Expect makes ready for ByID: it reads the person together with what else the
// transaction reads.
func (r *Register) Expect(ctx context.Context, tx *db.Tx, id string) error {
	found := new([]Person)
	tx.Keep(personKey(id), found)
	return r.people(ctx, tx, found, "id", id, "")
}

// ExpectAlone is Expect that makes the transactions that decide upon the person
// happen one after the other: what is read after it holds until the
// transaction ends.
func (r *Register) ExpectAlone(ctx context.Context, tx *db.Tx, id string) error {
	found := new([]Person)
	tx.Keep(personKey(id), found)
	return r.people(ctx, tx, found, "id", id, db.ForNoKeyUpdate)
}

// Expected reports whether the person was read, or will be at the next flush.
func (r *Register) Expected(tx *db.Tx, id string) bool { return tx.Kept(personKey(id)) != nil }

// ByCitizenID finds a person by citizen ID.
func (r *Register) ByCitizenID(ctx context.Context, tx *db.Tx, id string) (Person, bool, error) {
	return r.find(ctx, tx, "id_digest", r.sealer.Index(sealID, id))
}

// ByCard finds a person by the number of the social-security card (社会保障卡).
func (r *Register) ByCard(ctx context.Context, tx *db.Tx, card string) (Person, bool, error) {
	return r.find(ctx, tx, "card_digest", r.sealer.Index(sealCard, card))
}

// ByPhone lists the people of a phone number: a family may share one.
func (r *Register) ByPhone(ctx context.Context, tx *db.Tx, phone string) ([]Person, error) {
	var out []Person
	err := r.people(ctx, tx, &out, "phone_digest", r.sealer.Index(sealPhone, phone), "")
	return out, errors.Join(err, tx.Flush(ctx))
}

// find is for columns that hold every value once.
func (r *Register) find(ctx context.Context, tx *db.Tx, column string, key any) (Person, bool, error) {
	var all []Person
	if err := errors.Join(r.people(ctx, tx, &all, column, key, ""), tx.Flush(ctx)); err != nil || len(all) == 0 {
		return Person{}, false, err
	}
	return all[0], true, nil
}

// people reads, at the next flush, those with the key in the column, and holds
// them if the lock says so.
func (r *Register) people(ctx context.Context, tx *db.Tx, out *[]Person, column string, key any, lock string) error {
	return tx.Later(ctx, func(rows *db.Rows) error {
		var p Person
		var citizenID, phone, serialDigest []byte
		err := rows.Scan(&p.ID, &p.Name, &citizenID, &p.Female, &p.Birth, &p.Region, &p.Employer, &phone, &p.Ethnicity, &serialDigest)
		if err != nil {
			return err
		}
		p.serialDigest = string(serialDigest)
		if p.CitizenID, err = r.sealer.Open(sealID, citizenID); err != nil {
			return fmt.Errorf("citizen ID of person %s: %w", p.ID, err)
		}
		if phone != nil {
			if p.Phone, err = r.sealer.Open(sealPhone, phone); err != nil {
				return fmt.Errorf("phone of person %s: %w", p.ID, err)
			}
		}
		*out = append(*out, p)
		return nil
	}, `SELECT id, name, citizen_id, female, birth, region, employer, phone, ethnicity, card_serial_digest FROM person WHERE `+column+` = ? ORDER BY id`+lock, key)
}

// AddInsurance adds a spell of insurance.
func AddInsurance(ctx context.Context, tx *db.Tx, person string, i Insurance) error {
	return tx.Exec(ctx, `INSERT INTO insurance (person, scheme, from_day, to_day, retired, status, benefits_from, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		person, i.Scheme, int(i.From), int(i.To), i.Retired, i.Status, int(i.BenefitsFrom), i.Reason)
}

// AddClass adds a recognised class of person.
func AddClass(ctx context.Context, tx *db.Tx, person string, c Class) error {
	return tx.Exec(ctx, `INSERT INTO person_class (person, class, from_day, to_day, authority) VALUES (?, ?, ?, ?, ?)`, person, c.Name, int(c.From), int(c.To), c.Authority)
}

// AddFiling adds a filing for care away from home.
func AddFiling(ctx context.Context, tx *db.Tx, person string, f Filing) error {
	return tx.Exec(ctx, `INSERT INTO filing (person, region, kind, from_day, to_day) VALUES (?, ?, ?, ?, ?)`, person, f.Region, f.Kind, int(f.From), int(f.To))
}

// AddSpecialDisease adds a recognised chronic or special disease.
func AddSpecialDisease(ctx context.Context, tx *db.Tx, person string, d SpecialDisease) error {
	return tx.Exec(ctx, `INSERT INTO special_disease (person, code, name, special, from_day, to_day) VALUES (?, ?, ?, ?, ?, ?)`, person, d.Code, d.Name, d.Special, int(d.From), int(d.To))
}

const onDay = ` AND from_day <= ? AND (to_day = 0 OR to_day >= ?)`

// Insurances lists a person's insurance on a day, the employee scheme first.
func Insurances(ctx context.Context, tx *db.Tx, person string, day civil.Date) ([]Insurance, error) {
	var out []Insurance
	err := LaterInsurances(ctx, tx, &out, person, day)
	return out, errors.Join(err, tx.Flush(ctx))
}

// LaterInsurances reads what Insurances does together with what else the transaction reads.
func LaterInsurances(ctx context.Context, tx *db.Tx, out *[]Insurance, person string, day civil.Date) error {
	return tx.Later(ctx, func(rows *db.Rows) error {
		var i Insurance
		if err := rows.Scan(&i.Scheme, &i.From, &i.To, &i.Retired, &i.Status, &i.BenefitsFrom, &i.Reason); err != nil {
			return err
		}
		if i.Status == policy.Normal && i.BenefitsFrom > day {
			i.Status = policy.Waiting
		}
		*out = append(*out, i)
		return nil
	}, `SELECT scheme, from_day, to_day, retired, status, benefits_from, reason FROM insurance WHERE person = ?`+onDay+` ORDER BY scheme, from_day DESC`, person, int(day), int(day))
}

// StatusOn is the insurance that counts on a day; NotInsured if there is none.
func StatusOn(ctx context.Context, tx *db.Tx, person string, day civil.Date) (Insurance, error) {
	all, err := Insurances(ctx, tx, person, day)
	return Counting(all), err
}

// standing orders states by how far a spell in them counts before another.
var standing = [...]int{policy.Deceased: 0, policy.Normal: 1, policy.Waiting: 2, policy.Arrears: 2, policy.Suspended: 2, policy.Terminated: 3, policy.NotInsured: 3}

// Counting is, of a person's insurance on one day, that which counts: one in
// force before one that waits, stands still or has ended, and of two alike the
// employees' (重复参保从职工). It is NotInsured if there is none.
func Counting(all []Insurance) Insurance {
	if len(all) == 0 {
		return Insurance{Status: policy.NotInsured}
	}
	best := all[0]
	for _, i := range all[1:] {
		a, b := standing[i.Status], standing[best.Status]
		if a < b || a == b && i.Scheme < best.Scheme {
			best = i
		}
	}
	return best
}

// Classes lists the classes of a person on a day.
func Classes(ctx context.Context, tx *db.Tx, person string, day civil.Date) ([]Class, error) {
	var out []Class
	err := LaterClasses(ctx, tx, &out, person, day)
	return out, errors.Join(err, tx.Flush(ctx))
}

// LaterClasses reads what Classes does together with what else the transaction reads.
func LaterClasses(ctx context.Context, tx *db.Tx, out *[]Class, person string, day civil.Date) error {
	return tx.Later(ctx, func(rows *db.Rows) error {
		var c Class
		if err := rows.Scan(&c.Name, &c.From, &c.To, &c.Authority); err != nil {
			return err
		}
		*out = append(*out, c)
		return nil
	}, `SELECT class, from_day, to_day, authority FROM person_class WHERE person = ?`+onDay+` ORDER BY class`, person, int(day), int(day))
}

// FilingOn is the filing of a person for care in a region that holds on a day.
// A filing for a province (…0000) holds for all of it.
func FilingOn(ctx context.Context, tx *db.Tx, person, region string, day civil.Date) (policy.Filing, error) {
	kind := policy.NotFiled
	err := LaterFilingOn(ctx, tx, &kind, person, region, day)
	return kind, errors.Join(err, tx.Flush(ctx))
}

// LaterFilingOn reads what FilingOn does together with what else the
// transaction reads; without a filing it leaves kind as it is.
func LaterFilingOn(ctx context.Context, tx *db.Tx, kind *policy.Filing, person, region string, day civil.Date) error {
	city, province := region, region
	if len(region) == 6 {
		city, province = region[:4]+"00", region[:2]+"0000"
	}
	return tx.Later(ctx, func(rows *db.Rows) error { return rows.Scan(kind) },
		`SELECT kind FROM filing WHERE person = ? AND region IN (?, ?, ?)`+onDay+` ORDER BY kind LIMIT 1`, person, region, city, province, int(day), int(day))
}

// SpecialDiseases lists the diseases recognised for a person on a day.
func SpecialDiseases(ctx context.Context, tx *db.Tx, person string, day civil.Date) ([]SpecialDisease, error) {
	var out []SpecialDisease
	err := LaterSpecialDiseases(ctx, tx, &out, person, day)
	return out, errors.Join(err, tx.Flush(ctx))
}

// LaterSpecialDiseases reads what SpecialDiseases does together with what else the transaction reads.
func LaterSpecialDiseases(ctx context.Context, tx *db.Tx, out *[]SpecialDisease, person string, day civil.Date) error {
	return tx.Later(ctx, func(rows *db.Rows) error {
		var d SpecialDisease
		if err := rows.Scan(&d.Code, &d.Name, &d.Special, &d.From, &d.To); err != nil {
			return err
		}
		*out = append(*out, d)
		return nil
	}, `SELECT code, name, special, from_day, to_day FROM special_disease WHERE person = ?`+onDay+` ORDER BY code`, person, int(day), int(day))
}
