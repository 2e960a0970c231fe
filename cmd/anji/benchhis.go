package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/bench/traffic"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/cluster"
	"github.com/anji-platform/anji/server"
)

// hisFigures are what `bench his` measures in one run.
type hisFigures struct {
	Database  string           `json:"database"`
	Reference float64          `json:"reference_per_second"` // pgbench simple-update, or bare durable commits of SQLite
	Store     *traffic.Figures `json:"store,omitempty"`
	HTTP      *traffic.Figures `json:"http,omitempty"`
}

func benchHISCommand(asJSON *bool) *cobra.Command {
	var opts struct {
		db       string
		dir      string
		clients  int
		duration time.Duration
		people   int
		seed     uint64
		only     string
	}
	cmd := &cobra.Command{
		Use:   "his",
		Short: "Measure settlements a second, in the store and over HTTP",
		Long: `Drives a mix of visits (60 % outpatient, 20 % pharmacy, 10 % chronic, 10 %
inpatient; ten lines on average, people Zipf-distributed) and reports
settlements a second, latencies and allocations, and that no money was lost or
made, beside the database's own reference in the same run on the same disk:
pgbench's simple-update for PostgreSQL, a bare loop of durable one-row commits
for SQLite.

Every store is made anew: SQLite in a temporary folder, PostgreSQL by a
throwaway server from the installed programs.`,
		Example: `  anji bench his
  anji bench his --db postgres --clients 16 --duration 10s
  anji bench his --only store --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opts.db != "sqlite" && opts.db != "postgres" {
				return fmt.Errorf(`--db %q: want sqlite or postgres`, opts.db)
			}
			if opts.only != "" && opts.only != "store" && opts.only != "http" {
				return fmt.Errorf(`--only %q: want store or http`, opts.only)
			}
			if opts.clients < 1 || opts.people < 1 || opts.duration <= 0 {
				return fmt.Errorf("--clients, --people and --duration must be above zero")
			}
			ctx := cmd.Context()
			dir, err := os.MkdirTemp(opts.dir, "anji-bench-")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
			var pg *cluster.Cluster
			if opts.db == "postgres" {
				if pg, err = cluster.Start(ctx, cluster.Options{}); err != nil {
					return err
				}
				defer func() { err = errors.Join(err, pg.Close()) }()
			}
			f := hisFigures{Database: opts.db}
			if pg != nil {
				f.Reference, err = traffic.Pgbench(ctx, pg, opts.clients, opts.duration)
			} else {
				f.Reference, err = traffic.BareSQLite(ctx, dir, opts.duration)
			}
			if err != nil {
				return err
			}
			o := traffic.Options{Clients: opts.clients, Duration: opts.duration, People: opts.people, Seed: opts.seed}
			if opts.only != "http" {
				if f.Store, err = measure(ctx, dir, "store", pg, o, traffic.Store); err != nil {
					return err
				}
			}
			if opts.only != "store" {
				if f.HTTP, err = measure(ctx, dir, "http", pg, o, traffic.HTTP); err != nil {
					return err
				}
			}
			if *asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(f)
			}
			f.print(cmd.OutOrStdout())
			return nil
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&opts.db, "db", "sqlite", "sqlite or postgres")
	fl.StringVar(&opts.dir, "dir", "", "folder for the temporary data (default: the system's)")
	fl.IntVar(&opts.clients, "clients", 16, "how many clients at once")
	fl.DurationVar(&opts.duration, "duration", 5*time.Second, "how long each part is measured")
	fl.IntVar(&opts.people, "people", 10_000, "how many insured people")
	fl.Uint64Var(&opts.seed, "seed", 1, "seed of the visits")
	fl.StringVar(&opts.only, "only", "", "measure only store or http")
	return cmd
}

// measure opens a new store and drives it.
func measure(ctx context.Context, dir, name string, pg *cluster.Cluster, o traffic.Options, drive func(context.Context, *server.Server, traffic.Options) (traffic.Figures, error)) (f *traffic.Figures, err error) {
	policies, err := loadPolicies("")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, name)
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	c := server.Config{Data: data, Policies: policies, Synthetic: true, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	if pg != nil {
		if c.Database, err = pg.Create(ctx, name); err != nil {
			return nil, err
		}
	}
	s, err := server.Open(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	got, err := drive(ctx, s, o)
	return &got, err
}

// historyFigures are what `bench history` measures.
type historyFigures struct {
	Database string          `json:"database"`
	Few      int             `json:"few_settlements"`
	Many     int             `json:"many_settlements"`
	WithFew  traffic.Figures `json:"with_few"`
	WithMany traffic.Figures `json:"with_many"`
	Ratio    float64         `json:"ratio"` // of the rates
}

func benchHistoryCommand(asJSON *bool) *cobra.Command {
	var opts struct {
		db, dir  string
		clients  int
		duration time.Duration
		people   int
		few      int
		many     int
	}
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Measure whether settling slows as the store fills",
		Long: `Settles in a store that holds few settlements of earlier years and in one that
holds many, and reports both rates and their ratio. The history is made up:
copies of a real settlement and all that it wrote. Ten million settlements take
some 40 GB of disk and half an hour.`,
		Example: `  anji bench history --many 1000000
  anji bench history --many 10000000 --dir /mnt/large --db postgres`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if opts.db != "sqlite" && opts.db != "postgres" {
				return fmt.Errorf(`--db %q: want sqlite or postgres`, opts.db)
			}
			if opts.few < 1 || opts.many < opts.few || opts.clients < 1 || opts.people < 1 || opts.duration <= 0 {
				return fmt.Errorf("--few, --many, --clients, --people and --duration must be above zero, and --many no less than --few")
			}
			ctx := cmd.Context()
			dir, err := os.MkdirTemp(opts.dir, "anji-bench-")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
			var pg *cluster.Cluster
			if opts.db == "postgres" {
				if pg, err = cluster.Start(ctx, cluster.Options{}); err != nil {
					return err
				}
				defer func() { err = errors.Join(err, pg.Close()) }()
			}
			f := historyFigures{Database: opts.db, Few: opts.few, Many: opts.many}
			for _, x := range []struct {
				name string
				n    int
				into *traffic.Figures
			}{{"few", opts.few, &f.WithFew}, {"many", opts.many, &f.WithMany}} {
				o := traffic.Options{Clients: opts.clients, Duration: opts.duration, People: opts.people, Seed: 1, History: x.n}
				got, err := measure(ctx, dir, x.name, pg, o, func(ctx context.Context, s *server.Server, o traffic.Options) (traffic.Figures, error) {
					shown := progress(cmd.ErrOrStderr(), "造数据 making up")
					if err := traffic.History(ctx, s, o, x.n, func(done int) { shown(done, x.n) }); err != nil {
						return traffic.Figures{}, err
					}
					return traffic.Store(ctx, s, o)
				})
				if err != nil {
					return err
				}
				*x.into = *got
			}
			f.Ratio = f.WithMany.PerSecond / f.WithFew.PerSecond
			if *asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(f)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "with %9d settlements  %7.0f a second, p99 %s\nwith %9d settlements  %7.0f a second, p99 %s = %.2f of it\n",
				f.Few, f.WithFew.PerSecond, f.WithFew.P99.Round(time.Microsecond), f.Many, f.WithMany.PerSecond, f.WithMany.P99.Round(time.Microsecond), f.Ratio)
			return nil
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&opts.db, "db", "sqlite", "sqlite or postgres")
	fl.StringVar(&opts.dir, "dir", "", "folder for the temporary data (default: the system's)")
	fl.IntVar(&opts.clients, "clients", 16, "how many clients at once")
	fl.DurationVar(&opts.duration, "duration", 5*time.Second, "how long each store is measured")
	fl.IntVar(&opts.people, "people", 100_000, "how many insured people")
	fl.IntVar(&opts.few, "few", 10_000, "settlements in the first store")
	fl.IntVar(&opts.many, "many", 10_000_000, "settlements in the second store")
	return cmd
}

func (f *hisFigures) print(w io.Writer) {
	reference := "bare durable commits"
	if f.Database == "postgres" {
		reference = "pgbench simple-update"
	}
	fmt.Fprintf(w, "%-24s %9.0f a second\n", reference, f.Reference)
	for _, x := range []struct {
		name string
		f    *traffic.Figures
	}{{"settlements, store", f.Store}, {"settlements, HTTP", f.HTTP}} {
		if x.f == nil {
			continue
		}
		fmt.Fprintf(w, "%-24s %9.0f a second = %.2f of it; p50 %s, p99 %s, p99.9 %s; %.0f allocations each", x.name, x.f.PerSecond, x.f.PerSecond/f.Reference,
			x.f.P50.Round(time.Microsecond), x.f.P99.Round(time.Microsecond), x.f.P999.Round(time.Microsecond), x.f.AllocsPer)
		if x.f.Messages > 0 {
			fmt.Fprintf(w, "; %.0f messages a second", float64(x.f.Messages)/x.f.Seconds)
		}
		fmt.Fprintf(w, "\n  money is conserved: %d settlements of %s, of which funds paid %s\n", x.f.Settlements, x.f.Total, x.f.Fund)
	}
}

// location is where the store is: --db, or the file in the data folder.
func location(data, database string) string {
	if db.IsPostgres(database) {
		return database
	}
	if database != "" {
		return database
	}
	return filepath.Join(data, "anji.db")
}
