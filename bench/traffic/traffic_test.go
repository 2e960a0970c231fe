package traffic

import (
	"context"
	"testing"
	"time"

	"github.com/anji-platform/anji/db/dbtest"
	"github.com/anji-platform/anji/policies"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/server"
)

func open1(t testing.TB) *server.Server {
	t.Helper()
	s, err := openAt(t.TempDir(), dbtest.Location(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func openAt(dir, location string) (*server.Server, error) {
	store, err := policy.Load(policies.FS)
	if err != nil {
		return nil, err
	}
	return server.Open(context.Background(), server.Config{Data: dir, Database: location, Policies: store, Synthetic: true})
}

func TestStore(t *testing.T) {
	f, err := Store(context.Background(), open1(t), Options{Clients: 4, Duration: 300 * time.Millisecond, People: 200, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", f)
}

func BenchmarkStore(b *testing.B) {
	f, err := Store(context.Background(), open1(b), Options{Clients: 16, Duration: 3 * time.Second, People: 2000, Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(f.PerSecond, "settlements/s")
	b.ReportMetric(float64(f.P99.Microseconds()), "p99-µs")
	b.ReportMetric(f.AllocsPer, "allocs/settlement")
	b.ReportMetric(float64(f.CPUPer.Microseconds()), "cpu-µs/settlement")
	b.ReportMetric(0, "ns/op")
}

func TestHTTP(t *testing.T) {
	f, err := HTTP(context.Background(), open1(t), Options{Clients: 4, Duration: 300 * time.Millisecond, People: 200, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", f)
}

func BenchmarkHTTP(b *testing.B) {
	f, err := HTTP(context.Background(), open1(b), Options{Clients: 16, Duration: 3 * time.Second, People: 2000, Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(f.PerSecond, "settlements/s")
	b.ReportMetric(float64(f.P99.Microseconds()), "p99-µs")
	b.ReportMetric(f.AllocsPer, "allocs/settlement")
	b.ReportMetric(float64(f.CPUPer.Microseconds()), "cpu-µs/settlement")
	b.ReportMetric(0, "ns/op")
}
