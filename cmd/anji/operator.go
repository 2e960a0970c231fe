package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/signin"
)

func operatorCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "operator", Short: "Operators who sign in at /office: officers, employers, counters (操作员)",
		Long: `Operators are kept in the console by administrators. These commands make the
first ones of a new store, and let in who is locked out.`}
	var f dataFlags
	var actor string
	do := func(cmd *cobra.Command, run func(ctx context.Context, tx *db.Tx, s *signin.Service) error) error {
		_, sealer, err := f.open("")
		if err != nil {
			return err
		}
		return f.store(cmd.Context(), func(d *db.DB) error {
			s := signin.New(signin.Config{DB: d, Register: enrolment.New(sealer)})
			return d.Update(cmd.Context(), func(tx *db.Tx) error { return run(cmd.Context(), tx, s) })
		})
	}
	common := func(c *cobra.Command) {
		f.add(c)
		c.Flags().StringVar(&actor, "actor", "anji operator", "who does it, for the audit record")
		cmd.AddCommand(c)
	}

	var o signin.Operator
	var roles []string
	var names []string
	for _, r := range signin.Roles() {
		names = append(names, string(r)+" "+r.Title())
	}
	add := &cobra.Command{Use: "add NAME", Short: "Add an operator; prints a first password, to be changed at the first sign-in",
		Example: `  anji operator add guanli --data ./data --title 吴管理 --role admin
  anji operator add chushen --data ./data --title 李初审 --role review --region 990100
  anji operator add danwei --data ./data --title 陈人事 --role employer --of 91990100MA0000015X --region 990100`, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Name, o.Fresh = args[0], true
			for _, r := range roles {
				o.Roles = append(o.Roles, signin.Role(r))
			}
			password := firstPassword()
			if err := do(cmd, func(ctx context.Context, tx *db.Tx, s *signin.Service) error {
				return s.AddOperator(ctx, tx, o, password, actor)
			}); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s（%s）\n初始密码 first password  %s\n", o.Name, o.Title, o.Works(), password)
			return err
		}}
	add.Flags().StringVar(&o.Title, "title", "", "the operator's name 姓名 (needed)")
	add.Flags().StringSliceVar(&roles, "role", nil, "what they may do (needed, may be repeated): "+strings.Join(names, ", "))
	add.Flags().StringVar(&o.Region, "region", "", "region 统筹区 whose people they see (default: all)")
	add.Flags().StringVar(&o.Of, "of", "", "code of the employer or provider, for the roles employer and counter")
	_ = add.MarkFlagRequired("title")
	_ = add.MarkFlagRequired("role")
	common(add)

	reset := &cobra.Command{Use: "password NAME", Short: "Give an operator a new first password, and end their sessions", Example: "  anji operator password guanli --data ./data", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			password := firstPassword()
			if err := do(cmd, func(ctx context.Context, tx *db.Tx, s *signin.Service) error {
				return s.ResetPassword(ctx, tx, args[0], password, actor)
			}); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "初始密码 first password  %s\n", password)
			return err
		}}
	common(reset)

	list := &cobra.Command{Use: "list", Short: "List the operators", Example: "  anji operator list --data ./data", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return do(cmd, func(ctx context.Context, tx *db.Tx, _ *signin.Service) error {
				all, err := signin.Operators(ctx, tx)
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				for _, o := range all {
					state := ""
					if o.Stopped {
						state = "停用"
					}
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", o.Name, o.Title, o.Works(), o.Region, o.Of, state)
				}
				if err != nil {
					return err
				}
				return w.Flush()
			})
		}}
	common(list)
	return cmd
}

// firstPassword is one that nobody guesses, of two kinds of characters.
func firstPassword() string { return strings.ToLower(rand.Text()[:16]) + "-7" }
