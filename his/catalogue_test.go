package his

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
)

// fetch downloads a file with 9102 and returns its bytes and headers.
func (d *desk) fetch(number, name, owner string) ([]byte, http.Header) {
	d.t.Helper()
	resp, raw := d.post("/his", "application/json", d.message("9102", fmt.Sprintf(`{"fsDownloadIn":{"file_qury_no":%q,"filename":%q,"fixmedins_code":%q}}`, number, name, owner)))
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/octet-stream" {
		d.t.Fatalf("status %s, %s", resp.Status, raw)
	}
	return []byte(raw), resp.Header
}

type downloaded struct {
	name, number, until string
	rows                [][]string
}

// catalogue downloads what changed in a list and reads it.
func (d *desk) catalogue(infno, ver string) downloaded {
	d.t.Helper()
	r := d.ask(infno, fmt.Sprintf(`{"data":{"ver":%q}}`, ver))
	var out struct {
		Number string      `json:"file_qury_no"`
		Name   string      `json:"filename"`
		Until  string      `json:"dld_end_time"`
		Count  json.Number `json:"data_cnt"`
	}
	if err := json.Unmarshal([]byte(r.raw[strings.Index(r.raw, `"output":`)+9:len(r.raw)-1]), &out); err != nil {
		d.t.Fatal(err)
	}
	raw, header := d.fetch(out.Number, out.Name, "plc")
	if _, params, err := mime.ParseMediaType(header.Get("Content-Disposition")); err != nil || params["filename"] != out.Name {
		d.t.Errorf("Content-Disposition %q, %v", header.Get("Content-Disposition"), err)
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		d.t.Fatal(err)
	}
	if len(z.File) != 1 || z.File[0].Name != strings.TrimSuffix(out.Name, ".zip")+".txt" {
		d.t.Fatalf("%s holds %d files", out.Name, len(z.File))
	}
	f, err := z.File[0].Open()
	if err != nil {
		d.t.Fatal(err)
	}
	text, err := io.ReadAll(f)
	if err != nil {
		d.t.Fatal(err)
	}
	got := downloaded{name: out.Name, number: out.Number, until: out.Until}
	for line := range strings.Lines(string(text)) {
		got.rows = append(got.rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	if fmt.Sprint(len(got.rows)) != out.Count.String() {
		d.t.Errorf("%s has %d rows, data_cnt is %s", infno, len(got.rows), out.Count)
	}
	return got
}

// at is the place of a column.
func (p *platform) at(infno, title string) int {
	p.t.Helper()
	i := slices.IndexFunc(p.server.spec.Transaction(infno).Columns, func(c Column) bool { return c.Title == title })
	if i < 0 {
		p.t.Fatalf("%s has no column %s", infno, title)
	}
	return i
}

func TestDownloads(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	widths := map[string]int{"1301": 97, "1302": 33, "1303": 83, "1305": 19, "1306": 71, "1307": 24, "1308": 24, "1309": 16, "1310": 15, "1311": 15, "1313": 11, "1314": 14, "1315": 14, "1320": 44}
	if len(widths) != len(downloads) {
		t.Errorf("%d downloads, want %d", len(downloads), len(widths))
	}
	for infno, width := range widths {
		got := d.catalogue(infno, "v0000")
		if len(got.rows) < 2 {
			t.Errorf("%s has %d rows", infno, len(got.rows))
		}
		for _, row := range got.rows {
			if len(row) != width || slices.Contains(row, "") {
				t.Errorf("%s: %d columns, want %d: %q", infno, len(row), width, row)
			}
		}
		if got.until != "2025-06-27" {
			t.Errorf("%s until %s", infno, got.until)
		}
		for _, c := range p.server.spec.Transaction(infno).Columns {
			columnText(&c, &catalogue.Entry{}) // every column is of something known
		}
	}
	row := func(infno, codeTitle, code string) map[string]string {
		t.Helper()
		for _, r := range d.catalogue(infno, "0").rows {
			if r[p.at(infno, codeTitle)] == code {
				m := map[string]string{}
				for i, c := range p.server.spec.Transaction(infno).Columns {
					m[c.Title] = r[i]
				}
				return m
			}
		}
		t.Fatalf("%s has no %s", infno, code)
		return nil
	}
	for title, want := range map[string]string{"药品通用名": "乙类药品", "国家医保药品目录甲乙类标识": "乙类", "开始日期": "2025-01-01", "结束日期": "null", "有效标志": "1",
		"版本号": "v0001", "版本名称": "2025-01-01 版", "数据更新时间": "2025-01-01 00:00:00", "药品商品名": "乙类药品", "药品类别": "null"} {
		if got := row("1301", "医疗目录编码", "DRG990000002")[title]; got != want {
			t.Errorf("1301 %s = %q, want %q", title, got, want)
		}
	}
	if got := row("1309", "门慢门特病种目录代码", "M07800"); got["门慢门特病种名称"] != "慢性肾衰竭血液净化" {
		t.Errorf("1309: %v", got)
	}
	if got := row("1307", "诊断代码", "I10.x00"); got["章名称"] != "循环系统疾病" || got["诊断名称"] != "特发性（原发性）高血压" {
		t.Errorf("1307: %v", got)
	}

	// The same question is answered with the same file, whoever asks, until it
	// ends soon.
	first, other := d.catalogue("1301", "v0000"), p.desk("P99010000401").signIn()
	if again := other.catalogue("1301A", "V0"); again.number != first.number {
		t.Errorf("another file: %+v", again)
	}
	p.now = p.now.AddDate(0, 0, 7)
	if again := d.signIn().catalogue("1301", "v0000"); again.number == first.number || len(again.rows) != len(first.rows) {
		t.Errorf("a file that ends today is given: %s", again.number)
	}

	for ver, want := range map[string]string{"最新": "应为 v 加数字", "v": "应为 v 加数字", "v-1": "应为 v 加数字", "v9999999999999999999": "应为 v 加数字", "v0099": "比最新的版本 v000"} {
		if err := d.refused("1301", fmt.Sprintf(`{"data":{"ver":%q}}`, ver)); !strings.Contains(err, want) {
			t.Errorf("ver %s: %s", ver, err)
		}
	}
	if err := d.refused("1301", `{"data":{}}`); !strings.Contains(err, "ver（版本号）") {
		t.Errorf("no ver: %s", err)
	}
	latest := first.rows[len(first.rows)-1][p.at("1301", "版本号")]
	if none := d.catalogue("1301", latest); len(none.rows) != 0 {
		t.Errorf("after the newest version: %q", none.rows)
	}
}

// However a list changes and whenever a provider looks, its copy of the list,
// fetched in pieces, is the list fetched whole; and at any time the rows after
// 0 are those up to a version and those after it.
func TestDownloadInPieces(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	day := civil.Date(20250601)
	code, version := p.at("1310", "按病种结算病种目录代码"), p.at("1310", "版本号")
	rapid.Check(t, func(t *rapid.T) {
		held := map[string]string{} // the provider's copy
		mine := "v0000"
		for range rapid.IntRange(1, 4).Draw(t, "looks") {
			for range rapid.IntRange(0, 3).Draw(t, "publications") {
				entries := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) catalogue.Entry {
					return catalogue.Entry{Code: fmt.Sprintf("D99%d", rapid.IntRange(0, 9).Draw(t, "code")), Name: rapid.StringMatching(`[病种A-C\t\n]{0,4}`).Draw(t, "name"), Withdrawn: rapid.Bool().Draw(t, "withdrawn")}
				}), 1, 4, func(e catalogue.Entry) string { return e.Code }).Draw(t, "entries")
				if err := p.server.DB.Update(context.Background(), func(tx *db.Tx) error {
					_, err := catalogue.Publish(context.Background(), tx, catalogue.CasePayments, day, "test", entries...)
					return err
				}); err != nil {
					t.Fatal(err)
				}
			}
			before := mine
			for _, row := range d.catalogue("1310", mine).rows {
				held[row[code]] = strings.Join(row, "\t")
				mine = max(mine, row[version])
			}
			whole := map[string]string{}
			var since, until []string
			for _, row := range d.catalogue("1310", "v0000").rows {
				line := strings.Join(row, "\t")
				whole[row[code]] = line
				if row[version] > before {
					since = append(since, line)
				} else {
					until = append(until, line)
				}
			}
			if !maps.Equal(held, whole) {
				t.Fatalf("in pieces %v\nwhole %v", held, whole)
			}
			if len(since)+len(until) != len(whole) {
				t.Fatalf("%d and %d rows, want %d", len(since), len(until), len(whole))
			}
		}
	})
}

