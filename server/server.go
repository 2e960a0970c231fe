// Package server puts the rooms together: one store, one set of packages, the
// hospital interface and the pages on one address. It holds wiring and nothing
// else.
package server

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/claim"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/explain"
	"github.com/anji-platform/anji/filing"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/his"
	"github.com/anji-platform/anji/his/hospital"
	"github.com/anji-platform/anji/his/keyring"
	"github.com/anji-platform/anji/hisdocs"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/notice"
	"github.com/anji-platform/anji/ocr"
	"github.com/anji-platform/anji/paper"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/rulebook"
	"github.com/anji-platform/anji/sandbox"
	"github.com/anji-platform/anji/settlement"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/tipoff"
	"github.com/anji-platform/anji/web"
)

// Config says what a server works with.
type Config struct {
	Data      string           // folder of the database and its key
	Database  string           // location of the database (see db.Open); "" is a SQLite file in the folder
	Policies  *policy.Store    // to which those are added that officers issue
	Cases     fs.FS            // where the cases of Policies stand; nil: those in the binary
	Now       func() time.Time // nil: time.Now
	Log       *slog.Logger
	Security  keyring.Mode // how providers without keys of their own prove their messages; "": they need not
	Synthetic bool         // the data is made up: the pages say so
	OCR       string       // command that reads pictures of invoices, such as tesseract; "": they are not read
	Clamd     string       // address of a ClamAV daemon that looks at what is uploaded; "": none
	Address   string       // where the server will be reached, for the pages; such as http://127.0.0.1:8080

	pages *sandbox.Sandbox // of OpenSandbox: it sees whole messages
}

func (c *Config) log() *slog.Logger {
	if c.Log == nil {
		return slog.Default()
	}
	return c.Log
}

// SignerFile is the name, in the data folder, of the file with the platform's
// SM2 key, which signs replies.
const SignerFile = "sign.key"

// credentialFile is the name, in the data folder, of the file with the SM2 key
// that codes of e-credentials are signed with.
const credentialFile = "credential.key"

// Issuer issues the codes of e-credentials of a data folder, for the regions of
// the packages.
func Issuer(data string, policies *policy.Store) (*credential.Issuer, error) {
	signer, err := gm.LoadOrCreateSigner(filepath.Join(data, credentialFile))
	if err != nil {
		return nil, err
	}
	var regions []ident.Region
	for _, r := range policies.Regions() {
		regions = append(regions, ident.Region(r))
	}
	return credential.NewIssuer(signer, regions...)
}

// faces is what compares faces: beside made-up data the stand-in for tests, and
// elsewhere nothing until one is fitted.
func (c *Config) faces() credential.FaceVerifier {
	if c.Synthetic {
		return credential.TestVerifier{}
	}
	return nil
}

// reader reads pictures of invoices, nil if that is not asked for. Beside made-up
// data it does where the command is there.
func (c *Config) reader() *ocr.Reader {
	r := &ocr.Reader{Command: c.OCR}
	if c.OCR == "" && !(c.Synthetic && r.Installed()) {
		return nil
	}
	return r
}

// iterations are how often passwords are stretched: those of made-up people
// guard nothing.
func (c *Config) iterations() int {
	if c.Synthetic {
		return 10
	}
	return 0
}

// Server is an open store with everything that serves it.
type Server struct {
	DB          *db.DB
	Register    *enrolment.Register
	Settlement  *settlement.Service
	Credentials *credential.Service
	SignIn      *signin.Service
	Handler     http.Handler

	Claims  *claim.Service
	Papers  *paper.Service
	Cleaner paper.Cleaner

	dues    *contribution.Service
	rules   *rulebook.Service
	filings *filing.Service
	tipoffs *tipoff.Service
	notices *notice.Board
	site    *web.Site
	log     *slog.Logger
}

