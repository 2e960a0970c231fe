package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// anji calls the command line and returns what it wrote.
func anji(t *testing.T, in string, args ...string) (out, errs string, err error) {
	t.Helper()
	cmd := root()
	var o, e bytes.Buffer
	cmd.SetIn(strings.NewReader(in))
	cmd.SetOut(&o)
	cmd.SetErr(&e)
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(context.Background())
	return o.String(), e.String(), err
}

const handbook = `{"region":"990200","date":"2025-06-01","visit":{"kind":"inpatient"},"lines":[
 {"name":"诊疗","class":"甲","amount":"2000.00"},{"class":"甲","amount":"3000.00"},{"class":"乙","amount":"5000.00"}]}`

func TestCalc(t *testing.T) {
	out, _, err := anji(t, handbook, "calc", "-")
	if err != nil || !strings.Contains(out, `"basic":"6560.00"`) || !strings.Contains(out, `"person":"3440.00"`) {
		t.Errorf("%s, %v", out, err)
	}
	out, _, err = anji(t, handbook, "calc", "--explain")
	if err != nil || !strings.Contains(out, "6,560.00") || !strings.Contains(out, "医保政策问答手册") {
		t.Errorf("%s, %v", out, err)
	}
	out, _, err = anji(t, handbook, "calc", "--explain", "--lang", "en")
	if err != nil || !strings.Contains(out, "You pay") {
		t.Errorf("%s, %v", out, err)
	}
	file := filepath.Join(t.TempDir(), "case.yaml")
	yaml := "region: \"990200\"\ndate: 2025-06-01\nvisit: {kind: inpatient}\nlines:\n  - {class: 甲, amount: 9500.00}\n"
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _, err = anji(t, "", "calc", file)
	if err != nil || !strings.Contains(out, `"basic":"6560.00"`) {
		t.Errorf("%s, %v", out, err)
	}
}

// exitCode is the status that main would exit with.
func exitCode(err error) int {
	var e exitError
	if errors.As(err, &e) {
		return e.code
	}
	if err != nil {
		return 1
	}
	return 0
}

func TestCalcErrors(t *testing.T) {
	bad := strings.Replace(handbook, `"甲"`, `"丁"`, 1)
	out, _, err := anji(t, bad, "calc", "-")
	if out != "" || exitCode(err) != 2 || !strings.Contains(err.Error(), "lines[0].class") || !strings.Contains(err.Error(), "-:2:") {
		t.Errorf("out %q, %v", out, err)
	}
	one := strings.ReplaceAll(handbook, "\n", "")
	out, _, err = anji(t, one+"\n\n{}\n"+one+"\n", "calc", "--jsonl")
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if exitCode(err) != 2 || len(lines) != 4 || lines[0] != lines[3] || !strings.Contains(lines[1], `"error":{"line":2`) || !strings.Contains(lines[2], `"error":{"line":3`) {
		t.Errorf("%q, %v", lines, err)
	}
	if _, _, err := anji(t, "", "calc", "no-such-file.json"); exitCode(err) != 1 {
		t.Errorf("missing file: %v", err)
	}
}

func TestPolicyCommands(t *testing.T) {
	if _, errs, err := anji(t, "", "policy", "lint", "--strict"); err != nil {
		t.Errorf("%v\n%s", err, errs)
	}
	out, _, err := anji(t, "", "policy", "test")
	if err != nil || !strings.Contains(out, "990100: 18 cases, 0 failed") {
		t.Errorf("%v\n%s", err, out)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "990900"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "990900", "2025-01-01.yaml"), []byte("format: 2\nregion: 990900\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, errs, err := anji(t, "", "policy", "lint", "--policies", dir)
	if exitCode(err) != 1 || !strings.Contains(errs, "990900/2025-01-01.yaml:1:9: ") || strings.Count(errs, "\n") < 3 {
		t.Errorf("%v\n%s", err, errs)
	}
}

// TestHelp asks every command for its help.
func TestHelp(t *testing.T) {
	var walk func(args []string)
	walk = func(args []string) {
		cmd, _, err := root().Find(args)
		if err != nil {
			t.Fatal(err)
		}
		out, _, err := anji(t, "", append(args, "--help")...)
		if err != nil || !strings.Contains(out, "Usage:") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		if cmd.Runnable() && cmd.Example == "" && cmd.Name() != "help" {
			t.Errorf("anji %s has no example", strings.Join(args, " "))
		}
		for _, sub := range cmd.Commands() {
			if sub.Name() != "help" && sub.Name() != "completion" {
				walk(append(args[:len(args):len(args)], sub.Name()))
			}
		}
	}
	walk(nil)
	if out, _, err := anji(t, "", "completion", "bash"); err != nil || !strings.Contains(out, "complete") {
		t.Errorf("completion: %v", err)
	}
}

// lineWriter hands on the lines that a command writes.
type lineWriter struct{ lines chan string }

func (w lineWriter) Write(b []byte) (int, error) {
	for _, l := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
		w.lines <- l
	}
	return len(b), nil
}

// TestDemo starts the demonstration, opens the page that explains the
// handbook's example, and ends it; then starts it again on the same data.
func TestDemo(t *testing.T) {
	data := t.TempDir()
	link := regexp.MustCompile(`http://[^ ]+/settlements/\S+`)
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	start := func(t *testing.T, each func(line string)) string {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		w := lineWriter{make(chan string, 100)}
		done := make(chan error, 1)
		go func() { done <- runDemo(ctx, w, io.Discard, "127.0.0.1:0", data, "", "", 50, time.Now); close(w.lines) }()
		base := ""
		for line := range w.lines {
			each(line)
			if a := address.FindString(line); a != "" {
				base = a
			}
			if strings.Contains(line, "Ctrl-C") {
				resp, err := http.Get(base + "/demo")
				if err != nil {
					t.Error(err)
				} else {
					body, _ := io.ReadAll(resp.Body)
					resp.Body.Close()
					if !strings.Contains(string(body), "老*") || strings.Contains(string(body), "990100198808080412") {
						t.Error("the page of settlements does not list the settlement, or shows an identity number")
					}
				}
				cancel()
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		return base
	}
	seen, page := "", ""
	start(t, func(line string) {
		seen += line + "\n"
		if u := link.FindString(line); u != "" && page == "" {
			page = u
			resp, err := http.Get(u)
			if err != nil {
				t.Error(err)
				return
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			for _, want := range []string{"6,560.00", "3,440.00", "1,300.00", "问题三十三"} {
				if !strings.Contains(string(body), want) {
					t.Errorf("the page does not say %s", want)
				}
			}
		}
	})
	for _, want := range []string{"老郭", "6560.00", "3440.00", "李济"} {
		if !strings.Contains(seen, want) {
			t.Errorf("the demonstration does not say %s:\n%s", want, seen)
		}
	}
	start(t, func(line string) {
		if link.MatchString(line) {
			t.Errorf("started again on the same data, it settles again: %s", line)
		}
	})
}
