package main

import (
	"cmp"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/policy"
)

func policyExplainCommand(from *packageFlags) *cobra.Command {
	var opts struct {
		date, out string
		html      bool
	}
	cmd := &cobra.Command{
		Use:   "explain REGION",
		Short: "Write a package as a document for people to read",
		Long: `Writes the policy of a region (统筹区) as a document in Chinese: what it rests
on, who is not paid, what each benefit plan pays and how, every figure in tables,
contributions, and what is not known. Every statement names its document and
article.

The document is Markdown, or with --html a page that stands alone. Without
--date it is the latest version of the package.`,
		Example: `  anji policy explain 990100
  anji policy explain 990100 --date 2025-06-01 -o 990100.md
  anji policy explain 990100 --html -o 990100.html
  anji policy explain --policies ./policies 990200`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := from.load(cmd.Context())
			if err != nil {
				return err
			}
			p, err := versionOf(store, args[0], opts.date)
			if err != nil {
				return err
			}
			text := p.Markdown()
			if opts.html {
				text = p.HTMLPage()
			}
			return writeOut(cmd, opts.out, []byte(text))
		},
	}
	f := cmd.Flags()
	f.StringVar(&opts.date, "date", "", "the day on which the version must hold, such as 2025-06-01 (default: the latest version)")
	f.BoolVar(&opts.html, "html", false, "write a page instead of Markdown")
	f.StringVarP(&opts.out, "output", "o", "", "write to this file instead of standard output")
	return cmd
}

// versionOf is the package of the region that holds on the day, or the latest.
func versionOf(store *policy.Store, region, date string) (*policy.Package, error) {
	if date != "" {
		d, err := civil.Parse(date)
		if err != nil {
			return nil, fmt.Errorf("date is %q; a day such as 2025-06-01 is needed", date)
		}
		return store.At(region, d)
	}
	versions := store.Versions(region)
	if len(versions) == 0 {
		_, err := store.At(region, civil.New(2025, 1, 1))
		return nil, err
	}
	return versions[len(versions)-1], nil
}

// writeOut writes to the file, or to standard output when it is "" or "-".
func writeOut(cmd *cobra.Command, file string, data []byte) error {
	if cmp.Or(file, "-") == "-" {
		_, err := cmd.OutOrStdout().Write(data)
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return closed(f, err)
}

// closed closes c and returns the first error.
func closed(c io.Closer, err error) error {
	if e := c.Close(); err == nil {
		err = e
	}
	return err
}
