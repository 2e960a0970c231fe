// Package intake takes in people with their insurance from a file of another
// system (参保名册导入): a row for each spell of insurance, or for a person who
// has none. Rows that are wrong are named and left out; the others are taken.
// A file is known by its contents: taken in again after an interruption, it goes
// on where it was, and nothing is taken twice.
package intake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
)

// A column of the file, by its Chinese and its English name.
type column struct {
	title, name string
	required    bool
	doc         string // in Chinese
}

// The columns.
const (
	colName = iota
	colCitizenID
	colRegion
	colPhone
	colEthnicity
	colEmployer
	colCard
	colScheme
	colFrom
	colTo
	colStatus
	colRetired
	colBenefits
	colReason
	colBalance
	numColumns
)

var columns = [numColumns]column{
	colName:      {"姓名", "name", true, ""},
	colCitizenID: {"公民身份号码", "citizen_id", true, "十八位"},
	colRegion:    {"统筹区", "region", true, "六位医保区划"},
	colPhone:     {"手机号", "phone", false, "十一位"},
	colEthnicity: {"民族", "ethnicity", false, "GB/T 3304 两位代码"},
	colEmployer:  {"单位", "employer", false, ""},
	colCard:      {"卡识别码", "card_serial", false, ""},
	colScheme:    {"险种", "scheme", false, "职工或居民，历史的新农合、城镇居民须有终止日；没有参保记录的不填"},
	colFrom:      {"起始日", "from", false, "有险种的必填，如 2025-01-01"},
	colTo:        {"终止日", "to", false, "不填为至今"},
	colStatus:    {"状态", "status", false, "正常（默认）、欠费、暂停、终止或死亡"},
	colRetired:   {"退休", "retired", false, "是或否（默认）"},
	colBenefits:  {"待遇起始日", "benefits_from", false, "不填为自起始日"},
	colReason:    {"变更原因", "reason", false, ""},
	colBalance:   {"个人账户余额", "balance", false, "元；写在一人的第一行"},
}

// Template writes the first line of a file.
func Template(w io.Writer) error {
	head := make([]string, numColumns)
	for i, c := range columns {
		head[i] = c.title
	}
	out := csv.NewWriter(w)
	return errors.Join(out.Write(head), flush(out))
}

// Columns says in Chinese, a line each, what the columns hold.
func Columns() []string {
	var out []string
	for _, c := range columns {
		doc := c.doc
		if c.required {
			doc = strings.TrimSuffix("必填，"+doc, "，")
		}
		out = append(out, strings.TrimRight(c.title+"（"+c.name+"）"+doc, " "))
	}
	return out
}

func flush(w *csv.Writer) error { w.Flush(); return w.Error() }

// Options say how a file is taken in.
type Options struct {
	Name     string // of the file, for the record
	Actor    string
	Now      func() time.Time // nil is time.Now
	Progress func(read int64) // if set, told after every step how many bytes are done with
}

// Run is how far a file was taken in.
type Run struct {
	Digest   string `json:"digest"` // SHA-256 of its contents
	Rows     int    `json:"rows"`   // that are done with
	People   int    `json:"people"` // that were new
	Spells   int    `json:"spells"`
	Balances int    `json:"balances"` // personal accounts that were opened with one
	Rejected int    `json:"rejected"`
	Done     bool   `json:"done"`
}

// Rejected is a row that was not taken, and why.
type Rejected struct {
	Line  int // in the file, its first line being 1
	Field string
	Seen  string // what stood there, if it does not tell who the person is
	Why   string // in Chinese
}

// step is how many rows one transaction takes.
const step = 5_000

// Import takes in a file: CSV in UTF-8 or GB 18030 with the columns of Template
// in any order, under their Chinese or English names. The error is a fault of the
// file as a whole, which takes nothing; rows that are wrong are in the Run.
func Import(ctx context.Context, d *db.DB, register *enrolment.Register, file io.ReadSeeker, o Options) (Run, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return Run{}, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return Run{}, err
	}
	r := &run{Run: Run{Digest: hex.EncodeToString(hash.Sum(nil))}, Options: o, db: d, register: register}
	reader, err := open(file)
	if err != nil {
		return Run{}, err
	}
	if r.columns, err = header(reader); err != nil {
		return Run{}, err
	}
	if err := r.resume(ctx); err != nil || r.Done {
		return r.Run, err
	}
	steps := make(chan part, 2)
	ctx, cancel := context.WithCancelCause(db.Bulk(ctx))
	defer cancel(nil)
	go func() {
		defer close(steps)
		if err := r.read(ctx, reader, steps); err != nil {
			cancel(err)
		}
	}()
	for p := range steps {
		if err := r.take(ctx, p.rows); err != nil {
			return r.Run, errors.Join(err, context.Cause(ctx))
		}
		if o.Progress != nil {
			o.Progress(p.read)
		}
	}
	if err := context.Cause(ctx); err != nil {
		return r.Run, err
	}
	r.Done = true
	return r.Run, d.Update(ctx, func(tx *db.Tx) error {
		return tx.Exec(ctx, `UPDATE intake SET done = 1 WHERE digest = ?`, r.Digest)
	})
}

