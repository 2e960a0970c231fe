// Package cluster starts throwaway PostgreSQL servers from the programs that
// are installed, for tests and measurements. A server lives in a folder of its
// own and listens on a socket there and nowhere else.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"syscall"
)

// ErrNotInstalled says that no PostgreSQL server is installed.
var ErrNotInstalled = errors.New("no PostgreSQL server is installed (on Debian: the package postgresql)")

// Cluster is a PostgreSQL server.
type Cluster struct {
	Dir string // of its data and socket
	bin string
	as  *syscall.Credential // whom it runs as; nil: us
}

// Options say how a server keeps data.
type Options struct {
	// Careless gives up what survives a crash, for tests of other things.
	Careless bool
}

// bin finds the folder of the newest installed server's programs.
func bin() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	sort.Slice(found, func(i, j int) bool { return major(found[i]) > major(found[j]) })
	if len(found) > 0 {
		return filepath.Dir(found[0]), nil
	}
	if p, err := exec.LookPath("initdb"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			return filepath.Dir(p), nil
		}
	}
	return "", ErrNotInstalled
}

func major(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// Start makes a server in a new temporary folder and starts it. The error is
// ErrNotInstalled if there is no server to start.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	programs, err := bin()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "anji-pg-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{Dir: dir, bin: programs}
	if err := c.start(ctx, o); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, o Options) error {
	if os.Getuid() == 0 {
		// The server refuses to run as root.
		who, err := user.Lookup("postgres")
		if err != nil {
			who, err = user.Lookup("nobody")
		}
		if err != nil {
			return err
		}
		uid, _ := strconv.Atoi(who.Uid)
		gid, _ := strconv.Atoi(who.Gid)
		c.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(c.Dir, uid, gid); err != nil {
			return err
		}
	}
	if err := c.run(ctx, "initdb", "-D", c.data(), "-U", "anji", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"); err != nil {
		return err
	}
	settings := "listen_addresses = ''\nunix_socket_directories = '" + c.Dir + "'\nmax_connections = 100\nshared_buffers = 256MB\nmax_wal_size = 4GB\n"
	if o.Careless {
		settings += "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
	}
	f, err := os.OpenFile(filepath.Join(c.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(settings)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return c.Up(ctx)
}

func (c *Cluster) data() string { return filepath.Join(c.Dir, "data") }

func (c *Cluster) run(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, program), args...)
	cmd.Dir = c.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as}
	cmd.Env = append(os.Environ(), "PGHOST="+c.Dir, "PGUSER=anji", "LC_ALL=C")
	// Its output goes to a file: a server that it starts keeps it open.
	log, err := os.CreateTemp(c.Dir, program+"-*.log")
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(log.Name())
		return fmt.Errorf("%s: %w: %s", program, err, said)
	}
	return nil
}

// Up starts the server when it is down.
func (c *Cluster) Up(ctx context.Context) error {
	return c.run(ctx, "pg_ctl", "-D", c.data(), "-w", "-t", "60", "start")
}

// Down stops the server: as the machine would that loses its power, or in
// order.
func (c *Cluster) Down(ctx context.Context, crash bool) error {
	mode := "fast"
	if crash {
		mode = "immediate"
	}
	return c.run(ctx, "pg_ctl", "-D", c.data(), "-w", "-m", mode, "stop")
}

// URL is the address of a database of the server.
func (c *Cluster) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("anji"), Path: "/" + database, RawQuery: url.Values{"host": {c.Dir}}.Encode()}
	return u.String()
}

// Create makes an empty database and gives its address.
func (c *Cluster) Create(ctx context.Context, database string) (string, error) {
	return c.URL(database), c.run(ctx, "createdb", database)
}

// Bench runs pgbench's simple-update transactions, which ship with PostgreSQL,
// and gives its output.
func (c *Cluster) Bench(ctx context.Context, clients int, seconds int) (string, error) {
	if _, err := c.Create(ctx, "pgbench"); err != nil {
		return "", err
	}
	if err := c.run(ctx, "pgbench", "-i", "-s", "10", "-q", "pgbench"); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "pgbench"), "-N", "-M", "prepared", "-c", strconv.Itoa(clients), "-j", "2", "-T", strconv.Itoa(seconds), "pgbench")
	cmd.Dir = c.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as}
	cmd.Env = append(os.Environ(), "PGHOST="+c.Dir, "PGUSER=anji")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Close stops the server and removes its folder.
func (c *Cluster) Close() error {
	return errors.Join(c.Down(context.Background(), true), os.RemoveAll(c.Dir))
}
