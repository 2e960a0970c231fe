package server

import (
	"context"
	"strings"

	"github.com/anji-platform/anji/account"
	"github.com/anji-platform/anji/catalogue"
	"github.com/anji-platform/anji/channel"
	"github.com/anji-platform/anji/console"
	"github.com/anji-platform/anji/counter"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/employer"
	"github.com/anji-platform/anji/filing"
	"github.com/anji-platform/anji/office"
	"github.com/anji-platform/anji/portal"
	"github.com/anji-platform/anji/privacy"
	"github.com/anji-platform/anji/provider"
	"github.com/anji-platform/anji/signin"
	"github.com/anji-platform/anji/tipoff"
	"github.com/anji-platform/anji/web"
)

// pages are those for people who sign in.
func (s *Server) pages(c *Config) *web.Site {
	s.SignIn = signin.New(signin.Config{DB: s.DB, Register: s.Register, Codes: s.Credentials, Now: c.Now, Iterations: c.iterations()})
	door := office.Config{SignIn: s.SignIn}
	if c.Synthetic {
		for _, o := range demo.Operators {
			door.Demo = append(door.Demo, office.Account{Name: o.Name, Title: o.Title, Works: o.Works()})
		}
	}
	store := web.Store{DB: s.DB, Now: c.Now}
	s.tipoffs = tipoff.New(c.Policies, s.Register.Sealer(), c.Now)
	s.filings = filing.New(s.Register, s.Settlement, s.Register.Sealer(), nil, c.Now)
	own := portal.Config{Store: store, Register: s.Register, Policies: c.Policies, SignIn: s.SignIn, Codes: s.Credentials, Settlement: s.Settlement,
		Dues: s.dues, Accounts: account.New(c.Policies, s.Register, c.Now), Privacy: privacy.New(s.Register, c.Now), Filings: s.filings, TipOffs: s.tipoffs,
		Claims: s.Claims, Papers: s.Papers, Cleaner: &s.Cleaner,
		Wallet: &channel.Wallet{DB: s.DB, Store: c.Policies, Register: s.Register, Dues: s.dues, Codes: s.Credentials, Now: c.Now}}
	staff := employer.Config{DB: s.DB, Dues: s.dues, Register: s.Register, Now: c.Now}
	if c.Synthetic {
		own.Device, own.Pay = phone, s.pay(c)
		staff.Pay = own.Pay
		for _, p := range demo.People() {
			own.Personas = append(own.Personas, portal.Persona{CitizenID: p.CitizenID, Name: p.Name, Situation: p.Situation})
		}
	}
	return web.New(web.Config{SignIn: s.SignIn, Log: c.Log, Notice: s.notices.Text, Synthetic: c.Synthetic, Secure: strings.HasPrefix(c.Address, "https:")},
		portal.New(own), office.New(door), employer.New(staff),
		counter.New(counter.Config{Store: store, Register: s.Register, Codes: s.Credentials, Settlement: s.Settlement}),
		console.New(console.Config{Store: store, Register: s.Register, Policies: c.Policies, SignIn: s.SignIn, Settlement: s.Settlement, Filings: s.filings, Dues: s.dues, TipOffs: s.tipoffs, Notices: s.notices, Privacy: own.Privacy, Claims: s.Claims, Papers: s.Papers, Cleaner: &s.Cleaner, Reader: c.reader(), Rules: s.rules, Agreements: provider.NewAgreements(c.Now), Upkeep: catalogue.NewUpkeep(c.Now)}))
}

// pay pays over the local test channel, at once: beside made-up data.
func (s *Server) pay(c *Config) func(ctx context.Context, due, back string) (string, error) {
	gateway, err := channel.NewTestGateway()
	if err != nil {
		panic(err) // no randomness: nothing works
	}
	online := &channel.Online{DB: s.DB, Dues: s.dues, Gateway: gateway, Now: c.Now}
	return func(ctx context.Context, due, back string) (string, error) {
		order, _, err := online.Start(ctx, due, "demo")
		if err != nil {
			return "", err
		}
		at := c.Now()
		trade, err := gateway.Pay(order.ID, at)
		if err != nil {
			return "", err
		}
		_, err = online.Receive(ctx, channel.Paid{Order: order.ID, Trade: trade, Amount: order.Amount, At: at})
		return back, err
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
