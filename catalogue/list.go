package catalogue

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
)

// List is one of the national lists of codes (目录) that providers download.
type List string

// The lists.
const (
	WesternDrugs    List = "western_drug"    // 西药中成药
	HerbalPieces    List = "herbal_piece"    // 中药饮片
	Preparations    List = "preparation"     // 医疗机构制剂
	Granules        List = "granule"         // 中药配方颗粒
	Services        List = "service"         // 医疗服务项目
	Consumables     List = "consumable"      // 医用耗材
	Diseases        List = "disease"         // 疾病与诊断
	Operations      List = "operation"       // 手术操作
	ChronicDiseases List = "chronic_disease" // 门诊慢特病种
	CasePayments    List = "case_payment"    // 按病种付费病种
	DaySurgeries    List = "day_surgery"     // 日间手术治疗病种
	Morphologies    List = "morphology"      // 肿瘤形态学
	TCMDiseases     List = "tcm_disease"     // 中医疾病
	TCMSyndromes    List = "tcm_syndrome"    // 中医证候
)

// Entry is one code of a list.
type Entry struct {
	List      List
	Code      string
	Name      string
	From, To  civil.Date        // To 0: open
	Withdrawn bool              // no longer valid (有效标志 0); entries are never removed
	Details   map[string]string // what else the list says, by the official title of its column

	// Set by Publish.
	Version int64      // version of the list in which it last changed, from 1
	Created civil.Date // day of its first publication
	Updated civil.Date // day of its last
}

// Publish adds entries to a list, or changes those that it has, as the list's
// next version, which it returns. on is the day of publication.
func Publish(ctx context.Context, tx *db.Tx, list List, on civil.Date, actor string, entries ...Entry) (int64, error) {
	if len(entries) == 0 {
		return Latest(ctx, tx, list)
	}
	// This row is locked until the transaction ends, so that versions become
	// visible in their order.
	err := tx.Exec(ctx, `INSERT INTO catalogue_list (list, version) VALUES (?, 1)
		ON CONFLICT (list) DO UPDATE SET version = catalogue_list.version + 1`, string(list))
	if err != nil {
		return 0, err
	}
	version, err := Latest(ctx, tx, list)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		details, err := json.Marshal(e.Details)
		if err != nil {
			return 0, err
		}
		err = tx.Exec(ctx, `INSERT INTO catalogue_entry (list, code, version, name, valid, from_day, to_day, created, updated, attributes)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (list, code) DO UPDATE SET version = excluded.version, name = excluded.name, valid = excluded.valid,
			from_day = excluded.from_day, to_day = excluded.to_day, updated = excluded.updated, attributes = excluded.attributes`,
			string(list), e.Code, version, e.Name, !e.Withdrawn, int(e.From), int(e.To), int(on), int(on), string(details))
		if err != nil {
			return 0, err
		}
	}
	return version, audit.Append(ctx, tx, audit.Record{At: on.Time(), Actor: actor, Action: "publish_catalogue",
		Subject: fmt.Sprintf("%s %d", list, version), Details: map[string]any{"entries": len(entries)}})
}

// Latest is the newest version of a list, 0 for one that was never published.
func Latest(ctx context.Context, tx *db.Tx, list List) (version int64, err error) {
	err = tx.QueryRow(ctx, `SELECT version FROM catalogue_list WHERE list = ?`, string(list)).Scan(&version)
	if db.IsNotFound(err) {
		return 0, nil
	}
	return version, err
}

// Changes calls each for the entries of a list that changed after a version,
// in the order of their versions and codes. A reader that has the entries as of
// since, and puts these over them by code, has the list as it is. each runs no
// statement.
func Changes(ctx context.Context, tx *db.Tx, list List, since int64, each func(Entry) error) error {
	return tx.Each(ctx, func(rows *db.Rows) error {
		e, err := scanEntry(rows, list)
		if err != nil {
			return err
		}
		return each(e)
	}, entryColumns+`WHERE list = ? AND version > ? ORDER BY version, code`, string(list), since)
}

// CountChanges is the number of entries that Changes calls for.
func CountChanges(ctx context.Context, tx *db.Tx, list List, since int64) (n int64, err error) {
	err = tx.QueryRow(ctx, `SELECT COUNT(*) FROM catalogue_entry WHERE list = ? AND version > ?`, string(list), since).Scan(&n)
	return n, err
}

// FindEntry looks an entry up; ok is false if the list does not have it.
func FindEntry(ctx context.Context, tx *db.Tx, list List, code string) (e Entry, ok bool, err error) {
	e, err = scanEntry(tx.QueryRow(ctx, entryColumns+`WHERE list = ? AND code = ?`, string(list), code), list)
	if db.IsNotFound(err) {
		return Entry{}, false, nil
	}
	return e, err == nil, err
}

const entryColumns = `SELECT code, version, name, valid, from_day, to_day, created, updated, attributes FROM catalogue_entry `

func scanEntry(row interface{ Scan(...any) error }, list List) (Entry, error) {
	e := Entry{List: list}
	var valid bool
	var details string
	if err := row.Scan(&e.Code, &e.Version, &e.Name, &valid, &e.From, &e.To, &e.Created, &e.Updated, &details); err != nil {
		return Entry{}, err
	}
	e.Withdrawn = !valid
	if err := json.Unmarshal([]byte(details), &e.Details); err != nil {
		return Entry{}, fmt.Errorf("entry %s of %s: %w", e.Code, list, err)
	}
	return e, nil
}
