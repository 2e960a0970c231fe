package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/bench"
)

func benchCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure Anji on this machine",
	}
	cmd.PersistentFlags().BoolVar(&asJSON, "json", false, "print the figures as JSON")
	var rounds int
	engine := &cobra.Command{
		Use:   "engine",
		Short: "Measure the policy engine against a hand-written loop",
		Long: `Settles one inpatient stay of 20 lines under the example region 990100, by the
engine and by a hand-written Go loop with the same numbers compiled in,
alternating, and reports the fastest of many rounds of each and their ratio.
Then streams cases of five lines through the calculator on all cores.`,
		Example: `  anji bench engine
  anji bench engine --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := loadPolicies("")
			if err != nil {
				return err
			}
			f, err := bench.Engine(cmd.Context(), store, rounds)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if asJSON {
				return json.NewEncoder(out).Encode(f)
			}
			fmt.Fprintf(out, "one stay of 20 lines       engine   hand-written   ratio\n")
			fmt.Fprintf(out, "  a new result each time  %5.0f ns       %5.0f ns    %.2f   (%.0f allocations)\n", f.EngineNS, f.HandwrittenNS, f.Ratio, f.Allocs)
			fmt.Fprintf(out, "  into the same result    %5.0f ns       %5.0f ns    %.2f\n", f.EngineReusedNS, f.HandwrittenReusedNS, f.ReusedRatio)
			fmt.Fprintf(out, "  with its explanation    %5.0f ns\n", f.ExplainedNS)
			fmt.Fprintf(out, "calc --jsonl              %.0f cases of five lines a second on %d cores, explained\n", f.CalcCasesPerSecond, f.CPUs)
			return nil
		},
	}
	engine.Flags().IntVar(&rounds, "rounds", 20, "rounds of measurement")
	cmd.AddCommand(engine, benchHISCommand(&asJSON), benchHistoryCommand(&asJSON))
	return cmd
}
