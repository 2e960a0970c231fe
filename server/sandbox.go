package server

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/coverage"
	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/his"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/sandbox"
)

// A Sandbox is a server on made-up data with the pages for makers of a HIS
// (package sandbox). It can be brought back to its first state while it serves.
type Sandbox struct {
	c     Config
	seed  Seed
	pages *sandbox.Sandbox

	mu        sync.RWMutex // guards current, and that nobody enters one that is left
	current   *generation
	resetting sync.Mutex
	number    int // of the last generation
	leaving   sync.WaitGroup
}

// Seed fills an empty store, and leaves one that is filled as it is.
type Seed func(context.Context, *Server) error

// A generation is one store, from its seeding to the next reset.
type generation struct {
	*Server
	file  string // of the database, "" where Config says which
	users sync.WaitGroup
}

// OpenSandbox opens the data folder's store and fills it, if it is empty. The
// data must be made up: the sandbox shows whole messages.
func OpenSandbox(ctx context.Context, c Config, seed Seed) (*Sandbox, error) {
	s := &Sandbox{c: c, seed: seed}
	spec, err := his.LoadSpec()
	if err != nil {
		return nil, err
	}
	pages := sandbox.Config{Spec: spec, Store: backing{s}, Log: c.Log}
	file := ""
	if c.Database == "" {
		// Only the server's own file is replaced by another.
		pages.Reset = s.Reset
		file = filepath.Join(c.Data, databaseFile)
		if err := adopt(c.Data); err != nil {
			return nil, err
		}
	}
	s.pages = sandbox.New(pages)
	s.c.pages, s.c.Synthetic = s.pages, true
	if s.current, err = s.open(ctx, file); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Sandbox) open(ctx context.Context, file string) (*generation, error) {
	c := s.c
	if file != "" {
		c.Database = file
	}
	srv, err := Open(ctx, c)
	if err != nil {
		return nil, err
	}
	err = s.seed(ctx, srv)
	if err == nil {
		err = srv.DB.Update(ctx, func(tx *db.Tx) error { return issue(ctx, tx, srv) })
	}
	if err != nil {
		return nil, errors.Join(err, srv.Close())
	}
	return &generation{Server: srv, file: file}, nil
}

// enter returns the current generation, which stays open until it is left
// again (users.Done).
func (s *Sandbox) enter() *generation {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.current.users.Add(1)
	return s.current
}

// ServeHTTP answers for the interface and all pages.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/sandbox" || strings.HasPrefix(r.URL.Path, "/sandbox/") {
		s.pages.ServeHTTP(w, r)
		return
	}
	g := s.enter()
	defer g.users.Done()
	g.Handler.ServeHTTP(w, r)
}

// Serve answers on l until ctx ends, then lets what is under way finish.
func (s *Sandbox) Serve(ctx context.Context, l net.Listener) error {
	go follow(ctx, followEvery, s.c.log(), func() error {
		g := s.enter()
		defer g.users.Done()
		return g.rules.Refresh(ctx, g.DB)
	})
	return serve(ctx, l, s, s.pages.Close)
}

// Reset brings the store back to its first state: it fills a fresh file beside
// the old one, lets new requests go there, and removes the old one when those
// under way on it are done. If it fails, all stays as it was.
func (s *Sandbox) Reset(ctx context.Context) error {
	s.resetting.Lock()
	defer s.resetting.Unlock()
	s.number++
	file := filepath.Join(s.c.Data, freshPrefix+strconv.Itoa(s.number)+".db")
	fresh, err := s.open(ctx, file)
	if err == nil {
		if err = point(s.c.Data, filepath.Base(file)); err != nil {
			err = errors.Join(err, fresh.Close())
		}
	}
	if err != nil {
		return errors.Join(err, remove(file))
	}
	s.mu.Lock()
	old := s.current
	s.current = fresh
	s.mu.Unlock()
	s.leaving.Go(func() {
		old.users.Wait()
		if err := errors.Join(old.Close(), remove(old.file)); err != nil {
			s.c.log().Error("sandbox: the store from before the reset was not removed", "error", err)
		}
	})
	return nil
}

// Close closes the store; a reset is under its usual name afterwards.
func (s *Sandbox) Close() error {
	s.pages.Close()
	s.resetting.Lock()
	defer s.resetting.Unlock()
	s.leaving.Wait()
	g := s.current
	err := g.Close()
	if err == nil && g.file != "" {
		err = adopt(s.c.Data)
	}
	return err
}

// Names in the data folder. The database of a sandbox has its usual name but
// from a reset until the server ends: a file that is open cannot be renamed.
const (
	databaseFile = "anji.db"
	pointerFile  = "anji.current" // names the database after a reset
	freshPrefix  = "anji.reset-"
)

// point makes the pointer name a database file.
func point(dir, name string) error {
	temp := filepath.Join(dir, pointerFile+".new")
	if err := os.WriteFile(temp, []byte(name), 0o600); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(dir, pointerFile))
}

