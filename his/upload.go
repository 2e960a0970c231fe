package his

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/emmansun/gmsm/sm3"

	"github.com/anji-platform/anji/exchange"
)

// A file travels inside the JSON of 9101, as a list of bytes or in Base64. It
// is lifted out while the message is received, so that it is never held as
// JSON: the message keeps its digest in its place, and so remains what is
// checked, and recognised when it is sent again.

const (
	// largeFile is the size from which a file takes a place.
	largeFile = 1 << 20
	// largeFiles bounds how many large files are received at one time, and so
	// the memory they take.
	largeFiles = 4
	// pieceSize is how much of an upload is held in one piece.
	pieceSize = 256 << 10
)

// errLarge says that a message is too large even without its file.
var errLarge = errors.New("the message is too large")

// filePath is where the file stands in a message.
var filePath = [...]string{"input", "fsUploadIn", "in"}

// An upload is the file of a message.
type upload struct {
	pieces [][]byte
	size   int64
	place  chan struct{} // where it took a place, if it is large
}

// reader reads the file from the start.
func (u *upload) reader() io.Reader {
	all := make([]io.Reader, len(u.pieces))
	for i, p := range u.pieces {
		all[i] = bytes.NewReader(p)
	}
	return io.MultiReader(all...)
}

// release gives the file's place to another.
func (u *upload) release() {
	if u != nil && u.place != nil {
		<-u.place
		u.place = nil
	}
}

// receive reads a message, or the value that stands below the first depth names
// of filePath in one, and lifts its file out, if it has one. Even with an error,
// the file is to be released.
func (s *Server) receive(body io.Reader, depth int) ([]byte, *upload, error) {
	// What of a file is not file, such as the spaces between its bytes, is
	// bounded with it.
	l := &lifter{in: bufio.NewReader(io.LimitReader(body, maxBody+8*exchange.MaxSize)), large: s.large}
	mark, err := l.in.Peek(len(byteOrderMark))
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	if bytes.Equal(mark, byteOrderMark) {
		l.out = append(l.out, mark...)
		_, _ = l.in.Discard(len(mark)) // it was peeked at
	}
	err = l.value(depth)
	if err == nil {
		err = l.rest()
	}
	if err == io.EOF {
		err = nil // an unfinished message is the parser's to refuse
	}
	return l.out, l.file, err
}

// A lifter copies a message but for the file in it. It follows the structure of
// JSON only as far as it must; what is wrong is copied for the parser to name.
type lifter struct {
	in     *bufio.Reader
	out    []byte
	large  chan struct{}
	file   *upload
	digest hash.Hash
}

func (l *lifter) put(b ...byte) error {
	if len(l.out)+len(b) > maxBody {
		return errLarge
	}
	l.out = append(l.out, b...)
	return nil
}

// rest copies what is left as it is.
func (l *lifter) rest() error {
	for {
		b, err := l.in.ReadByte()
		if err != nil {
			return err
		}
		if err := l.put(b); err != nil {
			return err
		}
	}
}

// space passes over blanks, copying them with keep, and returns the byte after
// them, which is not yet read.
func (l *lifter) space(keep bool) (byte, error) {
	for {
		b, err := l.in.ReadByte()
		if err != nil {
			return 0, err
		}
		if b != ' ' && b != '\t' && b != '\n' && b != '\r' {
			return b, l.in.UnreadByte()
		}
		if keep {
			if err := l.put(b); err != nil {
				return 0, err
			}
		}
	}
}

// take copies the byte that space returned.
func (l *lifter) take() error {
	b, err := l.in.ReadByte()
	if err != nil {
		return err
	}
	return l.put(b)
}

// value copies one value that stands below the first depth names of filePath;
// depth is -1 where the file cannot stand. Only objects on the way to the file
// are followed, so that nesting is bounded.
func (l *lifter) value(depth int) error {
	b, err := l.space(true)
	switch {
	case err != nil:
		return err
	case depth == len(filePath) && l.file == nil && (b == '[' || b == '"'):
		return l.lift()
	case b != '{' || depth < 0 || depth == len(filePath):
		return l.skip()
	}
	for {
		if err := l.take(); err != nil { // the brace or the comma
			return err
		}
		if b, err = l.space(true); err != nil {
			return err
		}
		if b != '"' {
			break
		}
		start := len(l.out)
		if err := l.text(); err != nil {
			return err
		}
		below := -1
		if strings.EqualFold(string(l.out[start+1:len(l.out)-1]), filePath[depth]) {
			below = depth + 1
		}
		if b, err = l.space(true); err != nil {
			return err
		}
		if b != ':' {
			return nil // no JSON: the rest is copied as it is
		}
		if err := l.take(); err != nil {
			return err
		}
		if err := l.value(below); err != nil {
			return err
		}
		if b, err = l.space(true); err != nil {
			return err
		}
		if b != ',' {
			break
		}
	}
	if b != '}' {
		return nil
	}
	return l.take()
}

// skip copies one value without looking into it.
func (l *lifter) skip() error {
	depth := 0
	for {
		b, err := l.in.ReadByte()
		if err != nil {
			return err
		}
		switch b {
		case '"':
			if err := l.in.UnreadByte(); err != nil {
				return err
			}
			if err := l.text(); err != nil {
				return err
			}
			if depth == 0 {
				return nil
			}
			continue
		case '{', '[':
			depth++
		case '}', ']', ',':
			if depth == 0 {
				return l.in.UnreadByte()
			}
			if b != ',' {
				depth--
			}
			if depth == 0 {
				return l.put(b)
			}
		}
		if err := l.put(b); err != nil {
			return err
		}
	}
}

