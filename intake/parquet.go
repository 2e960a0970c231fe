package intake

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/anji-platform/anji/civil"
)

// records are the rows of a file, the first being the names of the columns.
// *csv.Reader is one.
type records interface {
	Read() ([]string, error)
	InputOffset() int64
	FieldPos(field int) (line, column int)
}

// magic begins and ends a Parquet file.
const magic = "PAR1"

// table reads a Parquet file as rows of text. Its first row is row 1, the names.
type table struct {
	rows   parquet.Rows
	groups []parquet.RowGroup
	leaves []leaf
	buffer []parquet.Row
	ready  []parquet.Row
	record []string
	n      int // rows read
	all    int64
	size   int64
}

// leaf is one column.
type leaf struct {
	name string
	text func(parquet.Value) string
}

// errParquet says that a file is no Parquet that can be read.
var errParquet = errors.New("文件不是可读的 Parquet，或已损坏")

// guarded turns a panic of the library on a broken file into an error.
func guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w：%v", errParquet, r)
		}
	}()
	return f()
}

func openParquet(file io.ReadSeeker) (records, error) {
	at, ok := file.(io.ReaderAt)
	if !ok {
		return nil, errors.New("文件为 Parquet，须能随机读取")
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	t := &table{size: size}
	err = guarded(func() error {
		f, err := parquet.OpenFile(at, size)
		if err != nil {
			return fmt.Errorf("%w：%v", errParquet, err)
		}
		t.groups, t.all = f.RowGroups(), f.NumRows()
		for _, field := range f.Schema().Fields() {
			if !field.Leaf() || field.Repeated() {
				return fmt.Errorf("列「%s」不是单值的列", field.Name())
			}
			t.leaves = append(t.leaves, leaf{field.Name(), textOf(field.Type())})
		}
		return nil
	})
	t.record = make([]string, len(t.leaves))
	t.buffer = make([]parquet.Row, 256)
	return t, err
}

// textOf is how values of a type are written in a file of text.
func textOf(t parquet.Type) func(parquet.Value) string {
	if l := t.LogicalType(); l != nil {
		switch l := l.Value.(type) {
		case *format.DateType:
			return func(v parquet.Value) string { return civil.Date(19700101).AddDays(int(v.Int32())).String() }
		case *format.DecimalType:
			return decimal(l)
		}
	}
	switch t.Kind() {
	case parquet.Boolean:
		return func(v parquet.Value) string { return strconv.FormatBool(v.Boolean()) }
	case parquet.Float, parquet.Double:
		return func(v parquet.Value) string { return strconv.FormatFloat(v.Double(), 'f', -1, 64) }
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return func(v parquet.Value) string { return string(v.ByteArray()) }
	}
	return parquet.Value.String
}

// decimal writes exact decimals, whichever way they are stored.
func decimal(d *format.DecimalType) func(parquet.Value) string {
	return func(v parquet.Value) string {
		n := new(big.Int)
		switch v.Kind() {
		case parquet.Int32:
			n.SetInt64(int64(v.Int32()))
		case parquet.Int64:
			n.SetInt64(v.Int64())
		default: // big-endian, two's complement
			b := v.ByteArray()
			n.SetBytes(b)
			if len(b) > 0 && b[0]&0x80 != 0 {
				n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
			}
		}
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(0, d.Scale))), nil)
		return new(big.Rat).SetFrac(n, scale).FloatString(int(max(0, d.Scale)))
	}
}

// Read returns the names of the columns, then row by row.
func (t *table) Read() ([]string, error) {
	if t.n == 0 {
		t.n++
		for i, l := range t.leaves {
			t.record[i] = l.name
		}
		return t.record, nil
	}
	for len(t.ready) == 0 {
		if err := guarded(t.fill); err != nil {
			return nil, err
		}
	}
	row := t.ready[0]
	t.ready = t.ready[1:]
	t.n++
	err := guarded(func() error {
		for _, v := range row {
			i := v.Column()
			if i < 0 || i >= len(t.leaves) {
				return errParquet
			}
			t.record[i] = ""
			if !v.IsNull() {
				t.record[i] = t.leaves[i].text(v)
			}
		}
		return nil
	})
	return t.record, err
}

// fill reads the next rows.
func (t *table) fill() error {
	if t.rows == nil {
		if len(t.groups) == 0 {
			return io.EOF
		}
		t.rows, t.groups = t.groups[0].Rows(), t.groups[1:]
	}
	n, err := t.rows.ReadRows(t.buffer)
	t.ready = t.buffer[:n]
	if err == io.EOF {
		err = t.rows.Close()
		t.rows = nil
	}
	if err != nil {
		return fmt.Errorf("%w：%v", errParquet, err)
	}
	return nil
}

// InputOffset is about how much of the file was read.
func (t *table) InputOffset() int64 {
	if t.all == 0 {
		return t.size
	}
	return min(t.size, int64(float64(t.size)*float64(t.n-1)/float64(t.all)))
}

// FieldPos is the row that was read last.
func (t *table) FieldPos(int) (int, int) { return t.n, 1 }
