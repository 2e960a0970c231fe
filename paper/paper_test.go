package paper_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/paper"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// photograph is a picture that is red on the left and blue on the right.
func photograph(w, h int) image.Image {
	p := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{200, 20, 20, 255}
			if x >= w/2 {
				c = color.RGBA{20, 20, 200, 255}
			}
			p.SetRGBA(x, y, c)
		}
	}
	return p
}

func jpegOf(t testing.TB, p image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, p, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pngOf(t testing.TB, p image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// turned adds to a JPEG what a phone says: that it is to be turned, and who took it.
func turned(body []byte, orientation uint16) []byte {
	tiff := []byte("II*\x00\x08\x00\x00\x00")
	entry := func(tag, kind uint16, n, value uint32) {
		tiff = binary.LittleEndian.AppendUint16(tiff, tag)
		tiff = binary.LittleEndian.AppendUint16(tiff, kind)
		tiff = binary.LittleEndian.AppendUint32(tiff, n)
		tiff = binary.LittleEndian.AppendUint32(tiff, value)
	}
	tiff = binary.LittleEndian.AppendUint16(tiff, 2)
	entry(0x0112, 3, 1, uint32(orientation))
	entry(0x013b, 2, 20, 8+2+24+4) // artist
	tiff = append(tiff, 0, 0, 0, 0)
	tiff = append(tiff, "at 31.23N 121.47E  \x00"...)
	segment := append([]byte("Exif\x00\x00"), tiff...)
	head := append([]byte{0xff, 0xd8, 0xff, 0xe1}, byte((len(segment)+2)>>8), byte(len(segment)+2))
	return append(append(head, segment...), body[2:]...)
}

// pdf is a PDF of one page with further objects and keys in its catalogue.
func pdf(catalogue string, more ...string) []byte {
	objects := append([]string{
		"<< /Type /Catalog /Pages 2 0 R " + catalogue + " >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << >> /Contents 4 0 R >>",
		"<< /Length 8 >>\nstream\n0 0 m S \nendstream",
	}, more...)
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	var at []int
	for i, o := range objects {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, n := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", n)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return b.Bytes()
}

func TestClean(t *testing.T) {
	var c paper.Cleaner
	jpg := jpegOf(t, photograph(400, 200))
	glass := image.NewNRGBA(image.Rect(0, 0, 100, 100)) // wholly transparent
	for _, x := range []struct {
		name string
		body []byte
		kind string // "" if it is refused
		want string // in the refusal
		size image.Point
	}{
		{"a photograph", jpg, paper.JPEG, "", image.Pt(400, 200)},
		{"a screenshot", pngOf(t, photograph(300, 100)), paper.JPEG, "", image.Pt(300, 100)},
		{"one with nothing behind", pngOf(t, glass), paper.JPEG, "", image.Pt(100, 100)},
		{"a large one", jpegOf(t, photograph(4000, 1000)), paper.JPEG, "", image.Pt(2600, 650)},
		{"one taken upright", turned(jpg, 6), paper.JPEG, "", image.Pt(200, 400)},
		{"a PDF", pdf(""), paper.PDF, "", image.Point{}},
		{"a PDF that opens at a page", pdf("/OpenAction [3 0 R /Fit]"), paper.PDF, "", image.Point{}},
		{"nothing", nil, "", "空", image.Point{}},
		{"a page", []byte("<html><script>alert(1)</script></html>"), "", "只收照片", image.Point{}},
		{"a drawing that may run", []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`), "", "只收照片", image.Point{}},
		{"a programme", append([]byte("MZ\x90\x00"), make([]byte, 1000)...), "", "只收照片", image.Point{}},
		{"half a photograph", jpg[:len(jpg)/3], "", "照片", image.Point{}},
		{"a tiny one", jpegOf(t, photograph(10, 10)), "", "太小", image.Point{}},
		{"too many bytes", make([]byte, paper.MaxSize+1), "", "10 MB", image.Point{}},
		{"a PDF with a script", pdf("/OpenAction 5 0 R", "<< /S /JavaScript /JS (app.alert(1)) >>"), "", "脚本", image.Point{}},
		{"a PDF that starts a programme", pdf("/OpenAction 5 0 R", "<< /S /Launch /F (cmd.exe) >>"), "", "", image.Point{}},
		{"half a PDF", pdf("")[:40], "", "PDF", image.Point{}},
	} {
		t.Run(x.name, func(t *testing.T) {
			got, err := c.Clean(context.Background(), x.body)
			if x.kind == "" {
				var refused *paper.Error
				if !errors.As(err, &refused) || !strings.Contains(refused.Want, x.want) {
					t.Fatalf("%q, want a refusal with %q", err, x.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Kind != x.kind {
				t.Fatalf("it is %s", got.Kind)
			}
			if x.kind != paper.JPEG {
				return
			}
			p, err := jpeg.Decode(bytes.NewReader(got.Body()))
			if err != nil || p.Bounds().Size() != x.size {
				t.Fatalf("%v, %v", p.Bounds().Size(), err)
			}
			if bytes.Contains(got.Body(), []byte("Exif")) || bytes.Contains(got.Body(), []byte("121.47E")) {
				t.Error("it still says where it was taken")
			}
		})
	}
	// A picture that would fill the memory says so in its head.
	bomb := pngOf(t, photograph(60, 60))
	binary.BigEndian.PutUint32(bomb[16:], 60_000)
	binary.BigEndian.PutUint32(bomb[20:], 60_000)
	if _, err := c.Clean(context.Background(), bomb); err == nil {
		t.Error("a picture of 3600 million pixels was opened")
	}
	// Turned: what was left is above.
	got, err := c.Clean(context.Background(), turned(jpg, 6))
	if err != nil {
		t.Fatal(err)
	}
	p, _ := jpeg.Decode(bytes.NewReader(got.Body()))
	if r, _, b, _ := p.At(100, 20).RGBA(); r < b {
		t.Error("the picture is not upright")
	}
	if got, err = c.Clean(context.Background(), pngOf(t, glass)); err != nil {
		t.Fatal(err)
	}
	if p, _ = jpeg.Decode(bytes.NewReader(got.Body())); color.GrayModel.Convert(p.At(50, 50)).(color.Gray).Y < 250 {
		t.Error("what was transparent is not white")
	}
}

func FuzzClean(f *testing.F) {
	f.Add(jpegOf(f, photograph(60, 60)))
	f.Add(turned(jpegOf(f, photograph(60, 60)), 3))
	f.Add(pngOf(f, photograph(60, 60)))
	f.Add(pdf("/OpenAction 5 0 R", "<< /S /Launch /F (x) >>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		var c paper.Cleaner
		got, err := c.Clean(context.Background(), body)
		if err != nil {
			var refused *paper.Error
			if !errors.As(err, &refused) {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if got.Kind == paper.JPEG {
			if _, err := jpeg.Decode(bytes.NewReader(got.Body())); err != nil {
				t.Fatalf("what was written cannot be read: %v", err)
			}
		}
	})
}

func TestKept(t *testing.T) {
	d := dbtest.Open(t)
	ctx := context.Background()
	key := make([]byte, 48)
	sealer, err := gm.NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2025, 6, 1, 9, 0, 0, 0, time.UTC)
	s := paper.New(sealer, func() time.Time { at = at.Add(time.Second); return at })
	var c paper.Cleaner
	first, err := c.Clean(ctx, jpegOf(t, photograph(100, 80)))
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.Clean(ctx, pdf(""))
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var one paper.File
	must(d.Update(ctx, func(tx *db.Tx) (err error) {
		if one, err = s.Put(ctx, tx, paper.Handed{Matter: "M1", Person: "P1", Label: "收费票据", Name: "票\n据.jpg", Clean: first, Actor: "本人"}); err != nil {
			return err
		}
		again, err := s.Put(ctx, tx, paper.Handed{Matter: "M1", Person: "P1", Label: "收费票据", Name: "again.jpg", Clean: first, Actor: "本人"})
		if err == nil && again.ID != one.ID {
			t.Error("the same paper is kept twice")
		}
		if err == nil {
			_, err = s.Put(ctx, tx, paper.Handed{Matter: "M1", Person: "P1", Label: "费用清单", Name: "清单.pdf", Clean: second, Actor: "本人"})
		}
		return err
	}))
	must(d.View(ctx, func(tx *db.Tx) error {
		all, err := s.List(ctx, tx, "M1")
		if err != nil {
			return err
		}
		if len(all) != 2 || all[0].Name != "票据.jpg" || !all[0].Picture() || all[1].Kind != paper.PDF {
			t.Errorf("papers: %+v", all)
		}
		if m := paper.Missing([]string{"收费票据", "出院诊断证明"}, all); len(m) != 1 || m[0] != "出院诊断证明" {
			t.Errorf("missing: %v", m)
		}
		body, err := s.Content(ctx, tx, one)
		if err == nil && !bytes.Equal(body, first.Body()) {
			t.Error("the content is another")
		}
		var sealed []byte
		if e := tx.QueryRow(ctx, `SELECT data FROM paper_body WHERE paper = ?`, one.ID).Scan(&sealed); e == nil && bytes.Contains(sealed, first.Body()[:20]) {
			t.Error("it lies open in the store")
		}
		return err
	}))
	must(d.Update(ctx, func(tx *db.Tx) error { // somebody puts another's content in its place
		return tx.Exec(ctx, `UPDATE paper_body SET data = (SELECT data FROM paper_body b WHERE b.paper <> ?) WHERE paper = ?`, one.ID, one.ID)
	}))
	must(d.View(ctx, func(tx *db.Tx) error {
		if _, err := s.Content(ctx, tx, one); err == nil {
			t.Error("another paper's content was opened")
		}
		return nil
	}))
	must(d.Update(ctx, func(tx *db.Tx) error { return s.Remove(ctx, tx, one, "本人") }))
	must(d.View(ctx, func(tx *db.Tx) error {
		if _, ok, err := s.Get(ctx, tx, one.ID); ok || err != nil {
			t.Errorf("removed, and there: %v", err)
		}
		return nil
	}))
}

// TestMalware runs the ClamAV daemon, with a signature of our own, and asks it.
func TestMalware(t *testing.T) {
	path, err := exec.LookPath("clamd")
	if err != nil {
		if path = "/usr/sbin/clamd"; !exists(path) {
			t.Skip("clamd is not installed (Debian: apt-get install clamav-daemon)")
		}
	}
	dir := t.TempDir()
	bad := append(jpegOf(t, photograph(80, 80)), "a body that is known to be bad"...)
	socket := filepath.Join(dir, "clamd.sock")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(filepath.Join(dir, "db"), 0o755))
	// A signature: any file (0), anywhere (*), that holds the words, in hexadecimal.
	must(os.WriteFile(filepath.Join(dir, "db", "test.ndb"), fmt.Appendf(nil, "Anji.Test:0:*:%x\n", "known to be bad"), 0o644))
	config := filepath.Join(dir, "clamd.conf")
	must(os.WriteFile(config, []byte("LocalSocket "+socket+"\nDatabaseDirectory "+filepath.Join(dir, "db")+"\nForeground yes\nUser root\nLogFile "+filepath.Join(dir, "log")+"\n"), 0o644))
	cmd := exec.Command(path, "--config-file="+config)
	cmd.Stderr = os.Stderr
	must(cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			break
		}
		select {
		case <-ctx.Done():
			t.Skip("clamd does not start here")
		case <-tick.C:
		}
	}
	c := paper.Cleaner{Scanner: paper.Clamd{Address: socket}}
	if _, err := c.Clean(ctx, jpegOf(t, photograph(80, 80))); err != nil {
		t.Errorf("a good picture: %v", err)
	}
	var refused *paper.Error
	if _, err := c.Clean(ctx, bad); !errors.As(err, &refused) || !strings.Contains(refused.Want, "安全检查") {
		t.Errorf("a bad picture: %v", err)
	}
	c.Scanner = paper.Clamd{Address: filepath.Join(dir, "nobody.sock")}
	if _, err := c.Clean(ctx, jpegOf(t, photograph(80, 80))); err == nil || errors.As(err, &refused) {
		t.Errorf("without the daemon: %v", err)
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }
