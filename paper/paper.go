// Package paper keeps the papers that people hand in with what they apply for
// (材料): photographs and PDFs, made safe before they are kept, sealed where they
// lie, and found by the matter that they belong to. Who may see a paper, the
// matter's own room says.
package paper

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/gm"
)

// MaxPapers is how many papers a matter has at the most.
const MaxPapers = 60

// Error is a fault of what was sent: which field, what it holds, what is allowed.
type Error struct{ Field, Value, Want string }

func (e *Error) Error() string {
	if e.Value == "" {
		return e.Field + "：" + e.Want
	}
	return e.Field + "「" + e.Value + "」：" + e.Want
}

// Refusal says what is refused, and why.
func (e *Error) Refusal() (field, value, want string) { return e.Field, e.Value, e.Want }

// File is what is known of a paper.
type File struct {
	ID     string
	Matter string
	Person string // whose affair it is
	Label  string // which of the papers asked for, as the package names it
	Name   string // of the file, as it was sent
	Kind   string // JPEG or PDF
	Size   int64  // bytes
	Digest []byte // SM3 of the content
	At     time.Time
	Actor  string // who handed it in
}

// Picture reports whether a browser shows it as a picture.
func (f File) Picture() bool { return f.Kind == JPEG }

// Service keeps papers.
type Service struct {
	sealer *gm.Sealer
	now    func() time.Time
}

// New returns a service; now nil is time.Now.
func New(sealer *gm.Sealer, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{sealer, now}
}

// Handed is a paper that is handed in.
type Handed struct {
	Matter, Person, Label, Name, Actor string
	Clean                              Clean
}

func purpose(id string) string { return "paper_body.data " + id }

