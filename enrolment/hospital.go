package enrolment

import (
	"context"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
)

// SpecialDiseaseCare is the purpose for which people choose the hospitals of
// their chronic and special diseases (门慢门特定点).
const SpecialDiseaseCare = "special_disease"

// LaterHospitals reads the codes of the hospitals that a person chose for their
// chronic and special diseases and that hold on a day, together with what else
// the transaction reads. Package filing keeps them.
func LaterHospitals(ctx context.Context, tx *db.Tx, out *[]string, person string, day civil.Date) error {
	return tx.Later(ctx, func(rows *db.Rows) error {
		var code string
		err := rows.Scan(&code)
		*out = append(*out, code)
		return err
	}, `SELECT provider FROM designation WHERE person = ? AND purpose = ?`+onDay+` ORDER BY rank, provider`, person, SpecialDiseaseCare, int(day), int(day))
}
