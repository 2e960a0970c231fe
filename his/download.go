package his

import (
	"archive/zip"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/exchange"
	"github.com/anji-platform/anji/gm"
)

// catalogues are the transactions around the catalogues: files, queries,
// mappings, departments and staff.
var catalogues = map[string]operation{
	"1201": {(*Server).findProvider, true},
	"1301": {(*Server).download, true},
	"1302": {(*Server).download, true},
	"1303": {(*Server).download, true},
	"1305": {(*Server).download, true},
	"1306": {(*Server).download, true},
	"1307": {(*Server).download, true},
	"1308": {(*Server).download, true},
	"1309": {(*Server).download, true},
	"1310": {(*Server).download, true},
	"1311": {(*Server).download, true},
	"1312": {(*Server).queryItems, true},
	"1313": {(*Server).download, true},
	"1314": {(*Server).download, true},
	"1315": {(*Server).download, true},
	"1316": {(*Server).queryMatches, true},
	"1317": {(*Server).queryMappings, true},
	"1318": {(*Server).queryCeilings, true},
	"1319": {(*Server).queryFirstPays, true},
	"1320": {(*Server).download, true},
	"1901": {(*Server).queryDictionary, true},
	"3301": {(*Server).mapItems, false},
	"3302": {(*Server).unmapItems, false},
	"5101": {(*Server).listDepartments, true},
	"5102": {(*Server).listStaff, true},
	"9101": {(*Server).uploadFile, false},
	"9102": {(*Server).downloadFile, true},
}

// downloads are the lists that transactions make files of.
var downloads = map[string]catalogue.List{
	"1301": catalogue.WesternDrugs, "1302": catalogue.HerbalPieces, "1303": catalogue.Preparations, "1320": catalogue.Granules,
	"1305": catalogue.Services, "1306": catalogue.Consumables, "1307": catalogue.Diseases, "1308": catalogue.Operations,
	"1309": catalogue.ChronicDiseases, "1310": catalogue.CasePayments, "1311": catalogue.DaySurgeries,
	"1313": catalogue.Morphologies, "1314": catalogue.TCMDiseases, "1315": catalogue.TCMSyndromes,
}

// everyone is the 医药机构编号 that catalogue files are downloaded under.
const everyone = "plc"

// How many days files are kept beside the day they come.
const (
	keepCatalogue = 7
	keepUpload    = 30
)

// version reads 版本号: a number after the letter v, or alone.
func version(s string) (int64, error) {
	digits := strings.TrimPrefix(strings.TrimPrefix(s, "v"), "V")
	if len(digits) > 0 && len(digits) <= 18 && allDigits(digits) {
		return strconv.ParseInt(digits, 10, 64)
	}
	return 0, refuse("版本号 ver“%s”：应为 v 加数字，首次下载为 v0000，以后为已下载文件中最大的版本号", clip(printable(s), 20))
}

func versionText(v int64) string { return fmt.Sprintf("v%04d", v) }

// download is 1301 and its like: a file of what changed in a list since a
// version (目录下载). The file depends on the versions only, so it is made once
// and kept for who asks the same. It is made over the state of this reading
// transaction and stored in another, so that no settlement waits for it.
func (s *Server) download(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	number := base(r.spec.Number)
	list := downloads[number]
	since, err := version(r.one("data").text("ver"))
	if err != nil {
		return err
	}
	latest, err := catalogue.Latest(ctx, tx, list)
	if err != nil {
		return err
	}
	if since > latest {
		return refuse("版本号 ver“%s”比最新的版本 %s 还新；请以 v0000 重新下载", clip(r.one("data").text("ver"), 20), versionText(latest))
	}
	n, err := catalogue.CountChanges(ctx, tx, list, since)
	if err != nil {
		return err
	}
	name := number + "_" + versionText(since) + "_" + versionText(latest)
	// A file that ends today may end before it is fetched.
	f, ok, err := s.files.Named(ctx, tx, exchange.Everyone, name+".zip", r.today().AddDays(1))
	if err == nil && !ok {
		f, err = s.makeFile(ctx, tx, r, list, since, name)
	}
	if err != nil {
		return err
	}
	out := a.add("")
	out.set("file_qury_no", f.Number)
	out.set("filename", f.Name)
	out.set("dld_end_time", f.Expires.String())
	out.set("data_cnt", strconv.FormatInt(n, 10))
	return nil
}

// makeFile makes and stores the file of a download.
func (s *Server) makeFile(ctx context.Context, tx *db.Tx, r *request, list catalogue.List, since int64, name string) (f exchange.File, err error) {
	temp, err := os.CreateTemp("", "anji-catalogue-")
	if err != nil {
		return f, err
	}
	defer func() {
		_ = temp.Close() // it is removed; nothing of it is needed
		_ = os.Remove(temp.Name())
	}()
	if err := writeZip(ctx, tx, temp, r.spec.Columns, list, since, name+".txt"); err != nil {
		return f, err
	}
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		if err := tx.Lock(ctx, "exchange "+name); err != nil {
			return err
		}
		var ok bool
		// Another may have made it meanwhile.
		if f, ok, err = s.files.Named(ctx, tx, exchange.Everyone, name+".zip", r.today().AddDays(1)); err != nil || ok {
			return err
		}
		if _, err := temp.Seek(0, io.SeekStart); err != nil {
			return err
		}
		f, err = s.files.Put(ctx, tx, exchange.File{Owner: exchange.Everyone, Name: name + ".zip", At: r.received.In(zone), Expires: r.today().AddDays(keepCatalogue)}, temp, r.actor())
		return err
	})
	return f, err
}

