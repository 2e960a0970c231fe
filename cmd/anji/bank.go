package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/channel"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
)

func bankCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bank", Short: "Contributions withheld by banks (批量代扣)"}
	var f dataFlags
	var policyDir, actor string
	do := func(cmd *cobra.Command, run func(ctx context.Context, d *db.DB, b *channel.Bank) error) error {
		policies, sealer, err := f.open(policyDir)
		if err != nil {
			return err
		}
		return f.store(cmd.Context(), func(d *db.DB) error {
			return run(cmd.Context(), d, channel.NewBank(contribution.New(policies, enrolment.New(sealer), nil), sealer, nil))
		})
	}
	common := func(c *cobra.Command) {
		f.add(c)
		c.Flags().StringVar(&policyDir, "policies", "", "folder of packages (default: those in the binary)")
		c.Flags().StringVar(&actor, "actor", "anji bank", "who does it, for the audit record")
		cmd.AddCommand(c)
	}

	var m channel.Mandate
	agree := &cobra.Command{Use: "agree PAYER", Short: "Keep from which account a person or an employer is withheld (代扣协议)",
		Example: "  anji bank agree 91990100MA0000015X --bank 示例银行 --holder 安济示例有限公司 --account 6200000000000001", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m.Payer = args[0]
			return do(cmd, func(ctx context.Context, d *db.DB, b *channel.Bank) error {
				return d.Update(ctx, func(tx *db.Tx) error { return b.Agree(ctx, tx, m, actor) })
			})
		}}
	agree.Flags().StringVar(&m.Bank, "bank", "", "bank 开户行")
	agree.Flags().StringVar(&m.Account, "account", "", "account 账号")
	agree.Flags().StringVar(&m.Holder, "holder", "", "holder 户名")
	common(agree)

	var region string
	export := &cobra.Command{Use: "export FILE", Short: "Write what a bank shall withhold, as CSV (代扣文件)",
		Long: `Writes all that is due in a region from payers with a mandate and is not at the
bank already.`,
		Example: "  anji bank export 代扣.csv --region 990100", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return do(cmd, func(ctx context.Context, d *db.DB, b *channel.Bank) error {
				var out channel.Batch
				var ok bool
				// The file is there before the store says that the bank has it.
				err := toFile(args[0], func(w io.Writer) error {
					return d.Update(ctx, func(tx *db.Tx) (err error) {
						out, ok, err = b.Export(ctx, tx, region, actor, w)
						return err
					})
				})
				switch {
				case err != nil:
					return err
				case !ok:
					fmt.Fprintln(cmd.OutOrStdout(), "nothing is due 没有待扣的应缴")
					return os.Remove(args[0])
				}
				fmt.Fprintf(cmd.OutOrStdout(), "batch 批次 %s: %d rows 笔, %s 元\n", out.ID, out.Rows, out.Total)
				return nil
			})
		}}
	export.Flags().StringVar(&region, "region", "", "region 统筹区 (needed)")
	_ = export.MarkFlagRequired("region")
	common(export)

	common(&cobra.Command{Use: "import FILE", Short: "Take a bank's answer (代扣回盘)", Example: "  anji bank import 回盘.csv", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			file, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, file.Close()) }()
			return do(cmd, func(ctx context.Context, d *db.DB, b *channel.Bank) error {
				all, err := b.Import(ctx, d, file, actor)
				counts := map[channel.ResultState]int{}
				w := cmd.OutOrStdout()
				for _, r := range all {
					counts[r.State]++
					if r.State != channel.Taken {
						fmt.Fprintf(w, "第 %d 行 row %d: %s\n", r.Line, r.Line, r.What)
					}
				}
				fmt.Fprintf(w, "taken 入账 %d, to be paid back 待退 %d, failed 失败 %d, wrong 有误 %d\n", counts[channel.Taken], counts[channel.Kept], counts[channel.Failed], counts[channel.Rejected])
				if err == nil && counts[channel.Rejected] > 0 {
					err = fmt.Errorf("%d rows were not taken", counts[channel.Rejected])
				}
				return err
			})
		}})
	return cmd
}
