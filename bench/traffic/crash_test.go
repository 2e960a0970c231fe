package traffic

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/db/cluster"
	"github.com/anji-platform/anji/db/dbtest"
)

// TestMain runs the tests or, in a process that a crash test started, the
// server that is to be killed.
func TestMain(m *testing.M) {
	if location := os.Getenv("ANJI_CRASH_DB"); location != "" {
		if err := victim(os.Getenv("ANJI_CRASH_DATA"), location); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	dbtest.Main(m)
}

// victim serves until it is killed: by the test, or by itself when it reaches
// the point of a commit's path for the nth time.
func victim(data, location string) error {
	point, n, _ := strings.Cut(os.Getenv("ANJI_CRASH_AT"), "#")
	count, _ := strconv.ParseInt(n, 10, 64)
	var reached atomic.Int64
	if point != "" {
		db.AtPoint(func(p string) {
			if p == point && reached.Add(1) == count {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		})
	}
	s, err := openAt(data, location)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return s.Serve(context.Background(), l)
}

// A process is a running victim.
type process struct {
	cmd     *exec.Cmd
	address string
	ended   chan struct{}
}

func run(t *testing.T, data, location, at string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ANJI_CRASH_DB="+location, "ANJI_CRASH_DATA="+data, "ANJI_CRASH_AT="+at)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server did not start: %v", err)
	}
	p.address = strings.TrimSpace(line)
	go func() { _ = cmd.Wait(); close(p.ended) }()
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// sent is a message and the reply that came, nil if none did.
type sent struct{ message, reply []byte }

// journals are what clients sent, oldest first.
type journals struct {
	mu  sync.Mutex
	all [][]sent
}

// writes reports whether a message is of a transaction that writes, whose
// reply is remembered.
func writes(message []byte) bool {
	switch Field(message, "infno") {
	case "2206", "2303", "1101":
		return false
	}
	return true
}

func rounds(short int) int {
	if n, err := strconv.Atoi(os.Getenv("ANJI_CRASH_ROUNDS")); err == nil {
		return n
	}
	return short
}

// TestKilled kills the server under load, at named points of the commit and at
// random moments, again and again. Each time the records agree, every
// acknowledged settlement is there, and whoever repeats a message gets the
// first answer.
func TestKilled(t *testing.T) {
	data := t.TempDir()
	var location string
	if dbtest.Postgres() {
		c := startCluster(t)
		var err error
		if location, err = c.Create(context.Background(), "crash"); err != nil {
			t.Fatal(err)
		}
	} else {
		location = filepath.Join(data, "anji.db")
	}
	w := seed(t, data, location)
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	var j journals
	j.all = make([][]sent, 4)
	clients := make([]*Client, len(j.all))
	for i := range clients {
		clients[i] = NewClient("", i)
		clients[i].told = func(message, reply []byte) {
			j.mu.Lock()
			j.all[i] = append(j.all[i], sent{bytes.Clone(message), bytes.Clone(reply)})
			j.mu.Unlock()
		}
	}
	points := []string{"work done", "before commit", "after commit"}
	total, acked := rounds(9), 0
	for round := range total {
		at := ""
		if k := r.IntN(len(points) + 1); k < len(points) {
			at = fmt.Sprintf("%s#%d", points[k], 1+r.IntN(60))
		}
		p := run(t, data, location, at)
		var wg sync.WaitGroup
		for i, c := range clients {
			c.dial(p.address)
			seed := r.Uint64() + uint64(i)
			wg.Go(func() { w.untilLost(t, c, seed) })
		}
		timer := time.AfterFunc(time.Duration(20+r.IntN(250))*time.Millisecond, func() { _ = p.cmd.Process.Kill() })
		wg.Wait()
		timer.Stop()
		p.kill()

		p = run(t, data, location, "")
		acked = 0
		for i, c := range clients {
			c.dial(p.address)
			acked += repeat(t, c, &j, i)
		}
		p.kill()
		check(t, data, location, &j)
		if t.Failed() {
			t.Fatalf("round %d of %d, killed at %q", round+1, total, at)
		}
	}
	t.Logf("killed %d times, %d acknowledged settlements, all there", total, acked)
}

// seed makes the people and signs the clients' operators in.
func seed(t *testing.T, data, location string) *world {
	t.Helper()
	s, err := openAt(data, location)
	if err != nil {
		t.Fatal(err)
	}
	w, err := open(context.Background(), s, Options{People: 60, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return w
}

// dial makes the client talk to another address.
func (c *Client) dial(address string) {
	fresh := NewClient(address, c.id)
	c.http.CloseIdleConnections()
	c.http, c.url = fresh.http, fresh.url
}

// untilLost makes visits until the server is gone.
func (w *world) untilLost(t *testing.T, c *Client, seed uint64) {
	p := &planner{w, rand.New(rand.NewPCG(seed, 2)), nil}
	p.zipf = rand.NewZipf(p.r, 1.1, 10, uint64(len(w.people)-1))
	signed := map[string]bool{}
	for {
		v := p.next()
		var err error
		if !signed[v.provider] {
			err = c.SignIn(v.provider)
			signed[v.provider] = true
		}
		if err == nil {
			_, err = c.visit(&v)
		}
		if err == nil {
			continue
		}
		// A stay that was lost stays open, and the person cannot be admitted
		// again there.
		if !errors.Is(err, ErrRefused) {
			return
		}
		if !strings.Contains(err.Error(), "未结算的住院") {
			t.Errorf("client %d: %v", c.id, err)
			return
		}
	}
}

// repeat sends a client's last messages again, those without an answer and
// some with one, and says how many settlements were acknowledged.
func repeat(t *testing.T, c *Client, j *journals, i int) (acked int) {
	t.Helper()
	told := c.told
	c.told = nil
	defer func() { c.told = told }()
	all := j.all[i]
	for k := max(0, len(all)-12); k < len(all); k++ {
		m := &all[k]
		if !writes(m.message) {
			continue
		}
		reply, err := c.Send(m.message)
		switch {
		case err != nil && !errors.Is(err, ErrRefused):
			t.Fatalf("the message was not answered when it was repeated: %v", err)
		case m.reply == nil:
			// Now it is done, or says why it cannot be.
			m.reply = bytes.Clone(reply)
		case bytes.HasPrefix(m.reply, []byte(`{"infcode":0,`)) && !bytes.Equal(reply, m.reply):
			t.Errorf("a repeated message was answered otherwise:\n%s\n%s", m.reply, reply)
		}
	}
	for _, m := range all {
		if n := Field(m.message, "infno"); (n == "2207" || n == "2304") && bytes.HasPrefix(m.reply, []byte(`{"infcode":0,`)) {
			acked++
		}
	}
	return acked
}

// check opens the store and proves that everything agrees and is there.
func check(t *testing.T, data, location string, j *journals) {
	t.Helper()
	s, err := openAt(data, location)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx := context.Background()
	there := map[string]string{}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		err := tx.Each(ctx, func(rows *db.Rows) error {
			var id, visit string
			err := rows.Scan(&id, &visit)
			there[id] = visit
			return err
		}, `SELECT id, visit FROM settlement`)
		if err != nil {
			return err
		}
		return s.Settlement.Verify(ctx, tx)
	})
	if err != nil {
		t.Error(err)
	}
	known := 0
	for _, all := range j.all {
		for _, m := range all {
			n := Field(m.message, "infno")
			if n != "2207" && n != "2304" || !bytes.HasPrefix(m.reply, []byte(`{"infcode":0,`)) {
				continue
			}
			known++
			if there[Field(m.reply, "setl_id")] != Field(m.message, "mdtrt_id") {
				t.Errorf("an acknowledged settlement is lost: %s", m.reply)
			}
		}
	}
	if known != len(there) {
		t.Errorf("%d settlements are in the store, the clients know of %d", len(there), known)
	}
}

func startCluster(t *testing.T) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(context.Background(), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// TestDatabaseRestarts stops PostgreSQL under load, as a crash does, and starts
// it again: the server goes on, and nothing is lost or done twice.
func TestDatabaseRestarts(t *testing.T) {
	if !dbtest.Postgres() {
		t.Skip("SQLite has no server")
	}
	ctx, data := context.Background(), t.TempDir()
	c := startCluster(t)
	location, err := c.Create(ctx, "crash")
	if err != nil {
		t.Fatal(err)
	}
	w := seed(t, data, location)
	var j journals
	j.all = make([][]sent, 4)
	p := run(t, data, location, "")
	defer p.kill()
	for round := range rounds(3) {
		var stop atomic.Bool
		var wg sync.WaitGroup
		for i := range j.all {
			wg.Go(func() {
				cl := NewClient(p.address, 10*round+i)
				cl.told = func(message, reply []byte) {
					j.mu.Lock()
					j.all[i] = append(j.all[i], sent{bytes.Clone(message), bytes.Clone(reply)})
					j.mu.Unlock()
				}
				plans := w.planner(100*round + i)
				signed := map[string]bool{}
				for !stop.Load() {
					v := plans.next()
					if !signed[v.provider] {
						signed[v.provider] = cl.SignIn(v.provider) == nil
						continue
					}
					_, _ = cl.visit(&v) // a visit may fail while the database is away
				}
			})
		}
		if err := c.Down(ctx, true); err != nil {
			t.Fatal(err)
		}
		if err := c.Up(ctx); err != nil {
			t.Fatal(err)
		}
		stop.Store(true)
		wg.Wait()
		for i := range j.all {
			cl := NewClient(p.address, 1)
			again(t, cl, j.all[i])
		}
		check(t, data, location, &j)
	}
}

// again repeats every message that was not answered or whose answer was that
// the system could not.
func again(t *testing.T, c *Client, all []sent) {
	t.Helper()
	for k := range all {
		m := &all[k]
		if m.reply != nil && !bytes.Contains(m.reply, []byte("系统暂时无法处理")) || !writes(m.message) {
			continue
		}
		reply, err := c.Send(m.message)
		if err != nil && !errors.Is(err, ErrRefused) && !errors.Is(err, io.EOF) {
			t.Fatalf("not answered when it was repeated: %v", err)
		}
		m.reply = bytes.Clone(reply)
	}
}

// TestDiskFull fills the database under load: what does not fit is refused
// whole, and done when there is room again.
func TestDiskFull(t *testing.T) {
	if dbtest.Postgres() {
		t.Skip("a full PostgreSQL cannot be made without a file system of its own")
	}
	ctx, data := context.Background(), t.TempDir()
	location := filepath.Join(data, "anji.db")
	w := seed(t, data, location)
	s, err := openAt(data, location)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- s.Serve(serving, l) }()
	limit := func(query string) {
		t.Helper()
		err := s.DB.Update(ctx, func(tx *db.Tx) error {
			return tx.Each(ctx, func(*db.Rows) error { return nil }, query)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var pages int
	if err := s.DB.View(ctx, func(tx *db.Tx) error { return tx.QueryRow(ctx, `PRAGMA page_count`).Scan(&pages) }); err != nil {
		t.Fatal(err)
	}
	limit(fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+40))
	var j journals
	j.all = make([][]sent, 3)
	var refused atomic.Int64
	var wg sync.WaitGroup
	for i := range j.all {
		wg.Go(func() {
			c := NewClient(l.Addr().String(), i)
			c.told = func(message, reply []byte) {
				j.all[i] = append(j.all[i], sent{bytes.Clone(message), bytes.Clone(reply)})
			}
			plans := w.planner(i)
			for refused.Load() < 20 {
				v := plans.next()
				err := c.SignIn(v.provider)
				if err == nil {
					_, err = c.visit(&v)
				}
				if err != nil {
					refused.Add(1)
				}
			}
		})
	}
	wg.Wait()
	limit(`PRAGMA max_page_count = 1000000`)
	c := NewClient(l.Addr().String(), 9)
	done := 0
	for i := range j.all {
		again(t, c, j.all[i])
		for _, m := range j.all[i] {
			if bytes.HasPrefix(m.reply, []byte(`{"infcode":0,`)) {
				done++
			}
		}
	}
	t.Logf("%d messages were done, %d visits met a full disk", done, refused.Load())
	stop()
	if err := errors.Join(<-served, s.Close()); err != nil {
		t.Error(err)
	}
	check(t, data, location, &j)
}