// writeZip writes a ZIP with one text: a line for every entry, its columns
// divided by tabs.
func writeZip(ctx context.Context, tx *db.Tx, w io.Writer, columns []Column, list catalogue.List, since int64, name string) error {
	z := zip.NewWriter(w)
	text, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
	if err != nil {
		return err
	}
	values := make([]string, len(columns))
	var line []byte
	err = catalogue.Changes(ctx, tx, list, since, func(e catalogue.Entry) error {
		for i := range columns {
			values[i] = columnText(&columns[i], &e)
		}
		line = appendRow(line[:0], values)
		_, err := text.Write(line)
		return err
	})
	if err != nil {
		return err
	}
	return z.Close()
}

// columnText is what a column says of an entry, "" for nothing.
func columnText(c *Column, e *catalogue.Entry) string {
	switch c.Of {
	case "":
		return e.Details[c.Title]
	case "code":
		return e.Code
	case "name":
		return e.Name
	case "valid":
		return yesNo(!e.Withdrawn)
	case "record":
		return recordNumber(string(e.List), e.Code)
	case "created":
		return dayStart(e.Created)
	case "updated":
		return dayStart(e.Updated)
	case "version":
		return versionText(e.Version)
	case "version_name":
		return e.Updated.String() + " 版"
	case "from":
		return dayText(e.From)
	case "from_time":
		return dayStart(e.From)
	case "to":
		return dayText(e.To)
	case "to_time":
		return dayStart(e.To)
	}
	panic("his: column " + c.Title + " is of " + c.Of)
}

// recordNumber is a 唯一记录号 of 32 characters for what the texts name.
func recordNumber(of ...string) string {
	return hex.EncodeToString(gm.Digest([]byte(strings.Join(of, "\t"))))[:32]
}

func yesNo(yes bool) string {
	if yes {
		return "1"
	}
	return "0"
}

// dayText writes a day, "" for none.
func dayText(d civil.Date) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// appendRow writes one line of an exchanged text: its values divided by tabs,
// null for nothing. The format has no escapes, so tabs and line ends within a
// value become spaces.
func appendRow(b []byte, values []string) []byte {
	for i, v := range values {
		if i > 0 {
			b = append(b, '\t')
		}
		if v == "" {
			v = "null"
		}
		for j := range len(v) {
			switch c := v[j]; c {
			case '\t', '\n', '\r':
				b = append(b, ' ')
			default:
				b = append(b, c)
			}
		}
	}
	return append(b, '\n')
}

// uploadFile is 9101 (文件上传).
func (s *Server) uploadFile(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("fsUploadIn")
	if err := r.own("fsUploadIn.fixmedins_code", in.text("fixmedins_code")); err != nil {
		return err
	}
	name := in.text("filename")
	use(in.node, "in") // r.file was lifted out of it
	switch {
	case strings.ContainsAny(name, `/\`) || strings.ContainsFunc(name, func(c rune) bool { return c < ' ' }):
		return refuse("文件名 filename“%s”：不能含 / 或 \\", clip(printable(name), 40))
	case r.file == nil: // or it stands where it was not looked for, in an input that is a text
		return refuse("文件数据 fsUploadIn.in 为空，或不是字节的数组或 Base64 文字")
	}
	f, err := s.files.Put(ctx, tx, exchange.File{Owner: r.provider, Name: name, At: r.received.In(zone), Expires: r.today().AddDays(keepUpload)}, r.file.reader(), r.actor())
	if err != nil {
		return err
	}
	out := a.add("")
	out.set("file_qury_no", f.Number)
	out.set("filename", f.Name)
	out.set("fixmedins_code", f.Owner)
	out.set("dld_endtime", lastMoment(f))
	return nil
}

// lastMoment is until when a file can be had.
func lastMoment(f exchange.File) string {
	return f.Expires.Time().Add(24*time.Hour - time.Second).Format(clockLayout)
}

// fileOf is the file of a number, if the sender may read it.
func (s *Server) fileOf(ctx context.Context, tx *db.Tx, r *request, number string) (exchange.File, error) {
	f, err := s.files.Get(ctx, tx, number, r.provider, r.today())
	var expired *exchange.ExpiredError
	switch {
	case errors.Is(err, exchange.ErrNotFound):
		return f, refuse("文件查询号 file_qury_no“%s”：没有这个文件，或它不属于本机构", clip(number, 30))
	case errors.As(err, &expired):
		return f, refuse("文件查询号 file_qury_no“%s”：文件的下载截止日期是 %s，请重新取得", number, expired.Expires)
	}
	return f, err
}

// downloadFile is 9102 (文件下载): the answer is the file itself.
func (s *Server) downloadFile(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("fsDownloadIn")
	if owner := in.text("fixmedins_code"); owner != everyone {
		if err := r.own("fsDownloadIn.fixmedins_code", owner); err != nil {
			return refuse("%s；目录文件为 %s", err, everyone)
		}
	}
	number := in.text("file_qury_no")
	f, err := s.fileOf(ctx, tx, r, number)
	if err != nil {
		return err
	}
	if in.text("filename") != f.Name {
		return refuse("文件名 filename“%s”：该文件查询号的文件名是 %s", clip(in.text("filename"), 40), clip(f.Name, 80))
	}
	a.file = &f
	return nil
}

// own refuses a provider code that is not the sender's.
func (r *request) own(field, code string) error {
	if code == "" || code == r.provider {
		return nil
	}
	return refuse("%s“%s”：应为本机构的编号 %s", field, clip(code, 30), r.provider)
}
