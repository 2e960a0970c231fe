package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/his/keyring"
	"github.com/anji-platform/anji/server"
)

func serveCommand() *cobra.Command {
	var opts struct{ listen, data, db, policies, address, security, clamd, ocr string }
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the hospital interface and the pages on a store that stays",
		Long: `Opens the store, bringing its schema up to date, and serves the hospital
interface (/his) and the pages until Ctrl-C; what is under way is finished
first. Messages must be signed (SM2), unless --security says otherwise.

The store is a SQLite file in the data folder, or the PostgreSQL database of
--db. The data folder also holds the key that seals personal data: keep a copy
of it apart from those of the database.`,
		Example: `  anji serve --data /var/lib/anji
  anji serve --data /var/lib/anji --db postgres://anji@db.example/anji --listen :8080`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			ctx := cmd.Context()
			policies, err := loadPolicies(opts.policies)
			if err != nil {
				return err
			}
			security, err := keyring.ParseMode(opts.security)
			if err != nil {
				return fmt.Errorf("--security: %w", err)
			}
			if err := os.MkdirAll(opts.data, 0o700); err != nil {
				return err
			}
			l, err := net.Listen("tcp", opts.listen)
			if err != nil {
				return fmt.Errorf("cannot serve on %s (choose another with --listen): %w", opts.listen, err)
			}
			defer l.Close()
			if opts.address == "" {
				opts.address = "http://" + l.Addr().String()
			}
			s, err := server.Open(ctx, server.Config{Data: opts.data, Database: opts.db, Policies: policies, Cases: packages(opts.policies), Address: opts.address, Security: security, Clamd: opts.clamd, OCR: opts.ocr,
				Log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			fmt.Fprintf(cmd.OutOrStdout(), "首页 pages       %[1]s/\n接口 interface   %[1]s/his\n数据 data        %[2]s (%[3]s)\nCtrl-C 结束\n", opts.address, opts.data, s.DB.Kind)
			err = s.Serve(ctx, l)
			fmt.Fprintln(cmd.OutOrStdout(), "\n已结束 stopped")
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&opts.listen, "listen", "127.0.0.1:8080", "address to serve on; port 0 takes a free one")
	f.StringVar(&opts.data, "data", "", "folder of the key and, without --db, the database (needed)")
	f.StringVar(&opts.db, "db", "", "postgres://… or the path of a SQLite file (default: anji.db in the folder)")
	f.StringVar(&opts.policies, "policies", "", "folder of packages (default: those in the binary)")
	f.StringVar(&opts.address, "address", "", "address under which users reach the server, for the pages (default: that of --listen)")
	f.StringVar(&opts.clamd, "clamd", "", "ClamAV daemon that looks at uploaded papers: host:port, or the path of its socket (default: none)")
	f.StringVar(&opts.ocr, "ocr", "", "command that reads pictures of invoices for officers, such as tesseract (default: none)")
	f.StringVar(&opts.security, "security", string(keyring.Sign), "how providers without keys of their own (anji his keys) prove their messages: none, digest, sign or encrypt; those that are to sign and have no keys are refused")
	_ = cmd.MarkFlagRequired("data")
	return cmd
}
