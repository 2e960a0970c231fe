package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/policy"
	"github.com/spf13/cobra"
)

func policyDiffCommand(from *packageFlags) *cobra.Command {
	var opts struct {
		cases  []string
		asJSON bool
		out    string
	}
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Say what changes from one package to another, in words and in money",
		Long: `Compares two policy packages. In words: what changes for whom, every parameter
cell by cell, rules, stages, plans, scope, years, contributions and documents.
In money: the same cases are settled under both, and the sums of fund, person,
account and cash, the cases that gain and lose and the largest changes are told.

A and B are each REGION@DATE, REGION (its latest version), or the path of a
package file. The cases are those beside both packages, or those of --cases. A
case is stated for each package: its region becomes the package's, and where
the package does not hold on its day, all its days are moved, by whole years if
that is enough. Cases that cannot be settled under both are listed and not
counted.

The answer is Markdown in Chinese, or JSON with --json.`,
		Example: `  anji policy diff 990100@2025-06-01 draft/990100/2026-01-01.yaml
  anji policy diff 990100 990200 --json
  anji policy diff 110000@2024-12-31 110000@2025-01-01 --cases cases/usual.yaml -o changes.md`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var sides [2]packageSide
			for i, arg := range args {
				s, err := openSide(cmd.Context(), from, arg)
				if err != nil {
					return err
				}
				sides[i] = *s
			}
			examples, err := examplesFor(opts.cases, sides)
			if err != nil {
				return err
			}
			a, b := sides[0], sides[1]
			d := policy.Difference{A: policy.EditionOf(a.Package), B: policy.EditionOf(b.Package), Changes: policy.Compare(a.Package, b.Package)}
			if d.Changes == nil {
				d.Changes = []policy.Change{}
			}
			if len(examples) > 0 {
				d.Money = policy.Replay(a.Side, b.Side, calc.Restate(examples, a.Side, b.Side))
			}
			text := []byte(d.Markdown())
			if opts.asJSON {
				if text, err = json.MarshalIndent(&d, "", "  "); err != nil {
					return err
				}
				text = append(text, '\n')
			}
			return writeOut(cmd, opts.out, text)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&opts.cases, "cases", nil, "a file of cases to settle under both; may be given again (default: the cases beside both packages)")
	f.BoolVar(&opts.asJSON, "json", false, "write JSON")
	f.StringVarP(&opts.out, "output", "o", "", "write to this file instead of standard output")
	return cmd
}

// packageSide is one of the packages compared and where its cases stand.
type packageSide struct {
	policy.Side
	cases  fs.FS // holds cases/*.yaml below folder
	folder string
	place  string // tells folders apart
}

// openSide finds REGION@DATE, REGION or the path of a package file.
func openSide(ctx context.Context, from *packageFlags, arg string) (*packageSide, error) {
	store, err := from.load(ctx)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(arg, ".yaml") || strings.HasSuffix(arg, ".yml") || strings.ContainsRune(arg, filepath.Separator) {
		return openFile(store, arg)
	}
	region, date, dated := strings.Cut(arg, "@")
	if dated && date == "" {
		return nil, fmt.Errorf("%q names no day; REGION@DATE is such as 990100@2025-06-01", arg)
	}
	p, err := versionOf(store, region, date)
	if err != nil {
		return nil, err
	}
	return &packageSide{Side: policy.Side{Store: store, Package: p}, cases: packages(from.dir), folder: region, place: region}, nil
}

func openFile(base *policy.Store, name string) (*packageSide, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	full, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	short := filepath.ToSlash(name)
	store, err := policy.LoadFile(short, data, base)
	if err != nil {
		return nil, err
	}
	folder := filepath.Dir(full)
	side := &packageSide{cases: os.DirFS(folder), folder: ".", place: folder}
	for _, region := range append(store.Regions(), "000000") {
		for _, p := range store.Versions(region) {
			if p.File == short {
				side.Side = policy.Side{Store: store, Package: p}
				return side, nil
			}
		}
	}
	return nil, fmt.Errorf("%s holds no package", name)
}

// examplesFor reads the cases of the files, or those beside both packages.
func examplesFor(files []string, sides [2]packageSide) ([]calc.Example, error) {
	var out []calc.Example
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		more, err := calc.ParseExamples(name, data)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	if len(files) > 0 {
		return out, nil
	}
	var read []string
	for _, s := range sides {
		if slices.Contains(read, s.place) {
			continue
		}
		read = append(read, s.place)
		names, err := fs.Glob(s.cases, path.Join(s.folder, "cases", "*.yaml"))
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			data, err := fs.ReadFile(s.cases, n)
			if err != nil {
				return nil, err
			}
			more, err := calc.ParseExamples(n, data)
			if err != nil {
				return nil, err
			}
			for i := range more {
				more[i].Region = s.Package.Region
			}
			out = append(out, more...)
		}
	}
	return out, nil
}
