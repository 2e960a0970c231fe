package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/his"
	"github.com/anji-platform/anji/hisdocs"
	"github.com/anji-platform/anji/web"
)

func hisCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "his", Short: "Describe the hospital interface (定点医药机构接口) and keep its keys"}
	var asJSON bool
	coverage := &cobra.Command{
		Use:   "coverage",
		Short: "Say of every transaction and field whether it is validated, read and filled",
		Long: `Lists the transactions with the numbers of their fields: of a request those read
and all, of a reply those filled and all, and names the fields that are not
used and says why. Every field of a request is validated by the table. What is read and
filled was recorded by the interface's tests. --json has every field.`,
		Example: `  anji his coverage
  anji his coverage --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c := hisdocs.Cover(his.New(his.Config{}))
			out := cmd.OutOrStdout()
			if asJSON {
				e := json.NewEncoder(out)
				e.SetIndent("", " ")
				return e.Encode(c)
			}
			for _, t := range c.Transactions {
				if !t.Offered {
					fmt.Fprintf(out, "%-5s %s：未开通 not offered\n", t.Number, t.Name)
					continue
				}
				fmt.Fprintf(out, "%-5s %s：读取 read %d/%d，填写 filled %d/%d\n", t.Number, t.Name, t.Input.Used, t.Input.All, t.Output.Used, t.Output.All)
				for _, side := range []struct {
					asked bool
					title string
				}{{true, "只校验 validated only"}, {false, "空 empty"}} {
					var reasons []string
					names := map[string][]string{}
					for _, f := range t.Fields {
						if f.Used || f.Asked() != side.asked {
							continue
						}
						if names[f.Reason] == nil {
							reasons = append(reasons, f.Reason)
						}
						names[f.Reason] = append(names[f.Reason], f.Name)
					}
					for _, reason := range reasons {
						fmt.Fprintf(out, "      %s: %s（%s）\n", side.title, strings.Join(names[reason], " "), reason)
					}
				}
			}
			_, err := fmt.Fprintf(out, "交易 transactions %d/%d，读取 read %d/%d，填写 filled %d/%d\n", c.Offered, len(c.Transactions), c.Input.Used, c.Input.All, c.Output.Used, c.Output.All)
			return err
		},
	}
	coverage.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	var dir string
	docs := &cobra.Command{
		Use:   "docs",
		Short: "Write the interface's reference into a folder, to be read without a server",
		Long: `Writes the pages that a server has at /his/docs and /his/coverage, and the
OpenAPI description, into a folder, making it if need be. Open index.html.`,
		Example: `  anji his docs --out reference`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all := hisdocs.Files(his.New(his.Config{}))
			for _, name := range []string{"style.css", "icon.svg"} {
				all[name] = web.Content(name)
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			for name, data := range all {
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
					return err
				}
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), filepath.Join(dir, "index.html"))
			return err
		},
	}
	docs.Flags().StringVar(&dir, "out", "", "the folder (needed)")
	_ = docs.MarkFlagRequired("out") // the flag is there
	cmd.AddCommand(coverage, docs, hisKeysCommand())
	return cmd
}
