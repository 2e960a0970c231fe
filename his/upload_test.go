package his

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func receive(t testing.TB, message string) ([]byte, []byte, error) {
	t.Helper()
	s := &Server{large: make(chan struct{}, largeFiles)}
	out, file, err := s.receive(strings.NewReader(message), 0)
	defer file.release()
	if file == nil || err != nil {
		return out, nil, err
	}
	content, e := io.ReadAll(file.reader())
	if e != nil {
		t.Fatal(e)
	}
	return out, content, nil
}

func TestLift(t *testing.T) {
	const digest = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0" // SM3 of abc
	for in, want := range map[string]string{
		`{"infno":"9101","input":{"fsUploadIn":{"in":[97,98,99],"filename":"x"}}}`:                         "abc",
		"\uFEFF { \"input\" : {\"fsuploadin\":{\"filename\":\"a\\\"b\", \"IN\" : \"YWJj\" } } , \"x\":1 }": "abc",
		`{"a":{"input":{"fsUploadIn":{"in":[1]}}},"input":{"b":[{"in":1}],"fsUploadIn":{"in":[255]}}}`:     "\xff",
		`{"input":[{"fsUploadIn":{"in":[1]}}]}`:                                                            "",
		`{"input":{"fsUploadIn":[{"in":[1]}]}}`:                                                            "",
		`{"input":{"fsUploadIn":{"in":"`:                                                                   "",
	} {
		out, file, err := receive(t, in)
		if err != nil || string(file) != want {
			t.Errorf("%s: %q, %v", in, file, err)
		}
		if want == "" && strings.HasSuffix(in, "}") && string(out) != in {
			t.Errorf("%s became %s", in, out)
		}
		if want == "abc" && !strings.Contains(string(out), `"`+digest+`"`) {
			t.Errorf("%s became %s", in, out)
		}
	}
}

// Without a file a message passes unchanged, be it JSON or not; with one, it is
// the same message with the file's digest in its place.
func FuzzLift(f *testing.F) {
	f.Add(`{"infno":"9101","input":{"x":{"in":[1,2]}}}`, []byte("abc"))
	f.Add(`{"a":"\"","b":[{}, "]"],"c":1e5}`, []byte{})
	f.Add("{]", []byte{0, 255})
	f.Fuzz(func(t *testing.T, message string, content []byte) {
		out, file, err := receive(t, message)
		if err != nil {
			var r *refusal
			if !errors.As(err, &r) {
				t.Fatalf("%q: %v", message, err)
			}
			return
		}
		if file == nil && string(out) != message && !strings.Contains(strings.ToLower(message), "fsuploadin") {
			t.Fatalf("%q became %q", message, out)
		}
		if len(content) == 0 {
			return
		}
		in := fmt.Sprintf(`{"before":%q,"input":{"other":[{"in":[1]}],"fsUploadIn":{"in":"%s","filename":"f"}},"after":[]}`, "x", base64.StdEncoding.EncodeToString(content))
		out, file, err = receive(t, in)
		if err != nil || !bytes.Equal(file, content) {
			t.Fatalf("%s: %q, %v", in, file, err)
		}
		numbers := strings.ReplaceAll(strings.Trim(fmt.Sprint(content), "[]"), " ", ", ")
		again, file, err := receive(t, strings.Replace(in, `"`+base64.StdEncoding.EncodeToString(content)+`"`, "["+numbers+"]", 1))
		if err != nil || !bytes.Equal(file, content) || !bytes.Equal(again, out) {
			t.Fatalf("%s: %q, %v", again, file, err)
		}
	})
}

// A line has its columns and one end, whatever the values hold.
func FuzzAppendRow(f *testing.F) {
	f.Add("a\tb", "")
	f.Add("多行\r\n文字", "null")
	f.Fuzz(func(t *testing.T, a, b string) {
		line := string(appendRow(nil, []string{a, b, "end"}))
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(columns) != 3 || strings.Count(line, "\n") != 1 || columns[2] != "end" {
			t.Fatalf("%q", line)
		}
		for i, v := range []string{a, b} {
			want := strings.NewReplacer("\t", " ", "\n", " ", "\r", " ").Replace(v)
			if v == "" {
				want = "null"
			}
			if columns[i] != want {
				t.Fatalf("%q for %q", columns[i], v)
			}
		}
	})
}
