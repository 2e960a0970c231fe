// Package ocr reads pictures of invoices: those of hospitals (医疗收费票据) and of
// pharmacies (增值税发票). It is a help for who would type them otherwise: it
// runs Tesseract, an open reader of print, as a process of its own, and nothing
// depends on it.
//
// What could not be read for sure is empty, never guessed. Each value comes with
// the text that it was read from and how sure the reader is; whoever takes it
// looks at the picture.
package ocr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // what phones take
	_ "image/png"
	"os"
	"os/exec"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/money"
)

// Reading is one value of a picture. Value is zero where Text could not be read
// as one; Text is "" where nothing was found.
type Reading[T comparable] struct {
	Value      T
	Text       string
	Confidence int // 0 to 100, of the least sure word of Text
}

// Line is one item of an invoice.
type Line struct {
	Item   Reading[string]
	Amount Reading[money.Fen] // without tax where the invoice says tax beside it
}

// Invoice is what was read of a picture.
type Invoice struct {
	Code   Reading[string]     // 票据代码, 发票代码
	Number Reading[string]     // 票据号码, 发票号码
	Check  Reading[string]     // 校验码
	Date   Reading[civil.Date] // 开票日期
	Total  Reading[money.Fen]  // 金额合计, 价税合计, in figures (小写)
	Payee  Reading[string]     // 收款单位, 销售方
	Name   Reading[string]     // 交款人, 购买方
	Lines  []Line
}

// Empty reports whether nothing was read.
func (v *Invoice) Empty() bool {
	return v.Code.Value == "" && v.Number.Value == "" && v.Check.Value == "" && v.Date.Value == 0 && v.Total.Value == 0 && v.Payee.Value == "" && v.Name.Value == "" && len(v.Lines) == 0
}

// Error says what is wrong with a picture.
type Error struct{ Value, Want string }

func (e *Error) Error() string { return fmt.Sprintf("image %q: %s", e.Value, e.Want) }

// Refusal says what is wrong with what was asked.
func (e *Error) Refusal() (field, value, want string) { return "image", e.Value, e.Want }

// ErrMissing is returned where the command that reads is not installed.
var ErrMissing = errors.New("ocr: tesseract is not installed (Debian: tesseract-ocr tesseract-ocr-chi-sim)")

// Bounds of a picture and of what is said of it. A page of A4 at 400 dpi has 15
// million pixels; a phone's picture up to 50 million.
const (
	MaxBytes  = 16 << 20
	MaxPixels = 50_000_000
	minSide   = 200     // nothing can be read in less
	maxOutput = 4 << 20 // of the command
)

// Reader reads invoices. The zero Reader is ready to use.
type Reader struct {
	Command  string        // "": tesseract
	Language string        // of the trained data; "": chi_sim
	Timeout  time.Duration // of one picture; 0: half a minute
	Least    int           // confidence below which a value is not taken; 0: 50
}

// Installed reports whether pictures can be read here.
func (r *Reader) Installed() bool {
	_, err := exec.LookPath(r.command())
	return err == nil
}

func (r *Reader) command() string {
	if r.Command == "" {
		return "tesseract"
	}
	return r.Command
}

// The ways in which Tesseract takes a page apart (--psm): as one column of text of
// various sizes, and as one block. Tables and labels survive in one or the other.
var ways = []string{"4", "6"}

// Read reads a picture, PNG or JPEG; what a phone says of how it was held is heeded.
// It is read in two ways; what they
// read differently is not taken.
func (r *Reader) Read(ctx context.Context, picture []byte) (Invoice, error) {
	if err := check(picture); err != nil {
		return Invoice{}, err
	}
	picture, err := upright(picture)
	if err != nil {
		return Invoice{}, err
	}
	timeout := r.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	least := r.Least
	if least == 0 {
		least = 50
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var out Invoice
	for i, way := range ways {
		tsv, err := r.run(ctx, picture, way)
		if err != nil {
			return Invoice{}, err
		}
		words, err := Words(tsv)
		if err != nil {
			return Invoice{}, err
		}
		v := Parse(words, least)
		if i == 0 {
			out = v
		} else {
			out = agree(out, v)
		}
	}
	return out, nil
}

// check bounds a picture before anything takes it apart.
func check(picture []byte) error {
	if len(picture) > MaxBytes {
		return &Error{fmt.Sprintf("%d bytes", len(picture)), fmt.Sprintf("图片不超过 %d MB", MaxBytes>>20)}
	}
	c, kind, err := image.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		return &Error{"", "图片应为 PNG 或 JPEG"}
	}
	size := fmt.Sprintf("%s %d×%d", kind, c.Width, c.Height)
	if c.Width < minSide || c.Height < minSide {
		return &Error{size, fmt.Sprintf("图片的宽和高至少 %d 像素", minSide)}
	}
	if c.Width > MaxPixels/c.Height {
		return &Error{size, fmt.Sprintf("图片不超过 %d 万像素", MaxPixels/10_000)}
	}
	return nil
}

// run runs the command over a picture. The picture goes in and the words come out
// by pipes: no file holds somebody's invoice. It ends with the context.
func (r *Reader) run(ctx context.Context, picture []byte, way string) ([]byte, error) {
	language := r.Language
	if language == "" {
		language = "chi_sim"
	}
	path, err := exec.LookPath(r.command())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	// Without a density Tesseract guesses one, and says so.
	cmd := exec.CommandContext(ctx, path, "stdin", "stdout", "-l", language, "--psm", way, "--dpi", "150", "tsv")
	cmd.Env = append(os.Environ(), "OMP_THREAD_LIMIT=1") // one picture takes one core
	cmd.Stdin = bytes.NewReader(picture)
	cmd.WaitDelay = time.Second
	out, faults := &bounded{max: maxOutput}, &bounded{max: 4 << 10, rest: true}
	cmd.Stdout, cmd.Stderr = out, faults
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("ocr: reading took too long: %w", ctx.Err())
		}
		return nil, fmt.Errorf("ocr: %s: %w: %s", r.command(), err, bytes.TrimSpace(faults.kept))
	}
	return out.kept, nil
}

// bounded keeps what is written up to a bound; beyond it, it fails, or drops the
// rest.
type bounded struct {
	kept []byte
	max  int
	rest bool // is dropped
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.kept)+len(p) <= b.max {
		b.kept = append(b.kept, p...)
		return len(p), nil
	}
	if !b.rest {
		return 0, fmt.Errorf("ocr: more than %d bytes", b.max)
	}
	b.kept = append(b.kept, p[:b.max-len(b.kept)]...)
	return len(p), nil
}

// agree takes what two readings agree about, or one of them alone has.
func agree(a, b Invoice) Invoice {
	out := Invoice{Code: both(a.Code, b.Code), Number: both(a.Number, b.Number), Check: both(a.Check, b.Check), Date: both(a.Date, b.Date),
		Total: both(a.Total, b.Total), Payee: both(a.Payee, b.Payee), Name: both(a.Name, b.Name), Lines: a.Lines}
	if len(b.Lines) > len(a.Lines) {
		out.Lines = b.Lines
	}
	return out
}

func both[T comparable](a, b Reading[T]) Reading[T] {
	var none T
	switch {
	case a.Value != none && b.Value != none && a.Value != b.Value:
		return Reading[T]{Text: a.Text + " / " + b.Text}
	case a.Value == none && b.Value == none && a.Text == "", a.Value == none && b.Value != none, a.Value == b.Value && b.Confidence > a.Confidence:
		return b
	}
	return a
}
