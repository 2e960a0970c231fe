package main

import (
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
)

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "anji",
		Short:         "Open core platform for China's medical insurance (医疗保障)",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(calcCommand(), policyCommand(), benchCommand(), demoCommand(), serveCommand(), clearingCommand(), importCommand(), employerCommand(), operatorCommand(), bankCommand(), personCommand(), counterCommand(), fundCommand(), accountCommand(), auditCommand(), hisCommand())
	return cmd
}

// packages are the policy packages of a folder, or those in the binary.
func packages(dir string) fs.FS {
	if dir == "" {
		return policies.FS
	}
	return os.DirFS(dir)
}

func loadPolicies(dir string) (*policy.Store, error) { return policy.Load(packages(dir)) }