// open reads Parquet, or CSV in either encoding.
func open(file io.ReadSeeker) (records, error) {
	head := make([]byte, 64<<10)
	n, err := io.ReadFull(file, head)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return nil, err
	}
	head = head[:n]
	if bytes.HasPrefix(head, []byte(magic)) {
		return openParquet(file)
	}
	for cut := 0; cut < utf8.UTFMax && len(head) > 0 && !utf8.Valid(head); cut++ {
		head = head[:len(head)-1] // a character may be cut in two
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	var in io.Reader = file
	if !utf8.Valid(head) {
		in = simplifiedchinese.GB18030.NewDecoder().Reader(file)
	} else if bytes.HasPrefix(head, []byte("\ufeff")) {
		if _, err := file.Seek(3, io.SeekStart); err != nil {
			return nil, err
		}
	}
	out := csv.NewReader(in)
	out.FieldsPerRecord = -1
	out.ReuseRecord = true
	return out, nil
}

// header says which field of a record is which column, -1 if none is.
func header(in records) (at [numColumns]int, err error) {
	names, err := in.Read()
	if err == io.EOF {
		return at, errors.New("文件是空的；第一行应为列名")
	}
	if err != nil {
		return at, fmt.Errorf("第一行不是 CSV：%w", err)
	}
	var known, missing []string
	for i, c := range columns {
		at[i] = slices.IndexFunc(names, func(n string) bool {
			n = strings.TrimSpace(n)
			return n == c.title || strings.EqualFold(n, c.name)
		})
		if at[i] < 0 && c.required {
			missing = append(missing, c.title)
		}
		known = append(known, c.title)
	}
	if len(missing) > 0 {
		return at, fmt.Errorf("第一行缺少必填的列「%s」；可用的列为 %s", strings.Join(missing, "」「"), strings.Join(known, "、"))
	}
	for _, n := range names {
		n = strings.TrimSpace(n)
		if n != "" && !slices.ContainsFunc(columns[:], func(c column) bool { return n == c.title || strings.EqualFold(n, c.name) }) {
			return at, fmt.Errorf("第一行有不认识的列「%s」；可用的列为 %s", n, strings.Join(known, "、"))
		}
	}
	return at, nil
}

// run is one file being taken in.
type run struct {
	Run
	Options
	db       *db.DB
	register *enrolment.Register
	columns  [numColumns]int
}

// resume reads how far the file was taken in before.
func (r *run) resume(ctx context.Context) error {
	return r.db.Update(ctx, func(tx *db.Tx) error {
		if err := tx.Lock(ctx, "intake:"+r.Digest); err != nil {
			return err
		}
		if err := r.progress(ctx, tx); !db.IsNotFound(err) {
			return err
		}
		return tx.Exec(ctx, `INSERT INTO intake (digest, name, rows_read, people, spells, balances, rejected, done, begun_at) VALUES (?, ?, 0, 0, 0, 0, 0, 0, ?)`,
			r.Digest, r.Name, r.Now().UTC().Format(time.RFC3339))
	})
}

func (r *run) progress(ctx context.Context, tx *db.Tx) error {
	return tx.QueryRow(ctx, `SELECT rows_read, people, spells, balances, rejected, done FROM intake WHERE digest = ?`, r.Digest).
		Scan(&r.Rows, &r.People, &r.Spells, &r.Balances, &r.Run.Rejected, &r.Done)
}

// row is one row of the file.
type row struct {
	enrolment.Entry
	insurance *enrolment.Insurance
	balance   money.Fen
	line      int
	fault     *Rejected
}

// part is the rows of one step, and how many bytes were read with them.
type part struct {
	rows []row
	read int64
}