func TestFiles(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	content := make([]byte, 700_000)
	for i := range content {
		content[i] = byte(i * i >> 3)
	}
	unsigned, signed := make([]string, len(content)), make([]string, len(content))
	for i, b := range content {
		unsigned[i], signed[i] = fmt.Sprint(b), fmt.Sprint(int8(b))
	}
	in64 := base64.StdEncoding.EncodeToString(content)
	upload := func(in, name string) string {
		return fmt.Sprintf(`{"fsUploadIn":{"in":%s,"filename":%q,"fixmedins_code":"H99010000101"}}`, in, name)
	}
	var number string
	for form, in := range map[string]string{
		"Base64": `"` + in64 + `"`, "escaped Base64": `"` + strings.ReplaceAll(in64, "/", `\/`) + `"`,
		"bytes": "[" + strings.Join(unsigned, ",") + "]", "signed bytes": "[ " + strings.Join(signed, " ,\n") + " ]",
	} {
		r := d.ask("9101", upload(in, "对账明细.zip"))
		var out map[string]string
		if err := json.Unmarshal([]byte(r.raw[strings.Index(r.raw, `"output":`)+9:len(r.raw)-1]), &out); err != nil {
			t.Fatal(err)
		}
		number = out["file_qury_no"]
		if len(number) != 30 || out["filename"] != "对账明细.zip" || out["dld_endtime"] != "2025-07-20 23:59:59" {
			t.Errorf("%s: %v", form, out)
		}
		got, header := d.fetch(number, "对账明细.zip", "H99010000101")
		if !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes come back, want %d", form, len(got), len(content))
		}
		if _, params, err := mime.ParseMediaType(header.Get("Content-Disposition")); err != nil || params["filename"] != "对账明细.zip" {
			t.Errorf("Content-Disposition %q", header.Get("Content-Disposition"))
		}
	}
	// Sent again, in another form, it is the same upload.
	asked := upload(`[1,2,255]`, "a.txt")
	message := d.message("9101", asked)
	first, again := p.send(message), p.send(strings.Replace(message, `[1,2,255]`, `"AQL/"`, 1))
	if first.Infcode != "0" || first.raw != again.raw {
		t.Errorf("%s\n%s", first.raw, again.raw)
	}
	if again := p.send(strings.Replace(message, asked, fmt.Sprintf("%q", asked), 1)); again.raw != first.raw {
		t.Errorf("as text: %s\n%s", first.raw, again.raw)
	}
	if r := p.send(strings.Replace(message, `[1,2,255]`, `[1,2,254]`, 1)); !strings.Contains(r.ErrMsg, "已用于另一笔内容不同的请求") {
		t.Errorf("another file under the same msgid: %s", r.raw)
	}
	before := p.files()
	for in, want := range map[string]string{
		`[1,256]`: "第 2 项不对", `[-129]`: "第 1 项不对", `[1,"a"]`: "第 2 项不对", `[1,,2]`: "第 2 项不对", `[1.5]`: "第 1 项不对", `[0001]`: "第 1 项不对", `[1 2]`: "第 1 项不对",
		`"AQL"`: "不是合法的 Base64", `"A*=="`: "不是合法的 Base64", `"zz--"`: "不是合法的 Base64", `""`: "为空", `[]`: "为空", `null`: "为空", `{"a":1}`: "为空",
		`12`: "为空",
	} {
		r := d.send(d.message("9101", upload(in, "a.txt")))
		if r.Infcode != "-1" || !strings.Contains(r.ErrMsg, want) && !strings.Contains(r.ErrMsg, "数据") {
			t.Errorf("%s: %s", in, r.raw)
		}
	}
	for input, want := range map[string]string{
		upload(`[1]`, "../a"): "不能含 /",
		`{"fsUploadIn":{"in":[1],"filename":"a","fixmedins_code":"H99010000201"}}`:   "应为本机构的编号 H99010000101",
		`"{\"fsUploadIn\":{\"in\":[1],\"filename\":\"a\",\"fixmedins_code\":\"\"}}"`: "缺少 fsUploadIn.fixmedins_code",
	} {
		if err := d.refused("9101", input); !strings.Contains(err, want) {
			t.Errorf("%s: %s", input, err)
		}
	}
	if after := p.files(); after != before {
		t.Errorf("refused uploads left files: %d, then %d", before, after)
	}

	// Another provider, another name, an unknown number and a late day.
	other := p.desk("H99010000201").signIn()
	ask := func(number, name, owner string) string {
		return fmt.Sprintf(`{"fsDownloadIn":{"file_qury_no":%q,"filename":%q,"fixmedins_code":%q}}`, number, name, owner)
	}
	for _, x := range []struct {
		d                          *desk
		number, name, owner, wants string
	}{
		{other, number, "对账明细.zip", "H99010000201", "不属于本机构"},
		{other, number, "对账明细.zip", "plc", "不属于本机构"},
		{other, number, "对账明细.zip", "H99010000101", "应为本机构的编号 H99010000201；目录文件为 plc"},
		{d, number, "另一个.zip", "H99010000101", "文件名是 对账明细.zip"},
		{d, strings.Repeat("0", 30), "对账明细.zip", "H99010000101", "没有这个文件"},
	} {
		if err := x.d.refused("9102", ask(x.number, x.name, x.owner)); !strings.Contains(err, x.wants) {
			t.Errorf("%+v: %s", x, err)
		}
	}
	p.now = time.Date(2025, 7, 20, 23, 0, 0, 0, zone)
	d.signIn().fetch(number, "对账明细.zip", "H99010000101")
	p.now = p.now.Add(2 * time.Hour)
	if err := d.signIn().refused("9102", ask(number, "对账明细.zip", "H99010000101")); !strings.Contains(err, "下载截止日期是 2025-07-20") {
		t.Errorf("the day after: %s", err)
	}
	// What is over is removed as others come.
	p.now = p.now.AddDate(0, 0, 5)
	d.signIn().ask("9101", upload(`[1]`, "b"))
	if n := p.files(); n != 1 {
		t.Errorf("%d files, want 1", n)
	}
	p.verify()
}

