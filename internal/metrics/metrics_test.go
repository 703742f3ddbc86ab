package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a storage that gives what it holds.
type fake struct {
	usage Usage
	err   error
	wait  chan struct{} // if not nil, Usage waits for it
	asked atomic.Int64
}

func (f *fake) Usage(ctx context.Context) (Usage, error) {
	f.asked.Add(1)
	if _, bounded := ctx.Deadline(); !bounded {
		return Usage{}, errors.New("asked without a deadline")
	}
	if f.wait != nil {
		<-f.wait
	}
	return f.usage, f.err
}

func newServer(f *fake) *Server {
	return New(Options{Storage: f, Refused: refused, IO: func() []IO { return nil }, Room: noRoom, Traffic: func() []Traffic { return nil }, Counters: NewCounters(), Version: "1.2", Log: slog.New(slog.DiscardHandler)})
}

func noRoom() (Room, error) { return Room{}, nil }

func refused() map[string]uint64 {
	return map[string]uint64{"authorization failure": 1, "authentication failure": 70}
}

func TestLogins(t *testing.T) {
	const want = `# HELP bootes_iscsi_logins_refused_total iSCSI logins that were refused or broken off, since the server's start.
# TYPE bootes_iscsi_logins_refused_total counter
bootes_iscsi_logins_refused_total{reason="authentication failure"} 70
bootes_iscsi_logins_refused_total{reason="authorization failure"} 1
`
	if err := testutil.CollectAndCompare(logins{refused}, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func full() *fake {
	return &fake{usage: Usage{
		Free: 3 << 30, Reserve: 2 << 30, Freeing: 4096, NearlyFull: true,
		Images: []Image{{Name: "debian:12", Virtual: 4 << 30, Own: 0}, {Name: "debian:13", Virtual: 8 << 30, Own: 1 << 30}},
		Volumes: []Volume{
			{ID: "pc1-1", Machine: "pc1", Mode: "persistent", Size: 4 << 30, Used: 900, Limit: 1000, Own: 8192, Open: true, NearlyFull: true, Warnings: 2},
			{ID: "pc2-1", Machine: "pc2", Mode: "ephemeral", Size: 8 << 30, Used: 4096, Own: 16384},
		},
	}}
}

const wantFull = `# HELP bootes_disk_free_bytes Free space on the file system of the data folder.
# TYPE bootes_disk_free_bytes gauge
bootes_disk_free_bytes 3.221225472e+09
# HELP bootes_disk_nearly_full 1 while the free space is less than twice the reserve.
# TYPE bootes_disk_nearly_full gauge
bootes_disk_nearly_full 1
# HELP bootes_disk_reserve_bytes Free space that volumes and images may never take (limits.min_free).
# TYPE bootes_disk_reserve_bytes gauge
bootes_disk_reserve_bytes 2.147483648e+09
# HELP bootes_freeing_bytes Space of removed images and volumes that is being freed.
# TYPE bootes_freeing_bytes gauge
bootes_freeing_bytes 4096
# HELP bootes_image_own_bytes Space that the removal of the image would free; what others stand on, too, is not in it.
# TYPE bootes_image_own_bytes gauge
bootes_image_own_bytes{image="debian:12"} 0
bootes_image_own_bytes{image="debian:13"} 1.073741824e+09
# HELP bootes_image_virtual_bytes Size of the image as a machine sees it.
# TYPE bootes_image_virtual_bytes gauge
bootes_image_virtual_bytes{image="debian:12"} 4.294967296e+09
bootes_image_virtual_bytes{image="debian:13"} 8.589934592e+09
# HELP bootes_volume_limit_bytes What the volume may hold beyond its image; absent without a limit.
# TYPE bootes_volume_limit_bytes gauge
bootes_volume_limit_bytes{machine="pc1",mode="persistent",volume="pc1-1"} 1000
# HELP bootes_volume_nearly_full 1 while the volume is near its limit (limits.warn).
# TYPE bootes_volume_nearly_full gauge
bootes_volume_nearly_full{machine="pc1",mode="persistent",volume="pc1-1"} 1
bootes_volume_nearly_full{machine="pc2",mode="ephemeral",volume="pc2-1"} 0
# HELP bootes_volume_open 1 while a machine or a command has the volume open.
# TYPE bootes_volume_open gauge
bootes_volume_open{machine="pc1",mode="persistent",volume="pc1-1"} 1
bootes_volume_open{machine="pc2",mode="ephemeral",volume="pc2-1"} 0
# HELP bootes_volume_own_bytes Space that the removal of the volume and its snapshots would free.
# TYPE bootes_volume_own_bytes gauge
bootes_volume_own_bytes{machine="pc1",mode="persistent",volume="pc1-1"} 8192
bootes_volume_own_bytes{machine="pc2",mode="ephemeral",volume="pc2-1"} 16384
# HELP bootes_volume_size_bytes Size of the volume as its machine sees it.
# TYPE bootes_volume_size_bytes gauge
bootes_volume_size_bytes{machine="pc1",mode="persistent",volume="pc1-1"} 4.294967296e+09
bootes_volume_size_bytes{machine="pc2",mode="ephemeral",volume="pc2-1"} 8.589934592e+09
# HELP bootes_volume_used_bytes What the volume holds beyond its image, as the limit counts it.
# TYPE bootes_volume_used_bytes gauge
bootes_volume_used_bytes{machine="pc1",mode="persistent",volume="pc1-1"} 900
bootes_volume_used_bytes{machine="pc2",mode="ephemeral",volume="pc2-1"} 4096
# HELP bootes_volume_warnings_total Warnings that the volume came near its limit, since the server's start.
# TYPE bootes_volume_warnings_total counter
bootes_volume_warnings_total{machine="pc1",mode="persistent",volume="pc1-1"} 2
bootes_volume_warnings_total{machine="pc2",mode="ephemeral",volume="pc2-1"} 0
`

func TestUsage(t *testing.T) {
	f := full()
	if err := testutil.CollectAndCompare(usage{f}, strings.NewReader(wantFull)); err != nil {
		t.Error(err)
	}
	if f.asked.Load() != 1 {
		t.Errorf("the storage was asked %d times", f.asked.Load())
	}
}

// A server without images and volumes has the four figures of its disk.
func TestUsageOfNothing(t *testing.T) {
	if n := testutil.CollectAndCount(usage{&fake{}}); n != 4 {
		t.Errorf("%d series of an empty server", n)
	}
}

func TestNamesAreAsTheFieldHasThem(t *testing.T) {
	problems, err := testutil.GatherAndLint(newServer(full()).registry)
	if err != nil || len(problems) != 0 {
		t.Error(problems, err)
	}
}

func scrape(t testing.TB, h http.Handler) (code int, text string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Code, w.Body.String()
}

func TestBuildGoAndProcess(t *testing.T) {
	code, text := scrape(t, newServer(full()))
	for _, want := range []string{
		`bootes_build_info{goversion="` + runtime.Version() + `",version="1.2"} 1`, "\ngo_goroutines ", "\nprocess_open_fds ", wantFull[:200],
	} {
		if code != 200 || !strings.Contains(text, want) {
			t.Errorf("status %d, no %q in\n%s", code, want, text)
		}
	}
}

// A storage that does not answer fails the scrape: no alert is silenced by
// what is missing.
func TestNoHalfAnswer(t *testing.T) {
	f := full()
	f.err = errors.New("list volumes: the store is stopping")
	code, text := scrape(t, newServer(f))
	if code != 500 || !strings.Contains(text, "list volumes: the store is stopping") || strings.Contains(text, "go_goroutines") {
		t.Errorf("status %d\n%s", code, text)
	}
	f.err = nil
	if code, text := scrape(t, newServer(f)); code != 200 {
		t.Errorf("recovered: status %d\n%s", code, text)
	}
}

// Two series of one name and labels would be a fault of ours: it is said.
func TestTwinsFailTheScrape(t *testing.T) {
	f := full()
	f.usage.Volumes = append(f.usage.Volumes, f.usage.Volumes[0])
	if code, text := scrape(t, newServer(f)); code != 500 || !strings.Contains(text, "was collected before with the same name and label values") {
		t.Errorf("status %d\n%s", code, text)
	}
}

// BenchmarkScrape is what a scrape of 1,000 volumes costs beside the storage's
// own work (storage.BenchmarkSpace).
func BenchmarkScrape(b *testing.B) {
	f := full()
	f.usage.Volumes = nil
	for i := range 1000 {
		id := fmt.Sprintf("pc%d", i)
		f.usage.Volumes = append(f.usage.Volumes, Volume{ID: id + "-0badcafe", Machine: id, Mode: "persistent", Size: 1 << 40, Used: int64(i) << 12, Limit: 1 << 30})
	}
	s := newServer(f)
	for b.Loop() {
		w := httptest.NewRecorder()
		w.Body = nil
		s.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		if w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}