// read reads the rows that are not done with and makes them ready, step by step.
func (r *run) read(ctx context.Context, in records, steps chan<- part) error {
	done := r.Rows // before the steps of this run
	var rows []row
	hand := func() error {
		select {
		case steps <- part{rows, in.InputOffset()}:
			rows = make([]row, 0, step)
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for n := 0; ; n++ {
		record, err := in.Read()
		if err == io.EOF {
			break
		}
		if n < done {
			continue
		}
		var broken *csv.ParseError
		switch {
		case errors.As(err, &broken):
			rows = append(rows, row{line: broken.Line, fault: &Rejected{Line: broken.StartLine, Why: "这一行不是 CSV：引号不成对或位置不对"}})
		case err != nil:
			return err
		default:
			line, _ := in.FieldPos(0)
			rows = append(rows, r.parse(line, record))
		}
		if len(rows) >= step {
			if err := hand(); err != nil {
				return err
			}
		}
	}
	if len(rows) > 0 {
		return hand()
	}
	return nil
}

var schemes = map[string]policy.Scheme{"职工": policy.Employee, "employee": policy.Employee, "310": policy.Employee, "居民": policy.Resident, "resident": policy.Resident, "390": policy.Resident}

// merged are the schemes that were merged into the residents' (国发〔2016〕3号): spells
// in them are read as its own, and end.
var merged = []string{"新农合", "新型农村合作医疗", "城镇居民"}

var statuses = map[string]policy.InsuredStatus{"": policy.Normal, "正常": policy.Normal, "normal": policy.Normal, "欠费": policy.Arrears, "arrears": policy.Arrears,
	"暂停": policy.Suspended, "suspended": policy.Suspended, "终止": policy.Terminated, "terminated": policy.Terminated, "死亡": policy.Deceased, "deceased": policy.Deceased}

var truths = map[string]bool{"": false, "否": false, "0": false, "false": false, "是": true, "1": true, "true": true}

// parse reads a row.
func (r *run) parse(line int, record []string) row {
	out := row{line: line}
	get := func(c int) string {
		if i := r.columns[c]; i >= 0 && i < len(record) {
			return strings.Clone(strings.TrimSpace(record[i]))
		}
		return ""
	}
	reject := func(c int, seen, why string) row {
		out.fault = &Rejected{Line: line, Field: columns[c].title, Seen: seen, Why: why}
		return out
	}
	day := func(c int) (civil.Date, bool) {
		v := get(c)
		if v == "" {
			return 0, true
		}
		if len(v) == 8 { // 20250101
			v = v[:4] + "-" + v[4:6] + "-" + v[6:]
		}
		d, err := civil.Parse(strings.ReplaceAll(v, "/", "-"))
		if err != nil {
			reject(c, get(c), "应为日期，如 2025-01-01")
		}
		return d, err == nil
	}
	for c := range columns {
		if columns[c].required && get(c) == "" {
			return reject(c, "", "须填写")
		}
		if !utf8.ValidString(get(c)) {
			return reject(c, "", "有认不出的字符，请检查文件的编码")
		}
	}
	id, err := ident.ParseCitizenID(get(colCitizenID))
	var bad *ident.Error
	if errors.As(err, &bad) {
		return reject(colCitizenID, "", bad.Part.String()+"不对："+bad.Want)
	}
	p := enrolment.Person{Name: get(colName), CitizenID: string(id), Birth: id.Birth(), Female: id.Female(), Region: get(colRegion),
		Phone: get(colPhone), Ethnicity: get(colEthnicity), Employer: get(colEmployer), CardSerial: get(colCard)}
	switch {
	case utf8.RuneCountInString(p.Name) > 50:
		return reject(colName, "", "至多 50 字")
	case p.Birth > civil.Of(r.Now().In(zone)):
		return reject(colCitizenID, "", "出生日晚于今天")
	case len(p.Region) != 6 || !digits(p.Region):
		return reject(colRegion, p.Region, "应为六位医保区划")
	case p.Phone != "" && (len(p.Phone) != 11 || !digits(p.Phone)):
		return reject(colPhone, "", "应为十一位数字")
	case p.Ethnicity != "" && (len(p.Ethnicity) != 2 || !digits(p.Ethnicity)):
		return reject(colEthnicity, p.Ethnicity, "应为 GB/T 3304 的两位代码")
	}
	if v := get(colBalance); v != "" {
		if out.balance, err = money.Parse(v); err != nil || out.balance < 0 {
			return reject(colBalance, v, "应为不小于零的金额，元，至多两位小数")
		}
	}
	var i enrolment.Insurance
	var ok bool
	if i.From, ok = day(colFrom); !ok {
		return out
	}
	if i.To, ok = day(colTo); !ok {
		return out
	}
	if i.BenefitsFrom, ok = day(colBenefits); !ok {
		return out
	}
	i.Reason = get(colReason)
	if v := get(colScheme); v != "" {
		if slices.Contains(merged, v) {
			if i.To == 0 {
				return reject(colTo, "", v+"已并入居民医保，须填写终止日")
			}
			i.Reason = strings.TrimSuffix(v+"："+i.Reason, "：")
			v = "居民"
		}
		if i.Scheme, ok = schemes[strings.ToLower(v)]; !ok {
			return reject(colScheme, v, "应为职工或居民；历史的可为"+strings.Join(merged, "、"))
		}
		if i.Status, ok = statuses[strings.ToLower(get(colStatus))]; !ok {
			return reject(colStatus, get(colStatus), "应为正常、欠费、暂停、终止或死亡")
		}
		if i.Retired, ok = truths[strings.ToLower(get(colRetired))]; !ok {
			return reject(colRetired, get(colRetired), "应为是或否")
		}
		switch {
		case i.From == 0:
			return reject(colFrom, "", "有险种的须填写")
		case i.To != 0 && i.To < i.From:
			return reject(colTo, i.To.String(), "早于起始日 "+i.From.String())
		case i.From < p.Birth:
			return reject(colFrom, i.From.String(), "早于出生日")
		case i.Retired && i.Scheme == policy.Resident:
			return reject(colRetired, "是", "居民没有退休")
		}
		out.insurance = &i
	} else if i.From != 0 || i.To != 0 {
		return reject(colScheme, "", "有起止日的须填写险种")
	}
	if out.balance > 0 && (out.insurance == nil || i.Scheme != policy.Employee) {
		return reject(colBalance, out.balance.String(), "只有职工有个人账户")
	}
	// Numbers of people taken in together follow each other: they are found, and
	// their accounts credited, without going back and forth in the store.
	p.ID = strconv.FormatInt(db.NextID(), 36)
	out.Entry = r.register.Ready(p)
	return out
}

var zone = time.FixedZone("CST", 8*60*60)

func digits(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < '0' || c > '9' })
}

