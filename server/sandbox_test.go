package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/demo"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/his/hospital"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

const today civil.Date = 20250620

func now() time.Time { return today.Time().Add(10 * time.Hour) }

func sandboxConfig(t testing.TB, dir string) Config {
	t.Helper()
	store, err := policy.Load(policies.FS)
	if err != nil {
		t.Fatal(err)
	}
	return Config{Data: dir, Policies: store, Now: now}
}

func seeded(ctx context.Context, s *Server) error {
	_, err := demo.Seed(ctx, s.DB, s.Register, demo.Options{Today: today})
	return err
}

func openSandbox(t testing.TB, dir string) *Sandbox {
	t.Helper()
	s, err := OpenSandbox(context.Background(), sandboxConfig(t, dir), seeded)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// inspect proves the books of the current store and counts its settlements.
func inspect(t *testing.T, s *Sandbox) (settlements int) {
	t.Helper()
	g := s.enter()
	defer g.users.Done()
	ctx := context.Background()
	err := g.DB.View(ctx, func(tx *db.Tx) error {
		var err error
		if _, settlements, err = settlement.Counts(ctx, tx); err != nil {
			return err
		}
		return errors.Join(fund.Verify(ctx, tx), g.Settlement.Verify(ctx, tx))
	})
	if err != nil {
		t.Error(err)
	}
	return settlements
}

// databases are the database files in the folder.
func databases(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "anji*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		all[i] = filepath.Base(all[i])
	}
	return all
}

// TestResetUnderLoad resets while hospitals work. Every message is either done
// or refused for what the reset took away; none fails.
func TestResetUnderLoad(t *testing.T) {
	dir := t.TempDir()
	s := openSandbox(t, dir)
	web := httptest.NewServer(s)
	var settled, refused, failed atomic.Int64
	stop := make(chan struct{})
	var hospitals sync.WaitGroup
	for i := range 4 {
		h := &hospital.Hospital{Base: web.URL + "/his", Code: demo.Providers[i].Code, Name: demo.Providers[i].Name, Region: "990100", Operator: "1", Now: now}
		person := demo.People()[i]
		hospitals.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := h.SignIn(context.Background())
				if err == nil {
					_, err = h.Outpatient(context.Background(), person.CitizenID, person.Name, []hospital.Bill{{Item: "SVC990000001", Amount: "20.00"}})
				}
				switch {
				case err == nil:
					settled.Add(1)
				case strings.Contains(err.Error(), "签到编号"), strings.Contains(err.Error(), "人员编号 psn_no"), strings.Contains(err.Error(), "就诊ID mdtrt_id"):
					refused.Add(1)
				default:
					failed.Add(1)
					t.Error(err)
					return
				}
			}
		})
	}
	const resets = 8
	for range resets {
		before := settled.Load()
		for settled.Load() == before && failed.Load() == 0 { // let some work be done on each
			_ = inspect(t, s)
		}
		resp, err := http.Post(web.URL+"/sandbox/reset", "application/x-www-form-urlencoded", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("reset: %s", resp.Status)
		}
	}
	close(stop)
	hospitals.Wait()
	t.Logf("%d settled, %d refused", settled.Load(), refused.Load())
	last := inspect(t, s)
	if int64(last) >= settled.Load() {
		t.Errorf("%d settlements of %d are left after %d resets", last, settled.Load(), resets)
	}
	web.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := databases(t, dir); len(got) != 1 || got[0] != "anji.db" {
		t.Errorf("left in the folder: %v", got)
	}
	// What was there last is there again.
	s = openSandbox(t, dir)
	defer s.Close()
	if again := inspect(t, s); again != last {
		t.Errorf("%d settlements, %d when it was closed", again, last)
	}
}

