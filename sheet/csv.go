package sheet

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
)

// HeadError says that a file does not begin with the columns that it needs.
type HeadError struct{ Want string } // in Chinese

func (e *HeadError) Error() string { return e.Want }

// ReadCSV reads a CSV file of at most so many bytes whose first row names its
// columns, in any order. Each further row goes to each, with what stands in the
// columns of the titles; broken is true of a row that is no CSV. The file is read
// to its end, or until each returns an error. A *HeadError says that a column is
// missing.
func ReadCSV(file io.Reader, most int64, titles []string, each func(line int, cell func(i int) string, broken bool) error) error {
	in := csv.NewReader(bufio.NewReader(io.LimitReader(file, most)))
	in.FieldsPerRecord = -1
	head, err := in.Read()
	if err != nil {
		return &HeadError{"文件是空的，或不是 CSV"}
	}
	at := make([]int, len(titles))
	for i, title := range titles {
		at[i] = slices.IndexFunc(head, func(c string) bool {
			return strings.HasPrefix(strings.TrimPrefix(strings.TrimSpace(c), "\ufeff"), title)
		})
		if at[i] < 0 {
			return &HeadError{"第一行没有列名“" + title + "”；应有 " + strings.Join(titles, "、")}
		}
	}
	for {
		record, err := in.Read()
		if err == io.EOF {
			return nil
		}
		line, broken := 0, false
		if bad := (*csv.ParseError)(nil); errors.As(err, &bad) {
			line, broken = bad.StartLine, true
		} else if err != nil {
			return err
		} else {
			line, _ = in.FieldPos(0)
		}
		cell := func(i int) string {
			if broken || at[i] >= len(record) {
				return ""
			}
			return strings.TrimSpace(record[at[i]])
		}
		if err := each(line, cell, broken); err != nil {
			return err
		}
	}
}
