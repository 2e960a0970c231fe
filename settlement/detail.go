package settlement

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/anji-platform/anji/db"
)

// FeeDetail is what an order says of a fee beyond what decides its payment. It
// is kept as it was stated and given back; its codes are those of the
// interface's dictionaries.
type FeeDetail struct {
	Order          string    `json:"order,omitempty"`           // 处方号 or 医嘱号
	Outside        string    `json:"outside,omitempty"`         // 外购处方标志
	Disease        string    `json:"disease,omitempty"`         // 病种编码
	Dose           string    `json:"dose,omitempty"`            // 单次剂量, in words
	Frequency      string    `json:"frequency,omitempty"`       // 使用频次, in words
	Days           string    `json:"days,omitempty"`            // 周期天数, a decimal
	Route          string    `json:"route,omitempty"`           // 用药途径, in words
	DepartmentCode string    `json:"department_code,omitempty"` // 开单科室编码
	DoctorCode     string    `json:"doctor_code,omitempty"`     // 开单医师编码
	Performer      Performer `json:"performer,omitzero"`
	Approval       string    `json:"approval,omitempty"`          // 医院审批标志
	HerbalUse      string    `json:"herbal_use,omitempty"`        // 中药使用方式
	Referred       string    `json:"referred,omitempty"`          // 外检标志
	ReferredTo     string    `json:"referred_to,omitempty"`       // 外检医院编码
	TakeHome       string    `json:"take_home,omitempty"`         // 出院带药标志
	Maternity      string    `json:"maternity,omitempty"`         // 生育费用标志
	OrderSet       string    `json:"order_set,omitempty"`         // 组套编码
	Note           string    `json:"note,omitempty"`              // 备注
	Extension      string    `json:"extension,omitempty"`         // 扩展字段, as the province has it
	Operator       string    `json:"operator,omitempty"`          // 经办人ID
	OperatorName   string    `json:"operator_name,omitempty"`     // 经办人姓名
	Recorded       time.Time `json:"recorded,omitzero,format:''"` // 经办时间
}

// Performer is who carried an order out (受单科室、受单医生).
type Performer struct {
	DepartmentCode string `json:"department_code,omitempty"`
	Department     string `json:"department,omitempty"`
	DoctorCode     string `json:"doctor_code,omitempty"`
	Doctor         string `json:"doctor,omitempty"`
}

// detailRow is the row of a fee's detail, nil if nothing was said of it.
func detailRow(visit string, f *Fee) ([]any, error) {
	if f.Detail == (FeeDetail{}) {
		return nil, nil
	}
	document, err := json.Marshal(&f.Detail)
	return []any{visit, f.Serial, "", string(document)}, err
}

// readDetail reads the document of a fee's detail; "" says nothing.
func readDetail(into *FeeDetail, document string) error {
	if document == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(document), into); err != nil {
		return fmt.Errorf("detail of a fee: %w", err)
	}
	return nil
}

// feeDetails are the details of the fees of a visit by serial: of those that
// stand or, if a settlement is named, of those kept for it.
func feeDetails(ctx context.Context, tx *db.Tx, visit, settlement string) (map[string]FeeDetail, error) {
	out := map[string]FeeDetail{}
	err := tx.Each(ctx, func(rows *db.Rows) error {
		var serial, document string
		if err := rows.Scan(&serial, &document); err != nil {
			return err
		}
		var d FeeDetail
		err := readDetail(&d, document)
		out[serial] = d
		return err
	}, `SELECT serial, document FROM fee_detail WHERE visit = ? AND settlement = ?`, visit, settlement)
	return out, err
}

// keepDetails keeps the details of the fees of a settlement that is taken back,
// as they are now.
func keepDetails(ctx context.Context, tx *db.Tx, visit, settlement string) error {
	return tx.Exec(ctx, `INSERT INTO fee_detail (visit, serial, settlement, document)
		SELECT x.visit, x.serial, d.settlement, x.document FROM settled d JOIN fee f ON f.visit = d.visit AND f.n >= d.first AND f.n <= d.last
			JOIN fee_detail x ON x.visit = f.visit AND x.serial = f.serial AND x.settlement = ''
		WHERE d.visit = ? AND d.settlement = ?`, visit, settlement)
}
