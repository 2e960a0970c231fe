package privacy

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/gm"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

type world struct {
	*testing.T
	ctx      context.Context
	db       *db.DB
	register *enrolment.Register
	service  *Service
}

func open(t *testing.T) *world {
	t.Helper()
	sealer, err := gm.NewSealer(make([]byte, 48))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, ctx: context.Background(), db: dbtest.Open(t), register: enrolment.New(sealer)}
	w.service = New(w.register, nil)
	if _, err := demo.Seed(w.ctx, w.db, w.register, demo.Options{Today: 20250620}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) update(f func(*db.Tx) error) {
	w.Helper()
	if err := w.db.Update(w.ctx, f); err != nil {
		w.Fatal(err)
	}
}

func (w *world) id(citizenID string) (id string) {
	w.update(func(tx *db.Tx) error {
		p, ok, err := w.register.ByCitizenID(w.ctx, tx, citizenID)
		if !ok {
			w.Fatal("nobody")
		}
		id = p.ID
		return err
	})
	return id
}

// TestHoldings: every column of the schema that names a person is in the list,
// so that a new table cannot be forgotten.
func TestHoldings(t *testing.T) {
	w := open(t)
	names := regexp.MustCompile(`^(person|owner|beneficiary|guardian|dependant|payer|principal|agent)$`)
	query := `SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'`
	if dbtest.Postgres() {
		query = `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'`
	}
	found := 0
	w.update(func(tx *db.Tx) error {
		return tx.Each(w.ctx, func(rows *db.Rows) error {
			var table, column string
			if err := rows.Scan(&table, &column); err != nil {
				return err
			}
			if !names.MatchString(column) || table == "exchange_file" { // its owner is a provider
				return nil
			}
			found++
			if !slices.ContainsFunc(holdings, func(h holding) bool { return h.table == table && slices.Contains(h.people, column) }) {
				t.Errorf("%s.%s names a person; say in holdings what becomes of it", table, column)
			}
			return nil
		}, query)
	})
	columns := 0
	for _, h := range holdings {
		columns += len(h.people)
	}
	if found < columns-1 {
		t.Errorf("%d columns name people, %d are listed", found, columns)
	}
}

func TestExport(t *testing.T) {
	w := open(t)
	who := w.id("990100196611110236")
	var c *Copy
	w.update(func(tx *db.Tx) (err error) {
		c, err = w.service.Export(w.ctx, tx, who, "officer", "本人申请")
		return err
	})
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"周和", "990100196611110236", "参保经历", "单位参保", "慢性肾衰竭血液净化"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	for _, tt := range []struct{ person, actor, purpose, field string }{
		{who, "officer", " ", "purpose"}, {who, "", "x", "actor"}, {"x", "officer", "x", "person"},
	} {
		err := w.db.Update(w.ctx, func(tx *db.Tx) error {
			_, err := w.service.Reveal(w.ctx, tx, tt.person, tt.actor, tt.purpose)
			return err
		})
		var e *Error
		if !errors.As(err, &e) || e.Field != tt.field {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	w.update(func(tx *db.Tx) error {
		p, err := w.service.Reveal(w.ctx, tx, who, "officer", "核对证件")
		if p.CitizenID != "990100196611110236" {
			t.Errorf("%+v", p)
		}
		return err
	})
	var seen []string
	w.update(func(tx *db.Tx) error {
		if err := audit.Verify(w.ctx, tx); err != nil {
			return err
		}
		return tx.Each(w.ctx, func(rows *db.Rows) error {
			var action, actor, details string
			err := rows.Scan(&action, &actor, &details)
			seen = append(seen, action+" "+actor+" "+details)
			if strings.Contains(details, "990100196611110236") || strings.Contains(details, "周和") {
				t.Errorf("the record tells who it is: %s", details)
			}
			return err
		}, `SELECT action, actor, details FROM audit WHERE action LIKE 'privacy.%' ORDER BY seq`)
	})
	if len(seen) != 2 || !strings.Contains(seen[0], "privacy.export officer") || !strings.Contains(seen[1], "核对证件") {
		t.Errorf("%q", seen)
	}
}

func TestErase(t *testing.T) {
	w := open(t)
	signer, err := gm.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := credential.NewIssuer(signer, "990100")
	if err != nil {
		t.Fatal(err)
	}
	codes := credential.New(credential.Config{DB: w.db, Register: w.register, Issuer: issuer})
	stranger := enrolment.Person{Name: "某", CitizenID: "990100199901010010", Birth: 19990101, Region: "990100", Phone: "13900000000"}
	who := w.id("990100199001010119")
	w.update(func(tx *db.Tx) error {
		if err := w.register.Add(w.ctx, tx, &stranger); err != nil {
			return err
		}
		for _, id := range []string{stranger.ID, who} {
			if _, err := codes.ActivateAtCounter(w.ctx, tx, id, "135790", credential.Device{ID: "p"}, "test"); err != nil {
				return err
			}
		}
		return codes.BindAtCounter(w.ctx, tx, credential.Member{Guardian: who, Dependant: stranger.ID, Relation: credential.Another, From: 20250101}, "test")
	})
	erase := func(id string) (e *Erased, err error) {
		err = w.db.Update(w.ctx, func(tx *db.Tx) (err error) {
			e, err = w.service.Erase(w.ctx, tx, id, "officer", "本人申请删除")
			return err
		})
		return e, err
	}
	e, err := erase(stranger.ID)
	if err != nil || !e.Whole || len(e.Kept) != 0 || !slices.Contains(e.Deleted, "电子凭证") || !slices.Contains(e.Deleted, "亲情账户") {
		t.Fatalf("%+v, %v", e, err)
	}
	w.update(func(tx *db.Tx) error {
		_, ok, err := w.register.ByID(w.ctx, tx, stranger.ID)
		if ok {
			t.Error("still registered")
		}
		return err
	})
	e, err = erase(who)
	if err != nil || e.Whole || !slices.ContainsFunc(e.Kept, func(k Kept) bool { return k.Title == "参保经历" && strings.Contains(k.Why, "第七十四条") }) || !slices.Contains(e.Deleted, "电子凭证") {
		t.Errorf("%+v, %v", e, err)
	}
	var bad *Error
	if _, err := erase(w.id("990100198503120014")); !errors.As(err, &bad) || !strings.Contains(bad.Want, "1234.56") {
		t.Errorf("with money in the account: %v", err)
	}
	w.update(func(tx *db.Tx) error {
		if c, err := credential.Get(w.ctx, tx, who); err != nil || c.State != credential.Inactive {
			t.Errorf("%+v, %v", c, err)
		}
		return audit.Verify(w.ctx, tx)
	})
}
