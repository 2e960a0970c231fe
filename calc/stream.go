package calc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/anji-platform/anji/policy"
)

// batchBytes is about how much input one worker takes at a time.
const batchBytes = 256 << 10

// Stream answers a stream of JSON Lines: one case a line in, one result a line
// out, in order. A bad line is answered by an error object on its line while
// the others go on; bad counts them. The error is of reading or writing only.
func Stream(ctx context.Context, store *policy.Store, in io.Reader, out io.Writer) (good, bad int, err error) {
	type batch struct {
		first int // number of its first line
		in    []byte
		out   []byte
		good  int
		bad   int
		done  chan struct{}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workers := runtime.GOMAXPROCS(0)
	todo := make(chan *batch)
	order := make(chan *batch, 2*workers)
	pool := sync.Pool{New: func() any { return &batch{} }}

	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			w := newLineWorker(store)
			for b := range todo {
				b.out, b.good, b.bad = w.answer(b.out[:0], b.in, b.first)
				close(b.done)
			}
		})
	}

	var readErr error
	go func() {
		defer close(order)
		defer close(todo)
		r := bufio.NewReaderSize(in, batchBytes)
		line := 1
		for {
			b := pool.Get().(*batch)
			b.first, b.done = line, make(chan struct{})
			b.in, readErr = readBatch(r, b.in[:0])
			if len(b.in) == 0 {
				return
			}
			line += bytes.Count(b.in, []byte("\n"))
			select {
			case order <- b:
			case <-ctx.Done():
				return
			}
			select {
			case todo <- b:
			case <-ctx.Done():
				return
			}
			if readErr != nil {
				return
			}
		}
	}()

	for b := range order {
		select {
		case <-b.done:
		case <-ctx.Done():
			wg.Wait()
			return good, bad, ctx.Err()
		}
		if err == nil {
			_, err = out.Write(b.out)
		}
		if err != nil {
			cancel()
			break
		}
		good, bad = good+b.good, bad+b.bad
		pool.Put(b)
	}
	for range order { // let the reader end
	}
	wg.Wait()
	if err == nil && readErr != nil && !errors.Is(readErr, io.EOF) {
		err = readErr
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	return good, bad, err
}

// readBatch reads whole lines until there is about a batch of them. A line
// past MaxBytes is cut there, so that memory stays bounded; the decoder
// refuses it.
func readBatch(r *bufio.Reader, b []byte) ([]byte, error) {
	for len(b) < batchBytes {
		start := len(b)
		for {
			chunk, err := r.ReadSlice('\n')
			if room := MaxBytes + 2 - (len(b) - start); len(chunk) > room {
				chunk = chunk[:max(room, 0)]
			}
			b = append(b, chunk...)
			if err == nil {
				if b[len(b)-1] != '\n' {
					b = append(b, '\n')
				}
				break
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				return b, err
			}
		}
	}
	return b, nil
}

// lineWorker answers lines one after the other, reusing its memory.
type lineWorker struct {
	store *policy.Store
	dec   *Decoder
	c     policy.Case
	r     policy.Result
	t     policy.Trace
}

func newLineWorker(store *policy.Store) *lineWorker {
	return &lineWorker{store: store, dec: NewDecoder(store)}
}

func (w *lineWorker) answer(out, in []byte, first int) (_ []byte, good, bad int) {
	for n := first; len(in) > 0; n++ {
		line := in
		if i := bytes.IndexByte(in, '\n'); i >= 0 {
			line, in = in[:i], in[i+1:]
		} else {
			in = nil
		}
		var err error
		if out, err = w.one(out, bytes.TrimSuffix(line, []byte("\r"))); err != nil {
			bad++
			out = AppendError(out, n, asError(err))
		} else {
			good++
		}
		out = append(out, '\n')
	}
	return out, good, bad
}

func (w *lineWorker) one(out, line []byte) ([]byte, error) {
	if err := w.dec.Decode(line, &w.c); err != nil {
		return out, err
	}
	w.t.Steps = w.t.Steps[:0]
	if err := w.store.Settle(&w.c, &w.r, &w.t); err != nil {
		return out, err
	}
	return AppendResult(out, &w.r, w.t.Steps), nil
}

// asError gives any error of a case the form of the contract.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var ie *policy.InputError
	if errors.As(err, &ie) {
		m := ie.Want
		if ie.Value != "" {
			m = quoted(ie.Value) + "：" + m
		}
		return &Error{Line: 1, Col: 1, Field: ie.Field, Message: m}
	}
	return &Error{Line: 1, Col: 1, Message: fmt.Sprint(err)}
}

// Settle decides one case and answers as Stream does for its line.
func Settle(store *policy.Store, c *policy.Case, r *policy.Result, t *policy.Trace) error {
	if err := store.Settle(c, r, t); err != nil {
		return asError(err)
	}
	return nil
}
