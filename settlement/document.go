package settlement

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/policy"
)

// document is what a settlement keeps beside its columns: the question and the
// answer in the calculator's contract, the explanation, and how each fee
// divided, in the order of the case's lines.
type document struct {
	Case   json.RawMessage `json:"case"`
	Result json.RawMessage `json:"result"`
	Steps  []keptStep      `json:"steps"`
	Lines  []settledLine   `json:"lines"`
}

// settledLine is how a fee, with what was taken back of it, divided.
type settledLine struct {
	Serial string
	policy.LineSplit
}

// The coders may be used by many at once.
var (
	packer, _   = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(64<<10))
	unpacker, _ = zstd.NewReader(nil, zstd.WithDecoderMaxMemory(16*calc.MaxBytes))
)

// pack writes the document as it is stored: JSON packed by Zstandard.
func (d *document) pack() ([]byte, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	return packer.EncodeAll(text, make([]byte, 0, 2048)), nil
}

func unpack(stored []byte) (d document, err error) {
	text, err := unpacker.DecodeAll(stored, nil)
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	return d, err
}

// documentOf reads the document of a settlement.
func documentOf(ctx context.Context, tx *db.Tx, id string) (document, error) {
	var stored []byte
	if err := tx.QueryRow(ctx, `SELECT document FROM settlement WHERE id = ?`, id).Scan(&stored); err != nil {
		return document{}, err
	}
	d, err := unpack(stored)
	if err != nil {
		err = fmt.Errorf("settlement %s: %w", id, err)
	}
	return d, err
}

// documentFor is the document of a settlement whose lines are those of the
// serials.
func (s *Service) documentFor(st *Settlement, serials []string) ([]byte, error) {
	r := &st.Result
	d := document{
		Case:   calc.AppendCase(nil, s.store, r.Package, &st.Case),
		Result: calc.AppendResult(nil, r, nil),
		Steps:  keepSteps(st.Steps),
		Lines:  make([]settledLine, len(serials)),
	}
	if len(d.Case) > calc.MaxBytes { // it could not be read back
		return nil, &Error{"batch", "", "费用明细过多；请按收费批次分次结算"}
	}
	for i, split := range r.Lines {
		d.Lines[i] = settledLine{serials[i], split}
	}
	return d.pack()
}