// take takes the rows of one step.
func (r *run) take(ctx context.Context, rows []row) error {
	before := r.Run
	return r.db.Update(ctx, func(tx *db.Tx) error {
		r.Run = before
		if err := tx.Lock(ctx, "intake:"+r.Digest); err != nil {
			return err
		}
		if err := r.progress(ctx, tx); err != nil {
			return err
		}
		if r.Rows != before.Rows {
			return errors.New("这个文件正由另一个进程导入")
		}
		entries, spells, balances, err := r.sort(ctx, tx, rows)
		if err != nil {
			return err
		}
		var refused [][]any
		for i := range rows {
			if f := rows[i].fault; f != nil {
				refused = append(refused, []any{r.Digest, f.Line, f.Field, f.Seen, f.Why})
			}
		}
		r.Rows += len(rows)
		r.People += len(entries)
		r.Spells += len(spells)
		r.Run.Rejected += len(refused)
		if err := errors.Join(r.register.AddAll(ctx, tx, entries), enrolment.InsureAll(ctx, tx, spells),
			tx.Insert(ctx, "intake_rejected (digest, line, field, seen, why)", refused), r.post(ctx, tx, balances)); err != nil {
			return err
		}
		if err := tx.Exec(ctx, `UPDATE intake SET rows_read = ?, people = ?, spells = ?, balances = ?, rejected = ? WHERE digest = ?`,
			r.Rows, r.People, r.Spells, r.Balances, r.Run.Rejected, r.Digest); err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Record{At: r.Now(), Actor: r.Actor, Chain: "intake:" + r.Digest, Action: "intake", Subject: r.Digest,
			Details: map[string]int{"rows": len(rows), "people": len(entries), "spells": len(spells), "rejected": len(refused)}})
	})
}

// opened is a personal account with what it held elsewhere.
type opened struct {
	person, region string
	amount         money.Fen
}

