package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
)

func employerCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "employer", Short: "Employers: staff, monthly declarations, arrears (单位参保缴费)"}
	var f dataFlags
	var policyDir, actor string
	// do runs f with the service over the store.
	do := func(cmd *cobra.Command, run func(ctx context.Context, d *db.DB, s *contribution.Service) error) error {
		policies, sealer, err := f.open(policyDir)
		if err != nil {
			return err
		}
		return f.store(cmd.Context(), func(d *db.DB) error {
			return run(cmd.Context(), d, contribution.New(policies, enrolment.New(sealer), nil))
		})
	}
	common := func(c *cobra.Command) {
		f.add(c)
		c.Flags().StringVar(&policyDir, "policies", "", "folder of packages (default: those in the binary)")
		c.Flags().StringVar(&actor, "actor", "anji employer", "who does it, for the audit record")
		cmd.AddCommand(c)
	}

	var e contribution.Employer
	add := &cobra.Command{Use: "add CODE", Short: "Register an employer by its unified social credit code (单位登记)",
		Example: "  anji employer add 91990100MA0000015X --name 安济示例有限公司 --region 990100", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			e.Code = args[0]
			return do(cmd, func(ctx context.Context, d *db.DB, s *contribution.Service) error {
				return d.Update(ctx, func(tx *db.Tx) error { return s.AddEmployer(ctx, tx, e, actor) })
			})
		}}
	add.Flags().StringVar(&e.Name, "name", "", "its name (needed)")
	add.Flags().StringVar(&e.Region, "region", "", "region 统筹区 (needed)")
	_ = add.MarkFlagRequired("name")
	_ = add.MarkFlagRequired("region")
	common(add)

	cmd.AddCommand(&cobra.Command{Use: "template FILE", Short: "Write the Excel file that an employer fills in (申报模板)", Example: "  anji employer template 申报.xlsx", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return toFile(args[0], contribution.Template) }})

	var month, mend string
	var confirm bool
	declare := &cobra.Command{Use: "declare CODE FILE", Short: "Take an employer's declaration of a month (缴费申报)",
		Long: `Takes a month's declaration from an Excel file. Every row that is wrong is
listed with what is wrong; then the good ones are kept as a draft, nothing is due
yet, and the command exits 1. With --confirm, a declaration whose rows are all
good is confirmed: its sum is due.`,
		Example: "  anji employer declare 91990100MA0000015X 申报.xlsx --month 2026-11 --confirm --mend 更正.xlsx", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			day, err := dayFlag("month", month+"-01")
			if err != nil {
				return err
			}
			file, err := os.Open(args[1])
			if err != nil {
				return err
			}
			defer file.Close()
			rows, err := contribution.ReadSheet(file)
			if err != nil {
				return err
			}
			return do(cmd, func(ctx context.Context, d *db.DB, s *contribution.Service) error {
				var x *contribution.Declaration
				if err := d.Update(ctx, func(tx *db.Tx) (err error) {
					if x, err = s.Declare(ctx, tx, args[0], day, rows, actor); err != nil || !confirm || len(x.Faulty()) > 0 {
						return err
					}
					x, err = s.Confirm(ctx, tx, x.ID, actor)
					return err
				}); err != nil {
					return err
				}
				w := cmd.OutOrStdout()
				bad := x.Faulty()
				for _, r := range bad {
					fmt.Fprintf(w, "第 %d 行 row %d: %s\n", r.N, r.N, r.Fault)
				}
				fmt.Fprintf(w, "%s  %s  %d rows 行, %d wrong 有误; employer 单位 %s, staff 个人 %s, due 应缴 %s 元 by %s 前\n",
					x.ID, x.State.Title(), len(x.Rows), len(bad), x.Unit, x.Personal, x.Unit+x.Personal, x.Due)
				if len(bad) == 0 {
					return nil
				}
				if mend != "" {
					if err := toFile(mend, func(w io.Writer) error { return contribution.WriteSheet(w, x) }); err != nil {
						return err
					}
				}
				return fmt.Errorf("%d rows are wrong; nothing is due yet", len(bad))
			})
		}}
	declare.Flags().StringVar(&month, "month", "", "month, such as 2026-11 (needed)")
	declare.Flags().BoolVar(&confirm, "confirm", false, "confirm it if all rows are good")
	declare.Flags().StringVar(&mend, "mend", "", "where to write the rows with what is wrong, as an Excel file to be mended")
	_ = declare.MarkFlagRequired("month")
	common(declare)

	common(&cobra.Command{Use: "list CODE", Short: "List an employer's declarations (申报与缴费)", Example: "  anji employer list 91990100MA0000015X", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return do(cmd, func(ctx context.Context, d *db.DB, s *contribution.Service) error {
				var all []contribution.Declaration
				if err := d.View(ctx, func(tx *db.Tx) (err error) {
					all, err = s.Declarations(ctx, tx, args[0])
					return err
				}); err != nil {
					return err
				}
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				for _, x := range all {
					fmt.Fprintf(w, "%s\t%s\t%s\tdue 应缴 %s\tlate 滞纳金 %s\tby %s 前\n", x.Month.String()[:7], x.ID, x.State.Title(), x.Unit+x.Personal, x.Late, x.Due)
				}
				return w.Flush()
			})
		}})

	var region string
	overdue := &cobra.Command{Use: "overdue", Short: "Put the staff of employers that have not paid in arrears (欠费停待遇)",
		Example: "  anji employer overdue --region 990100", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return do(cmd, func(ctx context.Context, d *db.DB, s *contribution.Service) error {
				n, err := s.Overdue(ctx, d, region)
				fmt.Fprintf(cmd.OutOrStdout(), "%d people 人 in arrears 转为欠费\n", n)
				return err
			})
		}}
	overdue.Flags().StringVar(&region, "region", "", "region 统筹区 (needed)")
	_ = overdue.MarkFlagRequired("region")
	common(overdue)
	return cmd
}

// toFile writes a file whole or leaves none.
func toFile(path string, write func(io.Writer) error) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	if err = errors.Join(write(out), out.Close()); err != nil {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