func (p *platform) files() (n int) {
	p.t.Helper()
	if err := p.server.DB.View(context.Background(), func(tx *db.Tx) error {
		return tx.QueryRow(context.Background(), `SELECT COUNT(*) FROM exchange_file`).Scan(&n)
	}); err != nil {
		p.t.Fatal(err)
	}
	return n
}

// A message is bounded without its file, and large files come one by one.
func TestUploadBounds(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	large := base64.StdEncoding.EncodeToString(make([]byte, 6<<20))
	message := d.message("9101", `{"fsUploadIn":{"in":"`+large+`","filename":"a","fixmedins_code":"H99010000101"}}`)
	for range largeFiles {
		p.server.large <- struct{}{}
	}
	if r := p.send(message); !strings.Contains(r.ErrMsg, "正在接收的大文件已有 4 个") {
		t.Errorf("no place is free: %s", r.raw)
	}
	<-p.server.large
	if r := p.send(message); r.Infcode != "0" {
		t.Errorf("a place is free: %s", r.raw)
	}
	if n := len(p.server.large); n != largeFiles-1 {
		t.Errorf("%d places are taken, want %d", n, largeFiles-1)
	}
	if resp, raw := p.post("/his", "application/json", d.message("9101", `{"other":{"in":"`+large+`"}}`)); resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a large message without a file: %s %s", resp.Status, raw)
	}
}

