package ocr

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
)

// turned is how a phone was held (EXIF Orientation) when it took a JPEG: 1 upright,
// 3 upside down, 6 to be turned clockwise, 8 counterclockwise. It is 1 where
// nothing is said, or a picture is mirrored, as no phone's is.
func turned(jpeg []byte) int {
	if len(jpeg) < 4 || jpeg[0] != 0xff || jpeg[1] != 0xd8 {
		return 1
	}
	for rest := jpeg[2:]; len(rest) >= 4 && rest[0] == 0xff && rest[1] != 0xda; {
		n := int(binary.BigEndian.Uint16(rest[2:])) // with its own two bytes
		if n < 2 || 2+n > len(rest) {
			return 1
		}
		if exif, ok := bytes.CutPrefix(rest[4:2+n], []byte("Exif\x00\x00")); ok && rest[1] == 0xe1 {
			return orientation(exif)
		}
		rest = rest[2+n:]
	}
	return 1
}

// orientation reads the tag of that name in a TIFF head.
func orientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if tiff[0] == 'I' {
		order = binary.LittleEndian
	}
	at := order.Uint32(tiff[4:])
	if uint64(at)+2 > uint64(len(tiff)) {
		return 1
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			return 1
		}
		if order.Uint16(entries) == 0x0112 {
			if o := int(order.Uint16(entries[8:])); o == 3 || o == 6 || o == 8 {
				return o
			}
			return 1
		}
		entries = entries[12:]
	}
	return 1
}

// upright turns a picture as it was held, without its colours.
func upright(picture []byte) ([]byte, error) {
	o := turned(picture)
	if o == 1 {
		return picture, nil
	}
	from, _, err := image.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, &Error{"", "图片不完整"}
	}
	b := from.Bounds()
	w, h := b.Dx(), b.Dy()
	to := image.NewGray(image.Rect(0, 0, h, w))
	if o == 3 {
		to = image.NewGray(image.Rect(0, 0, w, h))
	}
	light := func(x, y int) color.Gray { return color.GrayModel.Convert(from.At(x, y)).(color.Gray) }
	if c, ok := from.(*image.YCbCr); ok { // as nearly every JPEG is: no need to compute its colours
		light = func(x, y int) color.Gray { return color.Gray{Y: c.Y[c.YOffset(x, y)]} }
	}
	for y := range h {
		for x := range w {
			grey := light(b.Min.X+x, b.Min.Y+y)
			switch o {
			case 3:
				to.SetGray(w-1-x, h-1-y, grey)
			case 6:
				to.SetGray(h-1-y, x, grey)
			case 8:
				to.SetGray(y, w-1-x, grey)
			}
		}
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&out, to); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
