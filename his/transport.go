package his

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// numberForm is the form of a transaction number in an address.
var numberForm = regexp.MustCompile(`^[0-9]{4,6}[Aa]?$`)

// addressNumber is the transaction number of an address, "" for none. An
// address is /his, perhaps with the parts of a client's own path, and at its end
// a transaction number or the name of the one entry, callService.
func addressNumber(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, "/his")
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	last := strings.TrimRight(rest, "/")
	last = last[strings.LastIndexByte(last, '/')+1:]
	switch {
	case numberForm.MatchString(last):
		return strings.ToUpper(last), true
	case strings.EqualFold(last, "callService"):
		return "", true
	}
	return "", strings.Trim(rest, "/") == ""
}

// plainBody is a request's body as the JSON in UTF-8 that clients wrap in other
// forms: compressed, in GBK, or in a field of a form. It is bounded by those who
// read it. The error is for the sender, who used a form that is not taken.
func plainBody(req *http.Request) (io.Reader, error) {
	body := io.Reader(req.Body)
	switch e := strings.ToLower(strings.TrimSpace(req.Header.Get("Content-Encoding"))); e {
	case "", "identity":
	case "gzip", "x-gzip":
		body = &unzipper{from: body}
	default:
		return nil, refuse("Content-Encoding“%s”：应为 gzip，或不压缩", clip(printable(e), 20))
	}
	sent := req.Header.Get("Content-Type")
	if strings.TrimSpace(sent) == "" {
		return body, nil
	}
	media, params, err := mime.ParseMediaType(sent)
	form := media == "application/x-www-form-urlencoded"
	if err != nil || !form && media != "application/json" && media != "text/plain" && media != "text/json" {
		return nil, refuse("Content-Type“%s”：应为 application/json 或 text/plain，编码 UTF-8", clip(printable(sent), 60))
	}
	switch c := strings.ToLower(params["charset"]); c {
	case "", "utf-8", "utf8":
	case "gbk", "gb2312", "gb18030":
		if form {
			return nil, refuse("表单的编码“%s”：应为 UTF-8", c)
		}
		return fromGBK(body), nil
	default:
		return nil, refuse("Content-Type 的编码“%s”：应为 UTF-8 或 GBK", clip(printable(c), 20))
	}
	if form {
		return &formField{from: body}, nil
	}
	return body, nil
}

// An unzipper reads what is compressed with gzip.
type unzipper struct {
	from io.Reader
	zip  *gzip.Reader
}

func (u *unzipper) Read(p []byte) (n int, err error) {
	if u.zip == nil {
		u.zip, err = gzip.NewReader(u.from)
	}
	if err == nil {
		n, err = u.zip.Read(p)
	}
	if err != nil && err != io.EOF {
		return n, refuse("报文不能按 gzip 解压，或没有收全")
	}
	return n, err
}

// fromGBK reads GBK as UTF-8. It refuses what is not GBK, and what is UTF-8:
// that could be read as other characters of GBK, and so as another name.
func fromGBK(body io.Reader) io.Reader {
	w := &utf8Watch{from: body}
	// GB 18030 has all that GBK and GB 2312 have.
	return &strictly{from: simplifiedchinese.GB18030.NewDecoder().Reader(w), raw: w}
}

type strictly struct {
	from io.Reader
	raw  *utf8Watch
	tail []byte // the last bytes of what was read, in which a character may begin
}

func (s *strictly) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	seen := append(s.tail, p[:n]...)
	if bytes.ContainsRune(seen, '\uFFFD') || err == io.EOF && s.raw.wide && !s.raw.other {
		return 0, refuse("报文不是 GBK 编码，与 Content-Type 不一致；请改为 UTF-8")
	}
	s.tail = bytes.Clone(seen[max(0, len(seen)-2):])
	return n, err
}

// utf8Watch sees whether what passes is UTF-8.
type utf8Watch struct {
	from  io.Reader
	rest  []byte // of a character that is not whole yet
	wide  bool   // there were characters beyond ASCII
	other bool   // it is not UTF-8
}

func (w *utf8Watch) Read(p []byte) (int, error) {
	n, err := w.from.Read(p)
	if w.other {
		return n, err
	}
	b := append(w.rest, p[:n]...)
	for utf8.FullRune(b) {
		r, size := utf8.DecodeRune(b)
		w.other = w.other || r == utf8.RuneError && size == 1
		w.wide = w.wide || size > 1
		b = b[size:]
	}
	w.rest = bytes.Clone(b)
	w.other = w.other || err == io.EOF && len(b) > 0
	return n, err
}

// A formField reads the JSON of a form: the whole body if it is no form but
// JSON, or else the value of the one field that begins as JSON does.
type formField struct {
	from io.Reader
	in   io.Reader
}

func (f *formField) Read(p []byte) (int, error) {
	if f.in == nil {
		in, err := f.open()
		if err != nil {
			return 0, err
		}
		f.in = in
	}
	return f.in.Read(p)
}

func (f *formField) open() (io.Reader, error) {
	b := bufio.NewReader(f.from)
	for {
		first, err := b.ReadByte()
		if err == io.EOF {
			return b, nil // nothing was sent: the parser says so
		}
		if err != nil {
			return nil, err
		}
		if strings.IndexByte(" \t\r\n", first) >= 0 {
			continue
		}
		_ = b.UnreadByte() // it was just read
		if first == '{' || first >= 0x80 {
			return b, nil
		}
		break
	}
	// A percent sign and two digits stand for one byte.
	text, err := io.ReadAll(io.LimitReader(b, 3*maxBody+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > 3*maxBody:
		return nil, errLarge
	}
	// A value that was not written for a form is taken as it stands.
	if name, rest, ok := bytes.Cut(text, []byte("=")); ok && bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte("{")) && !bytes.ContainsRune(name, '&') {
		return bytes.NewReader(rest), nil
	}
	fields, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, refuse("表单不合法：应为 application/x-www-form-urlencoded，或直接发送 JSON")
	}
	var found []string
	for _, values := range fields {
		for _, v := range values {
			if strings.HasPrefix(strings.TrimSpace(v), "{") {
				found = append(found, v)
			}
		}
	}
	if len(found) != 1 {
		return nil, refuse("表单中有 %d 个字段是 JSON 报文，应为 1 个", len(found))
	}
	return strings.NewReader(found[0]), nil
}
