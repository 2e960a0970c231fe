package credential

import (
	"bytes"
	"context"
	"image"
	_ "image/jpeg" // the formats that phones send
	_ "image/png"
)

// TestVerifier stands in for a real verifier of faces beside made-up data. It
// compares no faces: it accepts every picture that is one and shows something,
// and refuses the others. Its name says so in every record.
type TestVerifier struct{}

// Name is in Chinese, for the record.
func (TestVerifier) Name() string { return "本地测试核验（不比对人脸）" }

// maxPixels bounds what is unpacked to look at a picture.
const maxPixels = 40 << 20

// Verify accepts what is a picture of more than one colour.
func (TestVerifier) Verify(_ context.Context, f Face) (Verdict, error) {
	c, _, err := image.DecodeConfig(bytes.NewReader(f.Image))
	if err != nil {
		return Verdict{Why: "不是 JPEG 或 PNG 照片"}, nil
	}
	if c.Width*c.Height > maxPixels {
		return Verdict{Why: "照片太大"}, nil
	}
	m, _, err := image.Decode(bytes.NewReader(f.Image))
	if err != nil {
		return Verdict{Why: "照片不完整"}, nil
	}
	b := m.Bounds()
	first := m.At(b.Min.X, b.Min.Y)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if m.At(x, y) != first {
				return Verdict{Same: true, Reference: "test"}, nil
			}
		}
	}
	return Verdict{Why: "照片中没有人脸"}, nil
}