// Open opens the data folder's store and assembles the server.
func Open(ctx context.Context, c Config) (*Server, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	sealer, err := gm.LoadOrCreateKey(filepath.Join(c.Data, "key"))
	if err != nil {
		return nil, err
	}
	signer, err := gm.LoadOrCreateSigner(filepath.Join(c.Data, SignerFile))
	if err != nil {
		return nil, err
	}
	if c.Database == "" {
		c.Database = filepath.Join(c.Data, databaseFile)
	}
	store, err := db.Open(ctx, c.Database)
	if err != nil {
		return nil, err
	}
	s := &Server{DB: store, Register: enrolment.New(sealer), log: c.log()}
	if c.Cases == nil {
		c.Cases = policies.FS
	}
	s.rules = rulebook.New(c.Policies, c.Cases, c.Now)
	if err := s.rules.Refresh(ctx, store); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	s.Settlement = settlement.New(c.Policies, s.Register, c.Now)
	mux := http.NewServeMux()
	edge := his.Config{DB: store, Sealer: sealer, Enrolment: s.Register, Settlement: s.Settlement,
		Security: his.Security{Default: c.Security, Signer: signer}, Now: c.Now, Log: c.Log}
	path := ""
	if c.pages != nil {
		edge.Observer, edge.Fault, path = c.pages, c.pages, "/sandbox"
	}
	issuer, err := Issuer(c.Data, c.Policies)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	s.Credentials = credential.New(credential.Config{DB: store, Register: s.Register, Issuer: issuer, Faces: c.faces(), Now: c.Now, Iterations: c.iterations()})
	edge.Credentials = s.Credentials
	interfaceHandler := his.New(edge)
	mux.Handle("/his", interfaceHandler)
	mux.Handle("/his/", interfaceHandler)
	docs := hisdocs.New(docsConfig(interfaceHandler, c.Synthetic))
	for _, path := range []string{"/his/docs", "/his/docs/", "/his/coverage", "/his/openapi.json"} {
		mux.Handle(path, docs)
	}
	s.dues = contribution.New(c.Policies, s.Register, c.Now)
	s.notices = notice.New(store, c.Now, c.log())
	pages := explain.Config{Notice: s.notices.Text, Packages: packages{c.Policies, c.Now}, Log: c.Log, Health: s.healthy, Synthetic: c.Synthetic}
	paths := []string{"/policies", "/policies/", "/healthz"}
	if c.Synthetic {
		pages.Settlements, pages.Sandbox = settlements{s}, path
		pages.HIS = explain.HIS{Address: c.Address + "/his", Sample: hospital.Sample(), Docs: "/his/docs"}
		paths = append(paths, "/demo", "/settlements/")
	}
	public := explain.New(pages)
	for _, p := range paths {
		mux.Handle(p, public)
	}
	s.Papers = paper.New(sealer, c.Now)
	s.Claims = claim.New(s.Register, s.Settlement, s.Papers, c.Now)
	if c.Clamd != "" {
		s.Cleaner.Scanner = paper.Clamd{Address: c.Clamd}
	}
	s.site = s.pages(&c)
	mux.Handle("/", s.site)
	s.Handler = mux
	return s, nil
}

// docsConfig is the interface's reference. Messages can be tried on made-up data
// only.
func docsConfig(i *his.Server, synthetic bool) hisdocs.Config {
	c := hisdocs.Config{Interface: i, Asset: web.Asset}
	if synthetic {
		for _, p := range demo.Providers {
			c.Providers = append(c.Providers, hisdocs.Provider{Code: p.Code, Name: p.Name, Region: p.Region})
		}
	}
	return c
}

// Close closes the store.
func (s *Server) Close() error { return s.DB.Close() }

func (s *Server) healthy(ctx context.Context) error {
	return s.DB.View(ctx, func(tx *db.Tx) error {
		_, _, err := settlement.Counts(ctx, tx)
		return err
	})
}

// Serve answers on l until ctx ends, then lets what is under way finish.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	go s.tidy(ctx)
	go follow(ctx, followEvery, s.log, func() error { return s.rules.Refresh(ctx, s.DB) })
	return serve(ctx, l, s.Handler, nil)
}

// followEvery is how often a process asks whether packages were issued. They hold
// from the next day at the earliest: some seconds do not matter.
const followEvery = 3 * time.Second

// follow learns by refresh, until ctx ends, of packages that another process issued.
func follow(ctx context.Context, every time.Duration, log *slog.Logger, refresh func() error) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if err := refresh(); err != nil && ctx.Err() == nil {
				log.Error("server: the packages are not known to be up to date", "error", err)
			}
		}
	}
}

