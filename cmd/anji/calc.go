package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/bill"
	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/policy"
)

func calcCommand() *cobra.Command {
	var opts struct {
		explain, jsonl, yaml bool
		policies, lang       string
	}
	cmd := &cobra.Command{
		Use:   "calc [FILE|-]",
		Short: "Settle a case stated as JSON or YAML and write the result as JSON",
		Long: `Reads one case (a file, or standard input) and writes one result as JSON.
With --explain the result is a bill for people. With --jsonl every line is a
case and is answered by one line, in order; a bad line is answered by an error
object while the others go on, and the exit status is 2.

A field left out takes the first value the contract lists for it. An unknown
field or value is an error that names it.`,
		Example: `  anji calc case.json
  anji calc --explain case.yaml
  echo '{"region":"990200","date":"2025-06-01","visit":{"kind":"inpatient"},
         "lines":[{"class":"甲","amount":"5000.00"},{"class":"乙","amount":"5000.00"}]}' | anji calc -
  anji calc --jsonl < cases.jsonl > results.jsonl`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := loadPolicies(opts.policies)
			if err != nil {
				return err
			}
			name := "-"
			if len(args) == 1 {
				name = args[0]
			}
			in := cmd.InOrStdin()
			if name != "-" {
				f, err := os.Open(name)
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			}
			if opts.jsonl {
				return stream(cmd, store, in)
			}
			data, err := io.ReadAll(io.LimitReader(in, calc.MaxBytes+1))
			if err != nil {
				return err
			}
			var c policy.Case
			d := calc.NewDecoder(store)
			if opts.yaml || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") || !looksLikeJSON(data) {
				err = d.DecodeYAML(data, &c)
			} else {
				err = d.Decode(data, &c)
			}
			if err == nil {
				var r policy.Result
				var t policy.Trace
				if err = calc.Settle(store, &c, &r, &t); err == nil {
					if opts.explain {
						_, err = fmt.Fprint(cmd.OutOrStdout(), bill.Text(bill.New(bill.ParseLang(opts.lang), &c, &r, t.Steps), 80))
						return err
					}
					_, err = cmd.OutOrStdout().Write(append(calc.AppendResult(nil, &r, t.Steps), '\n'))
					return err
				}
			}
			return exitError{2, fmt.Errorf("%s:%w", name, err)}
		},
	}
	f := cmd.Flags()
	f.BoolVar(&opts.explain, "explain", false, "write the steps for a person to read")
	f.BoolVar(&opts.jsonl, "jsonl", false, "read and write JSON Lines, one case a line")
	f.BoolVar(&opts.yaml, "yaml", false, "read standard input as YAML")
	f.StringVar(&opts.policies, "policies", "", "folder of packages (default: those in the binary)")
	f.StringVar(&opts.lang, "lang", "zh", "language of --explain: zh or en")
	return cmd
}

func looksLikeJSON(data []byte) bool {
	s := strings.TrimSpace(string(data[:min(len(data), 4096)]))
	return s == "" || s[0] == '{' || s[0] == '['
}

func stream(cmd *cobra.Command, store *policy.Store, in io.Reader) error {
	out := bufio.NewWriterSize(cmd.OutOrStdout(), 1<<20)
	_, bad, err := calc.Stream(cmd.Context(), store, in, out)
	if e := out.Flush(); err == nil {
		err = e
	}
	if err == nil && bad > 0 {
		err = exitError{2, fmt.Errorf("%d bad lines", bad)}
	}
	return err
}