// text copies one string in quotes.
func (l *lifter) text() error {
	for n := 0; ; n++ {
		b, err := l.in.ReadByte()
		if err != nil {
			return err
		}
		if err := l.put(b); err != nil {
			return err
		}
		switch {
		case b == '"' && n > 0:
			return nil
		case b == '\\':
			if b, err = l.in.ReadByte(); err != nil {
				return err
			}
			if err := l.put(b); err != nil {
				return err
			}
		}
	}
}

// lift takes the file, and puts its digest in its place.
func (l *lifter) lift() error {
	l.file, l.digest = &upload{}, sm3.New()
	b, err := l.in.ReadByte()
	if err != nil {
		return err
	}
	if b == '[' {
		err = l.list()
	} else {
		err = l.base64()
	}
	if err != nil {
		return err
	}
	if l.file.size == 0 {
		l.file = nil
		return l.put('"', '"')
	}
	return l.put([]byte(`"` + hex.EncodeToString(l.digest.Sum(nil)) + `"`)...)
}

// add appends to the file.
func (l *lifter) add(b []byte) error {
	f := l.file
	l.digest.Write(b)
	if f.size += int64(len(b)); f.size > exchange.MaxSize {
		return exchange.ErrTooLarge
	}
	if f.size > largeFile && f.place == nil {
		select {
		case l.large <- struct{}{}:
			f.place = l.large
		default:
			return refuse("正在接收的大文件已有 %d 个，请稍后用原报文重发", largeFiles)
		}
	}
	for len(b) > 0 {
		if n := len(f.pieces); n == 0 || len(f.pieces[n-1]) == cap(f.pieces[n-1]) {
			f.pieces = append(f.pieces, make([]byte, 0, pieceSize))
		}
		last := &f.pieces[len(f.pieces)-1]
		n := min(len(b), cap(*last)-len(*last))
		*last = append(*last, b[:n]...)
		b = b[n:]
	}
	return nil
}

// list reads the bytes of a list after its bracket. Languages whose bytes have
// a sign write those from 128 as -128 to -1.
func (l *lifter) list() error {
	piece := make([]byte, 0, 4096)
	for {
		b, err := l.space(false)
		if err != nil {
			return err
		}
		if b == ']' && l.file.size == 0 && len(piece) == 0 {
			_, err := l.in.ReadByte()
			return err
		}
		v, ok, err := l.byteNumber()
		if err != nil {
			return err
		}
		if b, err = l.space(false); err != nil {
			return err
		}
		if _, err := l.in.ReadByte(); err != nil {
			return err
		}
		if !ok || b != ',' && b != ']' {
			return refuse("fsUploadIn.in（文件数据）第 %d 项不对：应为字节的数组（每项 0 至 255，或 -128 至 127），或 Base64 文字", l.file.size+int64(len(piece))+1)
		}
		if piece = append(piece, v); len(piece) == cap(piece) || b == ']' {
			if err := l.add(piece); err != nil {
				return err
			}
			piece = piece[:0]
		}
		if b == ']' {
			return nil
		}
	}
}

// byteNumber reads a number from -128 to 255; ok is false if there is none.
func (l *lifter) byteNumber() (v byte, ok bool, err error) {
	n, digits, negative := 0, 0, false
	for {
		b, err := l.in.ReadByte()
		switch {
		case err != nil:
			return 0, false, err
		case b == '-' && digits == 0 && !negative:
			negative = true
		case b >= '0' && b <= '9' && digits < 3:
			n, digits = 10*n+int(b-'0'), digits+1
		default:
			if negative {
				n = -n
			}
			return byte(n), digits > 0 && n >= -128 && n <= 255, l.in.UnreadByte()
		}
	}
}

// base64 reads the bytes of a text after its quote.
func (l *lifter) base64() error {
	text := &quoted{in: l.in}
	dec := base64.NewDecoder(base64.StdEncoding, text)
	chunk := make([]byte, 32<<10)
	for {
		n, err := dec.Read(chunk)
		if n > 0 {
			if err := l.add(chunk[:n]); err != nil {
				return err
			}
		}
		var corrupt base64.CorruptInputError
		switch {
		case err == nil:
		case text.err != nil:
			return text.err
		case err == io.EOF && text.done:
			return nil
		case errors.As(err, &corrupt) || errors.Is(err, io.ErrUnexpectedEOF):
			return refuse("fsUploadIn.in（文件数据）不是合法的 Base64：%s", base64Fault(err, corrupt))
		default:
			return err
		}
	}
}

func base64Fault(err error, at base64.CorruptInputError) string {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return "长度不是 4 的倍数，应以 = 补足"
	}
	return fmt.Sprintf("第 %d 个字符处", int64(at)+1)
}

// quoted reads the text up to the quote that ends it. \/ stands for /, and \r
// and \n for the line ends that Base64 may have; no other escape does.
type quoted struct {
	in   *bufio.Reader
	done bool
	err  error // of the message, not of the text
}

func (q *quoted) Read(p []byte) (n int, err error) {
	for n < len(p) && !q.done {
		b, err := q.in.ReadByte()
		if err == nil && b == '\\' {
			if b, err = q.in.ReadByte(); err == nil {
				switch b {
				case '/':
				case 'n', 'r':
					b = '\n'
				default:
					b = '\\'
				}
			}
		}
		if err != nil {
			q.err = err
			return n, err
		}
		if b == '"' {
			q.done = true
			break
		}
		p[n] = b
		n++
	}
	if n == 0 && q.done {
		return 0, io.EOF
	}
	return n, nil
}
