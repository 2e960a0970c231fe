package server

import (
	"context"
	"net/http"
	"strings"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/office"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/web"
)

// site is the pages for people who sign in.
func (s *Server) site(c *Config) *web.Site {
	s.SignIn = signin.New(signin.Config{DB: s.DB, Register: s.Register, Codes: s.Credentials, Now: c.Now, Iterations: c.iterations()})
	door := office.Config{SignIn: s.SignIn}
	if c.Synthetic {
		for _, o := range demo.Operators {
			door.Demo = append(door.Demo, office.Account{Name: o.Name, Title: o.Title, Works: o.Works()})
		}
	}
	return web.New(web.Config{SignIn: s.SignIn, Log: c.Log, Synthetic: c.Synthetic, Secure: strings.HasPrefix(c.Address, "https:")},
		office.New(door))
}

// sitePaths are the addresses that the site answers for.
var sitePaths = []string{"/office/", "/console", "/console/", "/counter", "/counter/"}

func mount(mux *http.ServeMux, site *web.Site) {
	for _, p := range sitePaths {
		mux.Handle(p, site)
	}
}

// work registers the operators of made-up data. Those that are registered stay as
// they are.
func work(ctx context.Context, tx *db.Tx, s *Server) error {
	for _, o := range demo.Operators {
		if _, ok, err := signin.GetOperator(ctx, tx, o.Name); err != nil {
			return err
		} else if ok {
			continue
		}
		if err := s.SignIn.AddOperator(ctx, tx, o, demo.OperatorPassword, "sandbox"); err != nil {
			return err
		}
	}
	return nil
}