// tidy removes, until ctx ends, what is of no more use.
func (s *Server) tidy(ctx context.Context) {
	for t := time.NewTicker(time.Minute); ; {
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
			if err := errors.Join(s.Credentials.Tidy(ctx), s.SignIn.Tidy(ctx)); err != nil && ctx.Err() == nil {
				s.log.Error("server: old codes and sessions were not removed", "error", err)
			}
			if err := s.countPrices(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("server: prices were not counted", "error", err)
			}
		}
	}
}

// pricesAtOnce bounds how many batches of settlements are counted in a row, so that
// the store's writers need not wait long.
const pricesAtOnce = 20

// countPrices counts what providers charged since it last did.
func (s *Server) countPrices(ctx context.Context) error {
	for range pricesAtOnce {
		more := false
		if err := s.DB.Update(ctx, func(tx *db.Tx) (err error) {
			more, err = s.Settlement.CountPrices(ctx, tx)
			return err
		}); err != nil || !more {
			return err
		}
	}
	return nil
}

// serve answers on l until ctx ends. Then it calls ending, if there is any, and
// lets what is under way finish.
func serve(ctx context.Context, l net.Listener, handler http.Handler, ending func()) error {
	h := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second, WriteTimeout: 120 * time.Second, IdleTimeout: 120 * time.Second, MaxHeaderBytes: 64 << 10}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	if ending != nil {
		ending()
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	err := h.Shutdown(stop)
	if e := <-failed; err == nil && !errors.Is(e, http.ErrServerClosed) {
		err = e
	}
	return err
}

// settlements shows the portal the settlements of the store.
type settlements struct{ s *Server }

func (v settlements) Recent(ctx context.Context, n int) (rows []explain.Row, err error) {
	err = v.s.DB.View(ctx, func(tx *db.Tx) error {
		all, err := v.s.Settlement.Recent(ctx, tx, n)
		for _, st := range all {
			if st.Reverses != "" { // shown with what it reversed
				continue
			}
			r := &st.Result
			rows = append(rows, explain.Row{ID: st.ID, Time: st.At, Name: st.Person.Name, Provider: st.Provider.Name, Visit: st.Case.Visit,
				Total: r.Total, Fund: r.FundTotal, Person: r.Person, Refused: r.Refused, Reversed: st.ReversedBy != ""})
		}
		return err
	})
	return rows, err
}

func (v settlements) Get(ctx context.Context, id string) (out *explain.Settled, err error) {
	err = v.s.DB.View(ctx, func(tx *db.Tx) error {
		st, ok, err := v.s.Settlement.Get(ctx, tx, id)
		if err == nil && ok && st.Reverses != "" { // what it reversed explains it
			st, ok, err = v.s.Settlement.Get(ctx, tx, st.Reverses)
		}
		if err != nil {
			return err
		}
		if !ok {
			return explain.ErrNotFound
		}
		out = &explain.Settled{ID: st.ID, Time: st.At, Name: st.Person.Name, CitizenID: st.Person.CitizenID, Provider: st.Provider.Name,
			Reversed: st.ReversedBy != "", Case: &st.Case, Result: &st.Result, Steps: st.Steps}
		return nil
	})
	return out, err
}

// packages shows the portal the policy packages.
type packages struct {
	store *policy.Store
	now   func() time.Time
}

func row(p *policy.Package) explain.PackageRow {
	return explain.PackageRow{Region: p.Region, Name: p.Name, Version: p.Version, From: p.From, To: p.To, Note: p.GradeNote()}
}

func (v packages) List(context.Context) ([]explain.PackageRow, error) {
	var out []explain.PackageRow
	for _, region := range v.store.Regions() {
		for _, p := range v.store.Versions(region) {
			out = append(out, row(p))
		}
	}
	return out, nil
}

func (v packages) Explain(_ context.Context, region string, _ bill.Lang) (*explain.ExplainedPackage, error) {
	p, err := v.store.At(region, civil.Of(v.now()))
	if err != nil {
		versions := v.store.Versions(region)
		if len(versions) == 0 {
			return nil, explain.ErrNotFound
		}
		p = versions[len(versions)-1] // none holds today: show the last that did
	}
	return &explain.ExplainedPackage{PackageRow: row(p), HTML: p.HTML()}, nil
}
