package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"bootes.dev/internal/api"
)

// TestMetricsOfARealServer scrapes on the API's socket what an admin has done.
func TestMetricsOfARealServer(t *testing.T) {
	w := newWired(t)
	_, err := w.Import(t.Context(), w.file(bytes.Repeat([]byte("a"), 1<<20)), api.ImportRequest{Ref: "debian:12", Source: "a.raw"}, nil)
	w.ok(err)
	v := w.machine("pc01", "52:54:00:00:00:01", "debian:12")
	w.write(v.ID, bytes.Repeat([]byte("x"), 4096), 0)
	_, err = w.storage.SetLimit(t.Context(), v.ID, 4096)
	w.ok(err)
	text := w.scrape()
	labels := fmt.Sprintf(`{machine="pc01",mode="persistent",volume=%q}`, v.ID)
	for _, want := range []string{
		"bootes_build_info{goversion=", "bootes_disk_reserve_bytes 1.048576e+06\n", "bootes_disk_nearly_full 0\n", "bootes_freeing_bytes 0\n",
		`bootes_image_virtual_bytes{image="debian:12"} 1.048576e+06`,
		"bootes_volume_size_bytes" + labels + " 1.048576e+06\n", "bootes_volume_used_bytes" + labels + " 4096\n",
		"bootes_volume_limit_bytes" + labels + " 4096\n", "bootes_volume_open" + labels + " 0\n",
		"bootes_volume_nearly_full" + labels + " 1\n", "bootes_volume_warnings_total" + labels + " 0\n",
		"\nbootes_machines 1\n", "\nbootes_machines_stalled 0\n", "\nbootes_journal_sync_seconds_count ", "\netcd_disk_wal_fsync_duration_seconds_count ", "\netcd_mvcc_db_total_size_in_bytes ",
		"\ngo_goroutines ", "\nprocess_resident_memory_bytes ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	w.ok(w.RemoveVolume(t.Context(), v.ID))
	if strings.Contains(w.scrape(), v.ID) {
		t.Error("a volume that is gone is told of still")
	}
	if t.Failed() {
		t.Log(text)
	}
}

func (w *wired) scrape() string {
	w.t.Helper()
	c := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", w.socket)
		},
	}}
	r, err := c.Get("http://bootes/metrics")
	w.ok(err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	w.ok(err)
	if r.StatusCode != http.StatusOK {
		w.t.Fatalf("status %d: %s", r.StatusCode, b)
	}
	return string(b)
}

// What metrics: in the config names may be taken, or be no address of ours.
func TestListenTCPRefuses(t *testing.T) {
	l, err := listenTCP(netip.MustParseAddrPort("127.0.0.1:0"), "metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at := l.Addr().(*net.TCPAddr).AddrPort()
	_, err = listenTCP(at, "metrics")
	want := fmt.Sprintf("tcp port %d is taken by bootes.test (pid %d): stop that program, or set another metrics in the config", at.Port(), os.Getpid())
	if !errors.Is(err, syscall.EADDRINUSE) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	_, err = listenTCP(netip.MustParseAddrPort("192.0.2.1:9660"), "metrics")
	want = "open tcp port 9660 (metrics in the config): listen tcp4 192.0.2.1:9660: bind: cannot assign requested address"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
