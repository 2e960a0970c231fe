package paper

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	_ "image/png" // so that the size of a PNG can be read
	"slices"

	"github.com/kovidgoyal/imaging"
	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/types"
	_ "golang.org/x/image/webp"
)

// The bounds of what is taken.
const (
	MaxSize   = 10 << 20   // bytes of a file as it is sent
	maxPixels = 60_000_000 // of a picture before it is opened: a decoded one takes four bytes each
	maxSide   = 2600       // pixels of a kept picture's longer side: A4 at 220 dpi
	quality   = 82         // of a kept picture (JPEG)
	maxPages  = 60         // of a PDF
)

// The kinds of files, as the content types that they are shown with.
const (
	JPEG = "image/jpeg"
	PDF  = "application/pdf"
)

// Scanner looks for malware (病毒扫描). Its error is for the server's log; a file
// that it finds bad is a *Infected.
type Scanner interface {
	Scan(ctx context.Context, body []byte) error
}

// Infected says what a Scanner found.
type Infected struct{ What string }

func (e *Infected) Error() string { return "malware: " + e.What }

// Cleaner makes what people send safe to keep and to show.
type Cleaner struct {
	Scanner Scanner // nil: files are not looked at for malware
}

// Clean is a file that was made safe.
type Clean struct {
	Kind string // JPEG or PDF
	body []byte
}

// Body is the content.
func (c Clean) Body() []byte { return c.body }

// Clean reads what a file is by its content, whatever its name says, and makes it
// safe: pictures are opened and written anew, upright, without what else they
// hold, such as where they were taken; a PDF must be whole, open without a
// password, and hold nothing that runs or is embedded. An *Error says why a file
// is not taken.
func (c *Cleaner) Clean(ctx context.Context, body []byte) (Clean, error) {
	switch {
	case len(body) == 0:
		return Clean{}, &Error{"file", "", "文件是空的"}
	case len(body) > MaxSize:
		return Clean{}, &Error{"file", "", fmt.Sprintf("文件超过 %d MB，请压缩后再上传", MaxSize>>20)}
	}
	if c.Scanner != nil {
		if err := c.Scanner.Scan(ctx, body); err != nil {
			if _, bad := err.(*Infected); bad {
				return Clean{}, &Error{"file", "", "文件没有通过安全检查，不能上传"}
			}
			return Clean{}, err
		}
	}
	if bytes.HasPrefix(body, []byte("%PDF-")) {
		if err := checkPDF(body); err != nil {
			return Clean{}, err
		}
		return Clean{PDF, slices.Clone(body)}, nil
	}
	picture, err := redraw(body)
	return Clean{JPEG, picture}, err
}

// redraw opens a picture and writes it anew.
func redraw(body []byte) (out []byte, err error) {
	config, format, err := image.DecodeConfig(bytes.NewReader(body))
	switch {
	case err != nil || format != "jpeg" && format != "png" && format != "webp":
		return nil, &Error{"file", "", "只收照片（JPEG、PNG、WebP）和 PDF"}
	case config.Width < 50 || config.Height < 50:
		return nil, &Error{"file", "", "照片太小，看不清"}
	case config.Width*config.Height > maxPixels:
		return nil, &Error{"file", "", fmt.Sprintf("照片超过 %d 万像素", maxPixels/10_000)}
	}
	defer func() { // a picture made to break its reader breaks no more than itself
		if p := recover(); p != nil {
			out, err = nil, &Error{"file", "", "照片已损坏，打不开"}
		}
	}()
	picture, err := imaging.Decode(bytes.NewReader(body), imaging.AutoOrientation(true), imaging.Backends(imaging.GO_IMAGE))
	if err != nil || picture == nil {
		return nil, &Error{"file", "", "照片已损坏，打不开"}
	}
	if b := picture.Bounds(); b.Dx() > maxSide || b.Dy() > maxSide {
		picture = imaging.Fit(picture, maxSide, maxSide, imaging.CatmullRom)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, opaque(picture), &jpeg.Options{Quality: quality}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// opaque puts a picture on white paper: JPEG knows no transparency.
func opaque(p image.Image) image.Image {
	if o, ok := p.(interface{ Opaque() bool }); ok && o.Opaque() {
		return p
	}
	return imaging.Overlay(imaging.New(p.Bounds().Dx(), p.Bounds().Dy(), image.White.C), p, image.Pt(0, 0), 1)
}

func init() { api.DisableConfigDir() } // the library keeps no files of its own

// forbidden are the keys of a PDF's objects that run something or carry a file.
var forbidden = []string{"JS", "JavaScript", "AA", "EmbeddedFiles", "EF", "RichMedia", "XFA"}

// actions are the kinds of actions that lead out of a PDF.
var actions = []string{"JavaScript", "Launch", "SubmitForm", "ImportData", "GoToE", "GoToR", "Rendition", "Movie", "Sound"}

// checkPDF refuses a PDF that is broken, locked, long, or holds more than pages.
func checkPDF(body []byte) (err error) {
	broken := &Error{"file", "", "PDF 已损坏或加了密码，打不开；可以拍照上传"}
	defer func() {
		if p := recover(); p != nil {
			err = broken
		}
	}()
	conf := model.NewDefaultConfiguration()
	conf.ValidationMode = model.ValidationRelaxed
	conf.Offline = true
	ctx, e := api.ReadContext(bytes.NewReader(body), conf)
	if e != nil || ctx == nil || ctx.XRefTable.Encrypt != nil {
		return broken
	}
	if err := api.ValidateContext(ctx); err != nil {
		return broken
	}
	if ctx.PageCount < 1 || ctx.PageCount > maxPages {
		return &Error{"file", "", fmt.Sprintf("PDF 应有 1 至 %d 页", maxPages)}
	}
	for _, entry := range ctx.XRefTable.Table {
		if entry != nil && !entry.Free && runs(entry.Object, 0) {
			return &Error{"file", "", "PDF 里带有脚本、附件或外部动作，不能上传；可以打印成新的 PDF，或拍照上传"}
		}
	}
	return nil
}

// runs reports whether an object runs something or carries a file.
func runs(o types.Object, depth int) bool {
	if depth > 50 {
		return true // no page is nested so deep
	}
	switch x := o.(type) {
	case types.Dict:
		for _, k := range forbidden {
			if _, ok := x.Find(k); ok {
				return true
			}
		}
		if s := x.NameEntry("S"); s != nil && slices.Contains(actions, *s) {
			return true
		}
		for _, v := range x {
			if runs(v, depth+1) {
				return true
			}
		}
	case types.StreamDict:
		return runs(x.Dict, depth)
	case *types.StreamDict:
		return x != nil && runs(x.Dict, depth)
	case types.Array:
		for _, v := range x {
			if runs(v, depth+1) {
				return true
			}
		}
	}
	return false
}
