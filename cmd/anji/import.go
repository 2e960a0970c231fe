package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/intake"
)

func importCommand() *cobra.Command {
	var f dataFlags
	var report, actor string
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Take in people with their insurance from a file (参保名册导入)",
		Long: `Takes in people with their insurance and the balances of their accounts from a
CSV file in UTF-8 or GB 18030, or a Parquet file: a row for each spell of insurance, or for a person
who has none. A file that was interrupted goes on where it was; taken in again,
nothing is taken twice. Rows that are wrong are left out and written to the
report, each with the reason, and the command exits 1.

Columns, in any order, under their Chinese or English names:
  ` + strings.Join(intake.Columns(), "\n  "),
		Example: "  anji import template > people.csv\n  anji import people.csv --data ./anji-data --report rejected.csv",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			file, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer file.Close()
			// People may be the first thing that a new store holds.
			if err := os.MkdirAll(f.data, 0o700); err != nil {
				return err
			}
			sealer, err := gm.LoadOrCreateKey(filepath.Join(f.data, "key"))
			if err != nil {
				return err
			}
			info, err := file.Stat()
			if err != nil {
				return err
			}
			show := progress(cmd.ErrOrStderr(), "导入 importing")
			var run intake.Run
			err = withStore(cmd.Context(), location(f.data, f.db), func(d *db.DB) (err error) {
				run, err = intake.Import(cmd.Context(), d, enrolment.New(sealer), file, intake.Options{Name: filepath.Base(args[0]), Actor: actor,
					Progress: func(read int64) { show(int(read), int(info.Size())) }})
				if err != nil || report == "" {
					return err
				}
				out, err := os.Create(report)
				if err != nil {
					return err
				}
				err = d.View(cmd.Context(), func(tx *db.Tx) error { return intake.Report(cmd.Context(), tx, run.Digest, out) })
				return errors.Join(err, out.Close())
			})
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if f.asJSON {
				err = json.NewEncoder(w).Encode(run)
			} else {
				fmt.Fprintf(w, "read 读取 %d rows 行: %d people 人, %d spells 段参保, %d balances 个账户余额; rejected 未导入 %d\n", run.Rows, run.People, run.Spells, run.Balances, run.Rejected)
			}
			if run.Rejected > 0 {
				err = errors.Join(err, fmt.Errorf("%d rows were not taken", run.Rejected))
			}
			return err
		},
	}
	f.add(cmd)
	f.json(cmd)
	cmd.Flags().StringVar(&report, "report", "", "where to write the rows that were not taken, as CSV")
	cmd.Flags().StringVar(&actor, "actor", "anji import", "who does it, for the audit record")
	cmd.AddCommand(&cobra.Command{Use: "template", Short: "Write the first line of a file", Example: "  anji import template > people.csv", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return intake.Template(cmd.OutOrStdout()) }})
	return cmd
}
