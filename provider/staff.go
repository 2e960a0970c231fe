package provider

import (
	"context"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/gm"
)

// Directory is the register of providers' departments and medical staff.
type Directory struct{ sealer *gm.Sealer }

// NewDirectory returns a directory that seals citizen IDs and phone numbers
// with sealer.
func NewDirectory(sealer *gm.Sealer) *Directory { return &Directory{sealer} }

// Department is a department of a provider (科室).
type Department struct {
	Provider     string
	Code         string // the provider's own
	Name         string
	Specialty    string // 科别, e.g. A03
	From, To     civil.Date
	Established  civil.Date
	Head         string // name of the head
	Phone        string // of the head; sealed at rest
	Introduction string
	Scope        string // 医疗服务范围
	Beds         int    // 批准床位数
	InsuredBeds  int    // 医保认可床位数

	// Employed counts the staff of each kind on the day asked about.
	Employed map[StaffKind]int
}

// StaffKind is the profession of medical staff (医务人员类别).
type StaffKind string

// The kinds of staff.
const (
	Doctor     StaffKind = "doctor"     // 医师
	Nurse      StaffKind = "nurse"      // 护士
	Pharmacist StaffKind = "pharmacist" // 药师
	Technician StaffKind = "technician" // 医技人员
)

// Staff is a member of a provider's medical staff (医执人员).
type Staff struct {
	Provider      string
	Code          string // national code (执业人员代码)
	Number        string // the provider's own
	Name          string
	Kind          StaffKind
	Department    string // code
	CitizenID     string // sealed at rest
	Qualification string // 资格证书编码
	Licence       string // 执业证书编号
	Insured       bool   // may order on the insurance (医保医师)
	From, To      civil.Date
	Reason        string // of the last change
}

// AddDepartment registers a department.
func (d *Directory) AddDepartment(ctx context.Context, tx *db.Tx, x Department) error {
	return tx.Exec(ctx, `INSERT INTO department (provider, code, name, specialty, from_day, to_day, established, head, phone, introduction, scope, beds, insured_beds)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		x.Provider, x.Code, x.Name, x.Specialty, int(x.From), int(x.To), int(x.Established), x.Head, d.sealer.Seal("department.phone", x.Phone), x.Introduction, x.Scope, x.Beds, x.InsuredBeds)
}

// AddStaff registers a member of staff.
func (d *Directory) AddStaff(ctx context.Context, tx *db.Tx, x Staff) error {
	return tx.Exec(ctx, `INSERT INTO staff (provider, code, number, name, kind, department, citizen_id, id_digest, qualification, licence, insured, from_day, to_day, reason)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		x.Provider, x.Code, x.Number, x.Name, string(x.Kind), x.Department, d.sealer.Seal("staff.citizen_id", x.CitizenID), d.sealer.Index("staff.citizen_id", x.CitizenID),
		x.Qualification, x.Licence, x.Insured, int(x.From), int(x.To), x.Reason)
}

// Departments lists a provider's departments by code, closed ones too; their
// staff is that of the day.
func (d *Directory) Departments(ctx context.Context, tx *db.Tx, provider string, on civil.Date) (all []Department, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		x := Department{Provider: provider, Employed: map[StaffKind]int{}}
		var phone []byte
		err := rows.Scan(&x.Code, &x.Name, &x.Specialty, &x.From, &x.To, &x.Established, &x.Head, &phone, &x.Introduction, &x.Scope, &x.Beds, &x.InsuredBeds)
		if err == nil {
			x.Phone, err = d.sealer.Open("department.phone", phone)
		}
		all = append(all, x)
		return err
	}, `SELECT code, name, specialty, from_day, to_day, established, head, phone, introduction, scope, beds, insured_beds FROM department WHERE provider = ? ORDER BY code`, provider)
	if err != nil {
		return nil, err
	}
	at := make(map[string]map[StaffKind]int, len(all))
	for _, x := range all {
		at[x.Code] = x.Employed
	}
	return all, tx.Each(ctx, func(rows *db.Rows) error {
		var code string
		var kind StaffKind
		var n int
		err := rows.Scan(&code, &kind, &n)
		if employed := at[code]; err == nil && employed != nil {
			employed[kind] = n
		}
		return err
	}, `SELECT department, kind, COUNT(*) FROM staff WHERE provider = ? AND from_day <= ? AND (to_day = 0 OR to_day >= ?) GROUP BY department, kind ORDER BY department, kind`,
		provider, int(on), int(on))
}

// StaffFilter says which of a provider's staff a query is for. A field at its
// zero value asks for nothing.
type StaffFilter struct {
	Provider  string // needed
	Kind      StaffKind
	Code      string
	Name      string
	CitizenID string
}

// Staff lists a provider's staff by code, those who left too.
func (d *Directory) Staff(ctx context.Context, tx *db.Tx, f StaffFilter) (all []Staff, err error) {
	query, args := `SELECT code, number, name, kind, department, citizen_id, qualification, licence, insured, from_day, to_day, reason FROM staff WHERE provider = ?`, []any{f.Provider}
	add := func(condition, value string) {
		if value != "" {
			query += condition
			args = append(args, value)
		}
	}
	add(` AND kind = ?`, string(f.Kind))
	add(` AND code = ?`, f.Code)
	add(` AND name = ?`, f.Name)
	if f.CitizenID != "" {
		query += ` AND id_digest = ?`
		args = append(args, d.sealer.Index("staff.citizen_id", f.CitizenID))
	}
	err = tx.Each(ctx, func(rows *db.Rows) error {
		x := Staff{Provider: f.Provider}
		var sealed []byte
		err := rows.Scan(&x.Code, &x.Number, &x.Name, &x.Kind, &x.Department, &sealed, &x.Qualification, &x.Licence, &x.Insured, &x.From, &x.To, &x.Reason)
		if err == nil {
			x.CitizenID, err = d.sealer.Open("staff.citizen_id", sealed)
		}
		all = append(all, x)
		return err
	}, query+` ORDER BY code`, args...)
	return all, err
}

// Size is how much a provider has on a day.
type Size struct{ Departments, Staff, Doctors, Mappings int }

// SizeOf counts a provider's departments, staff, doctors among them, and mappings
// to the catalogue that hold on the day.
func SizeOf(ctx context.Context, tx *db.Tx, provider string, on civil.Date) (s Size, err error) {
	const holds = ` AND from_day <= ? AND (to_day = 0 OR to_day >= ?)`
	for query, to := range map[string]*int{
		`SELECT COUNT(*) FROM department WHERE provider = ?` + holds:                      &s.Departments,
		`SELECT COUNT(*) FROM staff WHERE provider = ?` + holds:                           &s.Staff,
		`SELECT COUNT(*) FROM staff WHERE kind = 'doctor' AND provider = ?` + holds:       &s.Doctors,
		`SELECT COUNT(*) FROM provider_item WHERE withdrawn = 0 AND provider = ?` + holds: &s.Mappings,
	} {
		if err := tx.QueryRow(ctx, query, provider, int(on), int(on)).Scan(to); err != nil {
			return s, err
		}
	}
	return s, nil
}
