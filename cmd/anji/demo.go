package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/his/hospital"
	"github.com/anji-platform/anji/server"
)

func demoCommand() *cobra.Command {
	var opts struct {
		listen, data, db, today, policies string
		people                            int
	}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start everything on made-up data and settle the handbook's example as a hospital would",
		Long: `Starts the hospital interface and the pages on one address, on an embedded
database in a temporary folder (or --data), seeded with the fixed people,
providers and items of the sandbox and some thousands of generated ones. Then
settles question 33 of the handbook (老郭, inpatient) and an outpatient visit
(李济) over the interface, prints what was paid and where it is explained, and
stays up until Ctrl-C.`,
		Example: `  anji demo
  anji demo --listen 127.0.0.1:9000 --data ./anji-data
  anji demo --today 2025-06-01`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := time.Now
			if opts.today != "" {
				day, err := civil.Parse(opts.today)
				if err != nil {
					return fmt.Errorf("--today %q %w", opts.today, err)
				}
				// The clock runs on from now's time on that day.
				shift := time.Date(day.Year(), time.Month(day.Month()), day.Day(), 0, 0, 0, 0, time.Local).Sub(midnight(time.Now()))
				now = func() time.Time { return time.Now().Add(shift) }
			}
			return runDemo(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), opts.listen, opts.data, opts.db, opts.policies, opts.people, now)
		},
	}
	f := cmd.Flags()
	f.StringVar(&opts.listen, "listen", "127.0.0.1:8080", "address to serve on; port 0 takes a free one")
	f.StringVar(&opts.data, "data", "", "folder to keep the data in (default: a temporary one, removed at the end)")
	f.StringVar(&opts.db, "db", "", "postgres://… or the path of a SQLite file (default: anji.db in the folder)")
	f.StringVar(&opts.today, "today", "", "the day it is, such as 2025-06-01 (default: today)")
	f.StringVar(&opts.policies, "policies", "", "folder of packages (default: those in the binary)")
	f.IntVar(&opts.people, "people", 3000, "how many generated people")
	return cmd
}

func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

func runDemo(ctx context.Context, out, errs io.Writer, listen, data, database, policies string, people int, now func() time.Time) (err error) {
	store, err := loadPolicies(policies)
	if err != nil {
		return err
	}
	if data == "" {
		if data, err = os.MkdirTemp("", "anji-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	} else if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("cannot serve on %s (choose another with --listen): %w", listen, err)
	}
	defer l.Close()
	address := "http://" + l.Addr().String()
	seeded := false // at the start; a reset seeds too
	shown := progress(errs, "造数据 seeding")
	s, err := server.OpenSandbox(ctx, server.Config{Data: data, Database: database, Policies: store, Cases: packages(policies), Now: now, Address: address,
		Log: slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: slog.LevelWarn}))},
		func(ctx context.Context, s *server.Server) error {
			did, err := demo.Seed(ctx, s.DB, s.Register, demo.Options{Today: civil.Of(now()), People: people, Progress: shown})
			if shown != nil {
				seeded, shown = did, nil
			}
			if did && err == nil {
				err = errors.Join(demo.Year(ctx, s.DB, s.Register, store, civil.Of(now())), server.Fill(ctx, s, civil.Of(now())))
			}
			return err
		})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()

	serving := make(chan error, 1)
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { serving <- s.Serve(stop, l) }()
	if seeded {
		if err := hospitalDay(ctx, out, address, now); err != nil {
			cancel()
			return errors.Join(err, <-serving)
		}
	}
	fmt.Fprintf(out, "首页 pages       %[1]s/\n经办 officers    %[1]s/office/sign-in\n接口 interface   %[1]s/his\n沙箱 sandbox     %[1]s/sandbox\n数据 data        %[2]s\nCtrl-C 结束\n", address, data)
	err = <-serving
	if ctx.Err() != nil {
		fmt.Fprintln(out, "\n已结束 stopped")
	}
	return err
}

// progress shows a bar once the work has taken a second, on a terminal; in a
// file it would be a line for every step.
func progress(w io.Writer, what string) func(done, total int) {
	if f, ok := w.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return func(int, int) {}
	}
	start := time.Now()
	var bar *progressbar.ProgressBar
	return func(done, total int) {
		if bar == nil && time.Since(start) < time.Second {
			return
		}
		if bar == nil {
			bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))
		}
		_ = bar.Set(done) // a bar that cannot be drawn must not stop the work
	}
}

// hospitalDay settles two people over the interface, as their hospitals would.
func hospitalDay(ctx context.Context, out io.Writer, address string, now func() time.Time) error {
	county := &hospital.Hospital{Base: address + "/his", Code: "H99020000101", Name: "手册示例县医院", Region: "990200", Operator: "demo", Now: now}
	district := &hospital.Hospital{Base: address + "/his", Code: "H99010000201", Name: "示例区医院", Region: "990100", Operator: "demo", Now: now}
	for _, h := range []*hospital.Hospital{county, district} {
		if err := h.SignIn(ctx); err != nil {
			return err
		}
	}
	stay, err := county.Inpatient(ctx, demo.Guo, "老郭", []hospital.Bill{
		{Item: "SVC990000001", Amount: "2000.00"}, {Item: "DRG990000001", Amount: "3000.00"}, {Item: "DRG990000002", Amount: "5000.00"}})
	if err != nil {
		return err
	}
	visit, err := district.Outpatient(ctx, demo.LiJi, "李济", []hospital.Bill{
		{Item: "SVC990000001", Amount: "120.00"}, {Item: "DRG990000001", Amount: "80.00"}, {Item: "DRG990000002", Amount: "260.00"}, {Item: "DRG990000003", Amount: "35.00"}})
	if err != nil {
		return err
	}
	for _, s := range []hospital.Settled{stay, visit} {
		fmt.Fprintf(out, "%s %s\n  总额 total %s = 基金 fund %s + 个人 person %s（账户 account %s，现金 cash %s）\n  先行自付 %s，政策范围内 %s，起付 %s，统筹 basic %s\n  说明 explained at %s/settlements/%s\n\n",
			s.Person, s.Kind, s.Total, s.Fund, s.Share, s.Account, s.Cash, s.FirstOwn, s.InScope, s.Deductible, s.Basic, address, s.ID)
	}
	return nil
}
