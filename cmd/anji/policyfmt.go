package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/policy"
)

func policySchemaCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Write the JSON Schema of package files, for editors",
		Long: `Writes the JSON Schema (2020-12) of a package file. An editor with a YAML
language server completes keys and explains them in Chinese when the file names
the schema, for instance in its first line:

  # yaml-language-server: $schema=policy-package.json

What relates one key to another (units, gaps, overlaps, unreachable rules) is
beyond a schema; anji policy lint finds it.`,
		Example: `  anji policy schema -o policy-package.json
  anji policy schema | less`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return writeOut(cmd, out, policy.Schema()) },
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "write to this file instead of standard output")
	return cmd
}

func policyFmtCommand() *cobra.Command {
	var opts struct{ write, list bool }
	cmd := &cobra.Command{
		Use:   "fmt FILE|DIR...",
		Short: "Write package and case files in their canonical form",
		Long: `Formats package files and files of cases: two spaces, no needless quotes, the
keys of objects in the order of the format, one blank line between sections. Of
a folder, every .yaml file below it is formatted. Without a flag the result goes
to standard output.

The meaning never changes and no comment is lost; a file for which that cannot
be promised is left alone and named on standard error, and the exit status is 1.`,
		Example: `  anji policy fmt -l policies
  anji policy fmt -w policies/990100
  anji policy fmt policies/990100/2025-01-01.yaml | diff policies/990100/2025-01-01.yaml -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var files []string
			for _, arg := range args {
				found, err := yamlFiles(arg)
				if err != nil {
					return err
				}
				files = append(files, found...)
			}
			bad, differ := 0, 0
			for _, name := range files {
				changed, err := formatFile(cmd, name, opts.write, opts.list)
				if err != nil {
					bad++
					fmt.Fprintln(cmd.ErrOrStderr(), err)
				}
				if changed {
					differ++
				}
			}
			switch {
			case bad > 0:
				return exitError{1, fmt.Errorf("%d of %d files could not be formatted", bad, len(files))}
			case opts.list && differ > 0:
				return exitError{1, errors.New("files are not formatted; anji policy fmt -w formats them")}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&opts.write, "write", "w", false, "write the result to the file")
	f.BoolVarP(&opts.list, "list", "l", false, "list the files whose form differs; exit status 1 if there are any")
	return cmd
}

// yamlFiles are the file itself, or the .yaml files below a folder.
func yamlFiles(arg string) ([]string, error) {
	info, err := os.Stat(arg)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{arg}, nil
	}
	var out []string
	err = filepath.WalkDir(arg, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")) {
			out = append(out, name)
		}
		return err
	})
	return out, err
}

// formatFile formats one file, and reports whether its form was another.
func formatFile(cmd *cobra.Command, name string, write, list bool) (changed bool, err error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return false, err
	}
	out, err := policy.Format(name, data)
	if err != nil {
		return false, err
	}
	changed = !bytes.Equal(data, out)
	if changed && list {
		fmt.Fprintln(cmd.OutOrStdout(), name)
	}
	if changed && write {
		return true, replaceFile(name, out)
	}
	if !write && !list {
		_, err = cmd.OutOrStdout().Write(out)
	}
	return changed, err
}

// replaceFile puts the new text in the place of the old in one step, so that
// no reader sees half a file.
func replaceFile(name string, data []byte) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".anji-fmt-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if e := f.Chmod(info.Mode().Perm()); err == nil {
		err = e
	}
	if err = closed(f, err); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
