package filing

import (
	"context"
	"slices"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/paper"
)

// Sheet is a paper that is handed in as a file: made safe (paper.Cleaner), and
// one of the kinds that the package asks for.
type Sheet struct {
	Label, Name string
	Clean       paper.Clean
}

// Asked are the kinds of papers that the package asks for with an application,
// nil if it asks for none, or does not list the matter any more.
func (s *Service) Asked(a *Application) []string {
	switch x := &a.Details; a.Kind() {
	case KindAway:
		if rules, err := s.Rules(a.Region); err == nil {
			g, _ := rules.Group(x.Away.Group)
			return g.Papers
		}
	case KindDisease:
		if a.Provider == "" {
			d, _ := s.listed(a)
			return d.Papers
		}
	}
	return nil
}

// Open reports whether papers may still be handed in with an application, or be
// taken back.
func (a *Application) Open() bool {
	return a.Provider == "" && (a.State == Draft || a.State == Returned)
}

// HandIn keeps papers with a person's application that is still open.
func (s *Service) HandIn(ctx context.Context, tx *db.Tx, id, person string, sheets []Sheet, actor string) (*Application, error) {
	a, err := s.opened(ctx, tx, id, person)
	if err != nil {
		return nil, err
	}
	return a, s.keep(ctx, tx, a, s.Asked(a), sheets, actor)
}

// opened finds a person's application that is still open, held for the
// transaction.
func (s *Service) opened(ctx context.Context, tx *db.Tx, id, person string) (*Application, error) {
	if err := s.care.Expect(ctx, tx, "", person, true); err != nil {
		return nil, err
	}
	a, ok, err := s.Get(ctx, tx, id)
	switch {
	case err != nil:
		return nil, err
	case !ok || a.Person != person:
		return nil, &Error{"id", id, "没有这个申请"}
	case !a.Open():
		return nil, &Error{"id", id, "这个申请" + a.State.Title() + "，不能再改材料"}
	}
	return a, nil
}

func (s *Service) keep(ctx context.Context, tx *db.Tx, a *Application, asked []string, sheets []Sheet, actor string) error {
	for _, x := range sheets {
		if !slices.Contains(asked, x.Label) {
			return &Error{"label", x.Label, "不是要交的材料"}
		}
		if _, err := s.papers.Put(ctx, tx, paper.Handed{Matter: a.ID, Person: a.Person, Label: x.Label, Name: x.Name, Clean: x.Clean, Actor: actor}); err != nil {
			return err
		}
	}
	return nil
}

// TakeBack removes a paper from a person's application that is still open.
func (s *Service) TakeBack(ctx context.Context, tx *db.Tx, id, person, file, actor string) error {
	a, err := s.opened(ctx, tx, id, person)
	if err != nil {
		return err
	}
	f, ok, err := s.Paper(ctx, tx, a, file)
	if err != nil {
		return err
	}
	if !ok {
		return &Error{"paper", file, "没有这份材料"}
	}
	return s.papers.Remove(ctx, tx, f, actor)
}

// Papers lists the files that were handed in with an application.
func (s *Service) Papers(ctx context.Context, tx *db.Tx, a *Application) ([]paper.File, error) {
	return s.papers.List(ctx, tx, a.ID)
}

// Paper finds a file of an application; ok is false if it has none of that id.
func (s *Service) Paper(ctx context.Context, tx *db.Tx, a *Application, id string) (f paper.File, ok bool, err error) {
	f, ok, err = s.papers.Get(ctx, tx, id)
	return f, ok && f.Matter == a.ID, err
}

// Content is what a file holds.
func (s *Service) Content(ctx context.Context, tx *db.Tx, f paper.File) ([]byte, error) {
	return s.papers.Content(ctx, tx, f)
}

// there are the kinds of papers that an application has: seen at the counter, or
// handed in as files.
func (s *Service) there(ctx context.Context, tx *db.Tx, a *Application) ([]string, error) {
	var out []string
	if x := a.Details.Away; x != nil {
		out = append(out, x.Papers...)
	}
	if x := a.Details.Disease; x != nil {
		out = append(out, x.Papers...)
	}
	files, err := s.Papers(ctx, tx, a)
	for _, f := range files {
		out = append(out, f.Label)
	}
	return out, err
}

// Missing are the papers that are asked for and not there.
func Missing(asked, there []string) (out []string) {
	for _, p := range asked {
		if !slices.Contains(there, p) {
			out = append(out, p)
		}
	}
	return out
}