// Many ask for the same new file and upload at once.
func TestFilesAtOnce(t *testing.T) {
	p := newPlatform(t)
	d := p.desk("H99010000101").signIn()
	messages := make([]string, 16)
	for i := range messages {
		messages[i] = d.message("1307", `{"data":{"ver":"v0000"}}`)
		if i%2 == 1 {
			messages[i] = d.message("9101", fmt.Sprintf(`{"fsUploadIn":{"in":[%d],"filename":"f","fixmedins_code":"H99010000101"}}`, i))
		}
	}
	numbers := make([]string, len(messages))
	var wg sync.WaitGroup
	for i, m := range messages {
		wg.Go(func() {
			resp, err := http.Post(p.http.URL+"/his", "application/json", strings.NewReader(m))
			if err != nil {
				return
			}
			defer resp.Body.Close()
			var r struct {
				Output struct {
					Number string `json:"file_qury_no"`
				}
			}
			if json.NewDecoder(resp.Body).Decode(&r) == nil {
				numbers[i] = r.Output.Number
			}
		})
	}
	wg.Wait()
	distinct := map[string]bool{}
	for i, n := range numbers {
		distinct[n] = true
		if n == "" || i%2 == 0 && n != numbers[0] {
			t.Errorf("request %d: %q", i, n)
		}
	}
	if len(distinct) != 9 || p.files() != 9 {
		t.Errorf("%d numbers, %d files, want 9", len(distinct), p.files())
	}
}
