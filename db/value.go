package db

import (
	"fmt"
	"reflect"
)

// plain turns the values of a statement, in place, into those that both
// databases take: nil, int64, string and []byte. A bool is 1 or 0.
func plain(args []any) []any {
	for i, a := range args {
		switch v := a.(type) {
		case nil, int64, string:
		case []byte:
			if v == nil {
				args[i] = nil
			}
		case int:
			args[i] = int64(v)
		case bool:
			if v {
				args[i] = int64(1)
			} else {
				args[i] = int64(0)
			}
		default:
			args[i] = plainOf(reflect.ValueOf(a))
		}
	}
	return args
}

func plainOf(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return int64(v.Uint())
	case reflect.String:
		return v.String()
	case reflect.Bool:
		if v.Bool() {
			return int64(1)
		}
		return int64(0)
	}
	panic(fmt.Sprintf("db: a statement cannot hold a %s", v.Type()))
}

// Rows is the row that a query stands on.
type Rows struct{ row row }

// A row gives the columns of the row that an engine's query stands on.
type row interface {
	columns() int
	null(i int) bool
	int64(i int) (int64, error)
	text(i int) (string, error)
	blob(i int) ([]byte, error)
	// any is the column as int64, string, []byte or nil.
	any(i int) (any, error)
}

// Scan copies the columns of the row into the pointers: to integers, strings,
// byte slices and bools, of any named type, and any.
func (r *Rows) Scan(to ...any) error {
	if n := r.row.columns(); n != len(to) {
		return fmt.Errorf("a row has %d columns, not %d", n, len(to))
	}
	for i, t := range to {
		if err := scan(r.row, i, t); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return nil
}

func scan(r row, i int, to any) (err error) {
	switch t := to.(type) {
	case *[]byte:
		if r.null(i) {
			*t = nil
			return nil
		}
		*t, err = r.blob(i)
		return err
	case *any:
		*t, err = r.any(i)
		return err
	}
	if r.null(i) {
		return fmt.Errorf("it is null")
	}
	switch t := to.(type) {
	case *string:
		*t, err = r.text(i)
	case *int64:
		*t, err = r.int64(i)
	case *int:
		var n int64
		n, err = r.int64(i)
		*t = int(n)
	case *bool:
		var n int64
		n, err = r.int64(i)
		*t = n != 0
	default:
		err = scanNamed(r, i, to)
	}
	return err
}

func scanNamed(r row, i int, to any) error {
	v := reflect.ValueOf(to)
	if v.Kind() != reflect.Pointer {
		return fmt.Errorf("cannot scan into a %T", to)
	}
	switch v = v.Elem(); v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := r.int64(i)
		if err == nil && v.OverflowInt(n) {
			err = fmt.Errorf("%d is too large for %s", n, v.Type())
		}
		if err == nil {
			v.SetInt(n)
		}
		return err
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := r.int64(i)
		if err == nil && (n < 0 || v.OverflowUint(uint64(n))) {
			err = fmt.Errorf("%d does not fit %s", n, v.Type())
		}
		if err == nil {
			v.SetUint(uint64(n))
		}
		return err
	case reflect.Bool:
		n, err := r.int64(i)
		if err == nil {
			v.SetBool(n != 0)
		}
		return err
	case reflect.String:
		s, err := r.text(i)
		if err == nil {
			v.SetString(s)
		}
		return err
	}
	return fmt.Errorf("cannot scan into a %T", to)
}
