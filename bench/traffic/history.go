package traffic

import (
	"context"
	"fmt"
	"time"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/server"
	"github.com/anji-platform/anji/settlement"
)

// History fills the store with n settlements of earlier years, as if they had
// been made: copies of one real settlement and all that it wrote, of the
// people in turn. It is how a store that has stood for years is made in
// minutes. progress is called now and then.
func History(ctx context.Context, s *server.Server, o Options, n int, progress func(done int)) error {
	w, err := open(ctx, s, o)
	if err != nil {
		return err
	}
	model, err := w.model(ctx)
	if err != nil {
		return err
	}
	const batch = 2000
	for done := 0; done < n; done += batch {
		err := s.DB.Update(ctx, func(tx *db.Tx) error { return w.copies(ctx, tx, model, done, min(batch, n-done)) })
		if err != nil {
			return err
		}
		progress(min(done+batch, n))
	}
	return nil
}

// model is a settlement to copy: the rows that it wrote, by table.
type model struct {
	tables map[string]*table
	id     string
	visit  string
}

// table is the rows of one table with its columns.
type table struct {
	columns string
	rows    [][]any
}

// copied are the tables of a settlement, with the condition that chooses its
// rows.
var copied = []struct{ table, columns, where string }{
	{"visit", "id, person, provider, scheme, kind, number, begun, disease, disease_name, cause, code, department, closed, ended, cancelled", "id = (SELECT visit FROM settlement WHERE id = ?)"},
	{"fee", "visit, serial, n, batch, original, item, provider_item, name, day, quantity, price, amount, class, first_pay, unit_ceiling, department, doctor, at", "visit = (SELECT visit FROM settlement WHERE id = ?)"},
	{"settled", "visit, first, last, settlement", "settlement = ?"},
	{"settlement", "id, visit, person, provider, n, at, region, scheme, kind, day, year_start, package, refused, total, in_scope, fund, account, cash, invoice, ratio, hospital, note, funds, document, reverses, replaces, place, counts_from, counts_to, stay_borne", "id = ?"},
	{"entry", "id, at, day, kind, ref, debit, credit", "ref = ?"},
	{"posting", "entry, n, account, day, amount", "entry = (SELECT id FROM entry WHERE ref = ?)"},
}

// model makes a settlement of ten lines and reads what it wrote.
func (w *world) model(ctx context.Context) (*model, error) {
	ready := make([][]settlement.SettleRequest, 1)
	if err := w.prepare(ctx, ready, 1); err != nil {
		return nil, err
	}
	m := &model{tables: map[string]*table{}}
	err := w.DB.Update(ctx, func(tx *db.Tx) error {
		st, err := w.Settlement.Settle(ctx, tx, ready[0][0])
		if err != nil {
			return err
		}
		m.id, m.visit = st.ID, st.Visit.ID
		for _, c := range copied {
			t := &table{columns: c.columns}
			m.tables[c.table] = t
			n := 1
			for _, b := range c.columns {
				if b == ',' {
					n++
				}
			}
			err := tx.Each(ctx, func(rows *db.Rows) error {
				r, to := make([]any, n), make([]any, n)
				for i := range r {
					to[i] = &r[i]
				}
				t.rows = append(t.rows, r)
				return rows.Scan(to...)
			}, "SELECT "+c.columns+" FROM "+c.table+" WHERE "+c.where, m.id)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return m, err
}

// copies writes copies of the model, numbered from first.
func (w *world) copies(ctx context.Context, tx *db.Tx, m *model, first, n int) error {
	long := time.Now().In(china).AddDate(-2, 0, 0)
	for _, c := range copied {
		t := m.tables[c.table]
		rows := make([][]any, 0, n*len(t.rows))
		for i := range n {
			k := first + i
			person := w.people[k%len(w.people)]
			at := long.Add(time.Duration(k) * time.Second / 20)
			day := int64(at.Year()*10000 + int(at.Month())*100 + at.Day())
			for _, model := range t.rows {
				r := append([]any(nil), model...)
				for j, v := range r {
					switch v {
					case m.id:
						r[j] = fmt.Sprintf("H%012d", k)
					case m.visit:
						r[j] = fmt.Sprintf("V%012d", k)
					}
				}
				switch c.table {
				case "visit":
					r[1] = person.id
				case "settlement":
					r[2], r[4], r[9], r[10] = person.id, int64(k), day, day/10000*10000+101
					r[5] = at.Format("2006-01-02T15:04:05.000000000-07:00")
					r[26], r[27], r[28] = int64(k), r[10], r[10]
				case "entry":
					r[0], r[1], r[2] = int64(k), at.UTC().Format("2006-01-02T15:04:05.000000000Z"), day
				case "posting":
					r[0], r[3] = int64(k), day
					if len(r[2].(string)) > 5 && r[2].(string)[:5] == "acct:" {
						r[2] = "acct:" + person.id
					}
				}
				rows = append(rows, r)
			}
		}
		if err := tx.Insert(ctx, c.table+" ("+t.columns+")", rows); err != nil {
			return fmt.Errorf("%s: %w", c.table, err)
		}
	}
	return nil
}