// sort finds what of the rows is new: people, spells, balances. Rows that do not
// agree with what is known, or with each other, get a fault.
func (r *run) sort(ctx context.Context, tx *db.Tx, rows []row) (entries []enrolment.Entry, spells []enrolment.Spell, balances []opened, err error) {
	var digests []string
	seen := map[string]bool{}
	for i := range rows {
		// A step that is tried again judges anew what others may have changed.
		if f := rows[i].fault; f != nil && rows[i].Digest != "" {
			rows[i].fault = nil
		}
		if d := rows[i].Digest; d != "" && !seen[d] {
			seen[d] = true
			digests = append(digests, d)
		}
	}
	known, err := r.register.Known(ctx, tx, digests)
	if err != nil {
		return nil, nil, nil, err
	}
	var ids []string
	for _, p := range known {
		ids = append(ids, p.ID)
	}
	slices.Sort(ids)
	timelines, err := enrolment.InsurancesOf(ctx, tx, ids)
	if err != nil {
		return nil, nil, nil, err
	}
	for i := range rows {
		x := &rows[i]
		if x.fault != nil {
			continue
		}
		reject := func(c int, value, why string) { x.fault = &Rejected{x.line, columns[c].title, value, why} }
		p, registered := known[x.Digest]
		if registered && p.Name != x.Name {
			reject(colName, "", "与这个公民身份号码已登记的姓名不同")
			continue
		}
		id := x.ID
		if registered {
			id = p.ID
			if x.balance > 0 {
				reject(colBalance, x.balance.String(), "余额只随一人的第一行导入；已登记的人不以导入改变余额")
				continue
			}
		}
		if x.insurance != nil {
			twin, ok := overlap(timelines[id], x.insurance)
			if ok && twin != *x.insurance {
				reject(colFrom, x.insurance.From.String(), "与已有的"+twin.Scheme.Title()+"参保记录（自 "+twin.From.String()+" 起）重叠")
				continue
			}
			if !ok {
				timelines[id] = append(timelines[id], *x.insurance)
				spells = append(spells, enrolment.Spell{Person: id, Insurance: *x.insurance})
			}
		}
		if !registered {
			known[x.Digest] = x.Person
			entries = append(entries, x.Entry)
			if x.balance > 0 {
				balances = append(balances, opened{id, x.Region, x.balance})
			}
		}
	}
	return entries, spells, balances, nil
}

// overlap is the first of the spells of the scheme that shares a day with i.
func overlap(all []enrolment.Insurance, i *enrolment.Insurance) (enrolment.Insurance, bool) {
	for _, o := range all {
		if o.Scheme == i.Scheme && (i.To == 0 || o.From <= i.To) && (o.To == 0 || o.To >= i.From) {
			return o, true
		}
	}
	return enrolment.Insurance{}, false
}

// post opens the accounts with their balances, an entry for each region.
func (r *run) post(ctx context.Context, tx *db.Tx, balances []opened) error {
	r.Balances += len(balances)
	by := map[string][]fund.Posting{}
	sums := map[string]money.Fen{}
	for _, o := range balances {
		by[o.region] = append(by[o.region], fund.Posting{Account: fund.PersonAccount(o.person), Amount: o.amount})
		sums[o.region] += o.amount
	}
	regions := make([]string, 0, len(by))
	for region := range by {
		regions = append(regions, region)
	}
	slices.Sort(regions)
	for _, region := range regions {
		e := fund.Entry{At: r.Now(), Kind: "opening", Ref: "intake:" + r.Digest, Postings: append(by[region], fund.Posting{Account: fund.Opening(region), Amount: -sums[region]})}
		if err := fund.Post(ctx, tx, e); err != nil {
			return err
		}
	}
	return nil
}

// Rejections lists the rows of a file that were not taken, in the order of the
// file.
func Rejections(ctx context.Context, tx *db.Tx, digest string, each func(Rejected) error) error {
	return tx.Each(ctx, func(rows *db.Rows) error {
		var x Rejected
		if err := rows.Scan(&x.Line, &x.Field, &x.Seen, &x.Why); err != nil {
			return err
		}
		return each(x)
	}, `SELECT line, field, seen, why FROM intake_rejected WHERE digest = ? ORDER BY line`, digest)
}

// Report writes the rows that were not taken as CSV.
func Report(ctx context.Context, tx *db.Tx, digest string, w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"行", "列", "所填", "原因"}); err != nil {
		return err
	}
	err := Rejections(ctx, tx, digest, func(x Rejected) error {
		return out.Write([]string{strconv.Itoa(x.Line), x.Field, x.Seen, x.Why})
	})
	return errors.Join(err, flush(out))
}