// TestResetCrash opens the folder of a sandbox that was reset and then ended
// without being closed.
func TestResetCrash(t *testing.T) {
	dir := t.TempDir()
	s := openSandbox(t, dir)
	if err := s.Reset(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.leaving.Wait()
	settle(t, s)
	// A copy of the files, as a crash leaves them.
	crashed := t.TempDir()
	if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(crashed, "anji.reset-9.db"), []byte("half made"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = openSandbox(t, crashed)
	if n := inspect(t, s); n != 1 {
		t.Errorf("%d settlements", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := databases(t, crashed); len(got) != 1 {
		t.Errorf("left in the folder: %v", got)
	}
}

// settle makes one settlement.
func settle(t *testing.T, s *Sandbox) {
	t.Helper()
	web := httptest.NewServer(s)
	defer web.Close()
	h := &hospital.Hospital{Base: web.URL + "/his", Code: "H99010000201", Name: "示例区医院", Region: "990100", Operator: "1", Now: now}
	err := h.SignIn(context.Background())
	if err == nil {
		_, err = h.Outpatient(context.Background(), demo.LiJi, "李济", []hospital.Bill{{Item: "SVC990000001", Amount: "20.00"}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestResetFails shows that a reset that fails leaves all as it was.
func TestResetFails(t *testing.T) {
	dir := t.TempDir()
	fail := false
	s, err := OpenSandbox(context.Background(), sandboxConfig(t, dir), func(ctx context.Context, srv *Server) error {
		if fail {
			return errors.New("no seed today")
		}
		return seeded(ctx, srv)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	settle(t, s)
	before := databases(t, dir)
	fail = true
	if err := s.Reset(context.Background()); err == nil || !strings.Contains(err.Error(), "no seed today") {
		t.Errorf("reset: %v", err)
	}
	if n := inspect(t, s); n != 1 {
		t.Errorf("%d settlements", n)
	}
	if got := databases(t, dir); strings.Join(got, " ") != strings.Join(before, " ") {
		t.Errorf("before %v, after %v", before, got)
	}
	web := httptest.NewServer(s)
	defer web.Close()
	resp, err := http.Post(web.URL+"/sandbox/reset", "application/x-www-form-urlencoded", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusInternalServerError {
		t.Errorf("the page says %s", resp.Status)
	}
	fail = false
	if err := s.Reset(context.Background()); err != nil {
		t.Errorf("reset after a failure: %v", err)
	}
}

// TestOnlyInSandbox shows that a server that is no sandbox has none of it, even
// on made-up data.
func TestOnlyInSandbox(t *testing.T) {
	c := sandboxConfig(t, t.TempDir())
	c.Synthetic = true
	s, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for path, want := range map[string]int{"/policies": 200, "/sandbox": 404, "/sandbox/force": 404} {
		w := httptest.NewRecorder()
		s.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want || path == "/" && strings.Contains(w.Body.String(), "/sandbox") {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestSandboxOnNamedDatabase has no reset: only the folder's own file may be
// replaced.
func TestSandboxOnNamedDatabase(t *testing.T) {
	c := sandboxConfig(t, t.TempDir())
	c.Database = filepath.Join(t.TempDir(), "mine.db")
	s, err := OpenSandbox(context.Background(), c, seeded)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/sandbox/reset", nil))
	if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "不能在这里重置") {
		t.Errorf("%d", w.Code)
	}
}

// TestServeEnds ends a server on which a page follows the messages and an
// answer is held back: neither delays the end.
func TestServeEnds(t *testing.T) {
	s := openSandbox(t, t.TempDir())
	defer s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	base := "http://" + l.Addr().String()
	events, err := http.Get(base + "/sandbox/events")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	form := strings.NewReader("kind=timeout&count=1&seconds=300")
	if resp, err := http.Post(base+"/sandbox/force", "application/x-www-form-urlencoded", form); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	held := make(chan error, 1)
	go func() {
		_, err := http.Post(base+"/his", "application/json", strings.NewReader("{}"))
		held <- err
	}()
	for { // until the message is held
		resp, err := http.Get(base + "/sandbox/force")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "没有设置") {
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	if err := <-held; err == nil {
		t.Error("the held message was answered")
	}
}
