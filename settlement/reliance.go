package settlement

import (
	"context"
	"fmt"

	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
)

// lastDay stands for the end of what is open when days are compared.
const lastDay civil.Date = 99991231

// Decided is a settlement that stands, with what it was decided from.
type Decided struct {
	ID       string
	Provider string
	Case     policy.Case // without the lines
}

// DecidedOn lists the person's settlements that stand and were not refused, of
// the days from from to to (0: open), oldest first. By it other rooms see what
// was settled on the strength of a fact.
func (s *Service) DecidedOn(ctx context.Context, tx *db.Tx, person string, from, to civil.Date) ([]Decided, error) {
	if to == 0 {
		to = lastDay
	}
	var out []Decided
	dec := calc.NewDecoder(s.store)
	// The fees of a settlement that was reversed are no longer its own.
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var d Decided
		var stored []byte
		if err := rows.Scan(&d.ID, &d.Provider, &stored); err != nil {
			return err
		}
		doc, err := unpack(stored)
		if err == nil {
			err = dec.Decode(doc.Case, &d.Case)
		}
		if err != nil {
			return fmt.Errorf("settlement %s: %w", d.ID, err)
		}
		d.Case.Lines = nil // the decoder's own
		out = append(out, d)
		return nil
	}, `SELECT s.id, s.provider, s.document FROM settlement s WHERE s.person = ? AND s.day >= ? AND s.day <= ? AND s.refused = 0
		AND EXISTS (SELECT 1 FROM settled d WHERE d.visit = s.visit AND d.settlement = s.id) ORDER BY s.n`, person, int(from), int(to))
	return out, err
}