// adopt gives the database that the pointer names the usual name, and removes
// what resets left behind.
func adopt(dir string) error {
	pointer, usual := filepath.Join(dir, pointerFile), filepath.Join(dir, databaseFile)
	name, err := os.ReadFile(pointer)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	default:
		file := filepath.Join(dir, filepath.Base(string(name)))
		if err := remove(usual); err != nil {
			return err
		}
		// The log goes first: it belongs to the file of its name.
		for _, suffix := range []string{"-wal", ""} {
			if err := os.Rename(file+suffix, usual+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("the store after the last reset: %w", err)
			}
		}
		if err := os.Remove(pointer); err != nil {
			return err
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, freshPrefix+"*"))
	for _, f := range left {
		err = errors.Join(err, os.Remove(f))
	}
	return err
}

// remove removes a database file and what SQLite keeps beside it.
func remove(file string) (err error) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if e := os.Remove(file + suffix); e != nil && !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// china is the one time of the country (北京时间).
var china = time.FixedZone("CST", 8*60*60)

func (s *Sandbox) now() time.Time {
	if s.c.Now == nil {
		return time.Now()
	}
	return s.c.Now()
}

// phone is the device of the fixed people's e-credentials.
const phone = "sandbox"

// issue gives the fixed people e-credentials, and tokens for makers of a HIS who
// have nothing to scan with. Those of an opened store may have them.
func issue(ctx context.Context, tx *db.Tx, s *Server) error {
	if err := errors.Join(employ(ctx, tx, s), work(ctx, tx, s)); err != nil {
		return err
	}
	for _, p := range demo.People() {
		who, ok, err := s.Register.ByCitizenID(ctx, tx, p.CitizenID)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		c, err := credential.Get(ctx, tx, who.ID)
		if err != nil {
			return err
		}
		if c.State != credential.Inactive {
			continue
		}
		if c, err = s.Credentials.ActivateAtCounter(ctx, tx, who.ID, demo.Password, credential.Device{ID: phone, Name: "沙箱"}, "sandbox"); err != nil {
			return err
		}
		if err := s.Credentials.Standing(ctx, tx, who.ID, s.token(c)); err != nil {
			return err
		}
	}
	return nil
}

// token is the standing token of a fixed person, another one after each reset.
func (s *Server) token(c *credential.Credential) string {
	return hex.EncodeToString(s.Register.Sealer().Index("sandbox.token", strconv.FormatInt(c.Number, 10)))[:tokenSize]
}

const tokenSize = 40

// employ registers the employer of the fixed people, with who of them works and
// is insured there. One that is registered stays as it is.
func employ(ctx context.Context, tx *db.Tx, s *Server) error {
	dues, e := s.dues, demo.Employer
	if _, ok, err := contribution.GetEmployer(ctx, tx, e.Code); ok || err != nil {
		return err
	}
	var missing *contribution.Error
	if err := dues.AddEmployer(ctx, tx, contribution.Employer{Code: e.Code, Name: e.Name, Region: e.Region}, "sandbox"); errors.As(err, &missing) {
		return nil // such as of a day without a package
	} else if err != nil {
		return err
	}
	for i, citizenID := range e.Staff {
		who, ok, err := s.Register.ByCitizenID(ctx, tx, citizenID)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := dues.Employ(ctx, tx, contribution.Job{Person: who.ID, Employer: e.Code, From: e.Since, Wage: e.Wages[i]}); err != nil {
			return err
		}
	}
	return nil
}

// backing shows the pages what is behind the interface now.
type backing struct{ s *Sandbox }

func (b backing) Credentials(ctx context.Context, citizenID string) (c sandbox.Credentials, ok bool, err error) {
	g := b.s.enter()
	defer g.users.Done()
	err = g.DB.View(ctx, func(tx *db.Tx) error {
		p, found, err := g.Register.ByCitizenID(ctx, tx, citizenID)
		if err != nil || !found {
			return err
		}
		card, err := credential.Get(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		c, ok = sandbox.Credentials{ID: p.ID, Token: g.token(card)}, true
		today := civil.Of(b.s.now().In(china))
		answer, err := coverage.On(ctx, tx, b.s.c.Policies, p, today, today)
		var missing *policy.InputError
		switch {
		case errors.As(err, &missing): // such as a day without a package
			c.Coverage = missing.Error()
			return nil
		case err == nil:
			c.Coverage, c.Paid = answer.String(), answer.Paid
		}
		return err
	})
	return c, ok, err
}

func (b backing) Code(ctx context.Context, citizenID string) (code string, until time.Time, err error) {
	g := b.s.enter()
	defer g.users.Done()
	err = g.DB.View(ctx, func(tx *db.Tx) error {
		p, ok, err := g.Register.ByCitizenID(ctx, tx, citizenID)
		if err != nil || !ok {
			return errors.Join(err, db.ErrNotFound)
		}
		shown, err := g.Credentials.Show(ctx, tx, p.ID, phone, "")
		code, until = shown.Code, shown.Until
		return err
	})
	return code, until, err
}

func (b backing) Entries(ctx context.Context, settlement string) (entries []fund.Entry, err error) {
	g := b.s.enter()
	defer g.users.Done()
	err = g.DB.View(ctx, func(tx *db.Tx) error {
		entries, err = fund.Entries(ctx, tx, settlement)
		return err
	})
	return entries, err
}

func (b backing) FundTitle(region, fund string) string {
	versions := b.s.c.Policies.Versions(region)
	for i := len(versions) - 1; i >= 0; i-- { // the last that has it
		for _, f := range versions[i].Funds() {
			if f.ID == fund {
				return f.Title
			}
		}
	}
	return fund
}
