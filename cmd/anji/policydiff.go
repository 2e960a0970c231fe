package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/calc"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/policy"
)

func policyDiffCommand(dir *string) *cobra.Command {
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
				s, err := openSide(*dir, arg)
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
				d.Money = policy.Replay(a.Side, b.Side, restateAll(examples, a, b))
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
func openSide(dir, arg string) (*packageSide, error) {
	store, err := loadPolicies(dir)
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
	return &packageSide{Side: policy.Side{Store: store, Package: p}, cases: packages(dir), folder: region, place: region}, nil
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

// restateAll states every example for both packages.
func restateAll(examples []calc.Example, a, b packageSide) []policy.ReplayCase {
	da, db := calc.NewDecoder(a.Store), calc.NewDecoder(b.Store)
	out := make([]policy.ReplayCase, 0, len(examples))
	for i := range examples {
		e := &examples[i]
		c := policy.ReplayCase{Name: e.Name}
		var errA, errB error
		c.A, errA = restate(e, a.Package, da)
		c.B, errB = restate(e, b.Package, db)
		if errA != nil {
			errA = fmt.Errorf("前一政策下不能读：%w", errA)
		}
		if errB != nil {
			errB = fmt.Errorf("后一政策下不能读：%w", errB)
		}
		if c.Err = errA; c.Err == nil {
			c.Err = errB
		}
		out = append(out, c)
	}
	return out
}

// restate reads the example as a case of the package: of its region, and on a
// day on which it holds.
func restate(e *calc.Example, p *policy.Package, d *calc.Decoder) (*policy.Case, error) {
	n := cloneNode(e.Case)
	home := e.Region
	if r := child(n, "region"); r != nil {
		home = r.Value
	}
	setChild(n, "region", p.Region)
	if care := child(n, "care_region"); care != nil && home != p.Region {
		care.Value = careFor(care.Value, home, p.Region)
	}
	if day := child(n, "date"); day != nil {
		date, err := civil.Parse(day.Value)
		if err != nil {
			return nil, errors.New("date：应为日期，如 2025-06-01")
		}
		if move := moveInto(p, date); move != nil {
			moveDates(n, move)
		}
	}
	var c policy.Case
	if err := d.DecodeNode(n, &c); err != nil {
		return nil, err
	}
	c.Lines = slices.Clone(c.Lines)
	return &c, nil
}

// careFor is a care region that lies to the new home as care lay to the old:
// at home, in the province, or outside.
func careFor(care, home, to string) string {
	province := func(r string) string { return r[:min(2, len(r))] }
	switch {
	case care == home:
		return to
	case province(care) == province(home):
		return province(to) + "9999" // no region's code: the home catalogue is used
	case province(care) == province(to):
		return home
	}
	return care
}

// moveInto says how the days of a case on day are moved so that the package
// holds; nil when it does.
func moveInto(p *policy.Package, day civil.Date) func(civil.Date) civil.Date {
	holds := func(d civil.Date) bool { return d >= p.From && (p.To == 0 || d <= p.To) }
	if holds(day) {
		return nil
	}
	from := p.From.Year() - day.Year()
	for _, years := range []int{from, from + 1, from - 1} {
		move := func(d civil.Date) civil.Date { return d.AddMonths(12 * years) }
		if holds(move(day)) {
			return move
		}
	}
	days := p.From.DaysSince(day)
	return func(d civil.Date) civil.Date { return d.AddDays(days) }
}

var dayPattern = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)

func moveDates(n *yaml.Node, move func(civil.Date) civil.Date) {
	if n.Kind == yaml.ScalarNode && dayPattern.MatchString(n.Value) {
		if d, err := civil.Parse(n.Value); err == nil {
			n.Value = move(d).String()
		}
	}
	for _, c := range n.Content {
		moveDates(c, move)
	}
}

func cloneNode(n *yaml.Node) *yaml.Node {
	out := *n
	out.Content = make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		out.Content[i] = cloneNode(c)
	}
	return &out
}

func child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func setChild(n *yaml.Node, key, value string) {
	if v := child(n, key); v != nil {
		v.Kind, v.Tag, v.Value, v.Content = yaml.ScalarNode, "!!str", value, nil
		return
	}
	scalar := func(s string) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Line: n.Line, Column: n.Column}
	}
	n.Content = append(n.Content, scalar(key), scalar(value))
}