// Put keeps a paper. One whose content the matter has already under the label is
// not kept twice.
func (s *Service) Put(ctx context.Context, tx *db.Tx, h Handed) (File, error) {
	if len(h.Clean.body) == 0 {
		return File{}, &Error{"file", "", "缺少文件"}
	}
	if h.Label == "" {
		return File{}, &Error{"label", "", "缺少材料名称"}
	}
	if err := tx.Lock(ctx, "paper:"+h.Matter); err != nil {
		return File{}, err
	}
	have, err := s.List(ctx, tx, h.Matter)
	if err != nil {
		return File{}, err
	}
	f := File{ID: newID(s.now()), Matter: h.Matter, Person: h.Person, Label: h.Label, Name: clip(h.Name), Kind: h.Clean.Kind,
		Size: int64(len(h.Clean.body)), Digest: gm.Digest(h.Clean.body), At: s.now(), Actor: h.Actor}
	for _, x := range have {
		if x.Label == f.Label && string(x.Digest) == string(f.Digest) {
			return x, nil
		}
	}
	if len(have) >= MaxPapers {
		return File{}, &Error{"file", "", fmt.Sprintf("一件至多 %d 份材料", MaxPapers)}
	}
	if err := tx.Exec(ctx, `INSERT INTO paper (id, matter, person, label, name, kind, size, digest, at, actor) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		f.ID, f.Matter, f.Person, f.Label, f.Name, f.Kind, f.Size, f.Digest, f.At.UTC().Format(time.RFC3339Nano), f.Actor); err != nil {
		return File{}, err
	}
	if err := tx.Exec(ctx, `INSERT INTO paper_body (paper, data) VALUES (?, ?)`, f.ID, s.sealer.Seal(purpose(f.ID), string(h.Clean.body))); err != nil {
		return File{}, err
	}
	return f, s.record(ctx, tx, f, "paper.put", h.Actor)
}

// clip keeps a name short and on one line.
func clip(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.RuneError {
			return -1
		}
		return r
	}, name)
	for len(name) > 200 {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	return name
}

func (s *Service) record(ctx context.Context, tx *db.Tx, f File, action, actor string) error {
	return audit.Append(ctx, tx, audit.Record{At: s.now(), Actor: actor, Chain: audit.OfPerson(f.Person), Action: action, Subject: f.ID,
		Details: map[string]string{"matter": f.Matter, "label": f.Label, "sm3": hex.EncodeToString(f.Digest)}})
}

const columns = `SELECT id, matter, person, label, name, kind, size, digest, at, actor FROM paper WHERE removed = '' AND `

func scan(row interface{ Scan(...any) error }) (f File, err error) {
	var at string
	if err = row.Scan(&f.ID, &f.Matter, &f.Person, &f.Label, &f.Name, &f.Kind, &f.Size, &f.Digest, &at, &f.Actor); err == nil {
		f.At, err = time.Parse(time.RFC3339Nano, at)
	}
	return f, err
}

// List lists the papers of a matter, in the order in which they came.
func (s *Service) List(ctx context.Context, tx *db.Tx, matter string) (all []File, err error) {
	err = tx.Each(ctx, func(rows *db.Rows) error {
		f, err := scan(rows)
		all = append(all, f)
		return err
	}, columns+`matter = ? ORDER BY at, id`, matter)
	return all, err
}

// Get finds a paper; ok is false if there is none, or none any more.
func (s *Service) Get(ctx context.Context, tx *db.Tx, id string) (f File, ok bool, err error) {
	f, err = scan(tx.QueryRow(ctx, columns+`id = ?`, id))
	if db.IsNotFound(err) {
		return File{}, false, nil
	}
	return f, err == nil, err
}

// Content is a paper's content, as it was kept. Content that is not what was kept
// is an error.
func (s *Service) Content(ctx context.Context, tx *db.Tx, f File) ([]byte, error) {
	var sealed []byte
	if err := tx.QueryRow(ctx, `SELECT data FROM paper_body WHERE paper = ?`, f.ID).Scan(&sealed); err != nil {
		return nil, err
	}
	plain, err := s.sealer.Open(purpose(f.ID), sealed)
	if err != nil {
		return nil, fmt.Errorf("paper %s: %w", f.ID, err)
	}
	if string(gm.Digest([]byte(plain))) != string(f.Digest) {
		return nil, fmt.Errorf("paper %s is not what was kept", f.ID)
	}
	return []byte(plain), nil
}

// Remove removes a paper and its content. That it was there stays on record.
func (s *Service) Remove(ctx context.Context, tx *db.Tx, f File, actor string) error {
	n, err := tx.ExecCount(ctx, `UPDATE paper SET removed = ? WHERE id = ? AND removed = ''`, s.now().UTC().Format(time.RFC3339Nano), f.ID)
	if err != nil || n == 0 {
		return err
	}
	if err := tx.Exec(ctx, `DELETE FROM paper_body WHERE paper = ?`, f.ID); err != nil {
		return err
	}
	return s.record(ctx, tx, f, "paper.remove", actor)
}

// Missing are the labels under which a matter has no paper, in their order.
func Missing(labels []string, have []File) (missing []string) {
	for _, label := range labels {
		found := false
		for _, f := range have {
			found = found || f.Label == label
		}
		if !found {
			missing = append(missing, label)
		}
	}
	return missing
}

// Asked is a paper that is asked for, with what was handed in of it.
type Asked struct {
	Label string
	Files []File
}

// Sort puts papers under what was asked for, in its order; what else was handed in
// follows.
func Sort(labels []string, have []File) (out []Asked) {
	at := map[string]int{}
	for _, label := range labels {
		at[label] = len(out)
		out = append(out, Asked{Label: label})
	}
	for _, f := range have {
		i, ok := at[f.Label]
		if !ok {
			i, at[f.Label] = len(out), len(out)
			out = append(out, Asked{Label: f.Label})
		}
		out[i].Files = append(out[i].Files, f)
	}
	return out
}

func newID(at time.Time) string {
	b := make([]byte, 10)
	rand.Read(b)
	return "P" + at.UTC().Format("20060102") + hex.EncodeToString(b)
}
