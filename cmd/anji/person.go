package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/coverage"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/privacy"
)

func personCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "person", Short: "People: may they be paid, what is held of them (参保人)"}
	var f dataFlags
	var actor, purpose string
	do := func(cmd *cobra.Command, run func(ctx context.Context, tx *db.Tx, register *enrolment.Register) error) error {
		sealer, err := gm.LoadOrCreateKey(filepath.Join(f.data, "key"))
		if err != nil {
			return err
		}
		return f.store(cmd.Context(), func(d *db.DB) error {
			return d.Update(cmd.Context(), func(tx *db.Tx) error { return run(cmd.Context(), tx, enrolment.New(sealer)) })
		})
	}
	purposeful := func(c *cobra.Command) *cobra.Command {
		f.add(c)
		c.Flags().StringVar(&actor, "actor", "", "who does it, for the audit record (needed)")
		c.Flags().StringVar(&purpose, "purpose", "", "why, for the audit record (needed)")
		_ = c.MarkFlagRequired("actor")
		_ = c.MarkFlagRequired("purpose")
		return c
	}
	show := func(cmd *cobra.Command, v any) error {
		e := json.NewEncoder(cmd.OutOrStdout())
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}

	find := &cobra.Command{Use: "find", Short: "Find a person number by the citizen ID on standard input", Long: "Finds a person number by the citizen ID on standard input, so that it stands in\nno list of commands.",
		Example: "  anji person find < id.txt", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
			if line == "" && err != nil {
				return err
			}
			return do(cmd, func(ctx context.Context, tx *db.Tx, register *enrolment.Register) error {
				p, ok, err := register.ByCitizenID(ctx, tx, strings.ToUpper(strings.TrimSpace(line)))
				if err == nil && !ok {
					err = errors.New("nobody with this citizen ID is registered 没有登记")
				}
				if err == nil {
					fmt.Fprintln(cmd.OutOrStdout(), p.ID)
				}
				return err
			})
		}}
	f.add(find)
	cmd.AddCommand(find)

	var on, policyDir string
	covered := &cobra.Command{Use: "coverage PERSON", Short: "May this person be paid on a day, and if not, why, and what can they do (待遇资格)",
		Example: "  anji person coverage 65d09ec7a956498b1f5e --day 2026-11-24", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			policies, err := loadPolicies(policyDir)
			if err != nil {
				return err
			}
			f.policies = policies
			today := civil.Of(time.Now().In(time.FixedZone("CST", 8*60*60)))
			day := today
			if on != "" {
				if day, err = dayFlag("day", on); err != nil {
					return err
				}
			}
			return do(cmd, func(ctx context.Context, tx *db.Tx, register *enrolment.Register) error {
				p, ok, err := register.ByID(ctx, tx, args[0])
				if err == nil && !ok {
					err = fmt.Errorf("no person %s 没有这个人员编号", args[0])
				}
				if err != nil {
					return err
				}
				a, err := coverage.On(ctx, tx, policies, p, day, today)
				if err != nil {
					return err
				}
				w := cmd.OutOrStdout()
				if a.Paid {
					fmt.Fprintf(w, "%s  yes 可以：%s\n", day, a.Insurance.Scheme.Title()+"医保")
				} else {
					fmt.Fprintf(w, "%s  no 不可以：%s\n", day, a.Why)
					if a.Source != nil {
						fmt.Fprintf(w, "  source 依据：%s %s\n", a.Source.Document.Cite, a.Source.Article)
					}
				}
				for _, d := range a.Do {
					fmt.Fprintf(w, "  do 可办：%s\n", d.What)
				}
				return nil
			})
		}}
	f.add(covered)
	covered.Flags().StringVar(&on, "day", "", "day (default: today)")
	covered.Flags().StringVar(&policyDir, "policies", "", "folder of packages (default: those in the binary)")
	cmd.AddCommand(covered)

	cmd.AddCommand(purposeful(&cobra.Command{Use: "export PERSON", Short: "Give all that is held of a person, as JSON (个人信息副本)",
		Example: "  anji person export 65d09ec7a956498b1f5e --actor 王经办 --purpose 本人申请查阅", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return do(cmd, func(ctx context.Context, tx *db.Tx, register *enrolment.Register) error {
				c, err := privacy.New(register, nil).Export(ctx, tx, args[0], actor, purpose)
				if err != nil {
					return err
				}
				return show(cmd, c)
			})
		}}), purposeful(&cobra.Command{Use: "erase PERSON", Short: "Delete what is held of a person and need not be kept (删除个人信息)",
		Example: "  anji person erase 65d09ec7a956498b1f5e --actor 王经办 --purpose 本人申请删除", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return do(cmd, func(ctx context.Context, tx *db.Tx, register *enrolment.Register) error {
				e, err := privacy.New(register, nil).Erase(ctx, tx, args[0], actor, purpose)
				if err != nil {
					return err
				}
				return show(cmd, e)
			})
		}}))
	return cmd
}
