package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func policyCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{Use: "policy", Short: "Check, test, explain and compare policy packages (政策包)"}
	cmd.PersistentFlags().StringVar(&dir, "policies", "", "folder of packages (default: those in the binary)")
	cmd.AddCommand(&cobra.Command{
		Use:   "lint",
		Short: "Load every package and report each fault with file:line:column",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := loadPolicies(dir)
			if err != nil {
				return err
			}
			for _, w := range s.Warnings() {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
			}
			return nil
		},
	})
	cmd.AddCommand(policyTestCommand(&dir))
	return cmd
}
