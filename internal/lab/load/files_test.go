package load

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bootes.dev/internal/httpboot"
	"bootes.dev/internal/tftp"
)

// words makes a file and returns the folder that it is in.
func words(t *testing.T, size int64) string {
	t.Helper()
	dir := t.TempDir()
	if err := WriteWords(filepath.Join(dir, "words"), size); err != nil {
		t.Fatal(err)
	}
	return dir
}

func serveTFTP(t *testing.T, dir string) (server string) {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := &tftp.Server{Open: func(_ context.Context, r tftp.Request) (tftp.File, error) {
		f, err := os.Open(filepath.Join(dir, r.Name))
		if err != nil {
			return nil, err
		}
		return tftp.OSFile(f)
	}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, c) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		c.Close()
	})
	return c.LocalAddr().String()
}

func TestTFTPClients(t *testing.T) {
	const size = 100_001
	server := serveTFTP(t, words(t, size))
	for _, window := range []int{1, 16} {
		r, err := Run(t.Context(), Job{Seconds: 0.1, TFTP: &TFTP{Server: server, Name: "words", Size: size, Block: 1468, Window: window, Clients: 3}})
		if err != nil || r.TFTP.Ops == 0 || r.TFTP.Bytes < r.TFTP.Ops/2*size {
			t.Errorf("window %d: %+v, %v", window, r.TFTP, err)
		}
	}
	r, err := Run(t.Context(), Job{Server: os.Getpid(), TFTP: &TFTP{Server: server, Name: "words", Size: size, Block: 512, Window: 1, Clients: 300, Once: true}})
	if err != nil || r.TFTP.Ops != 300 || r.TFTP.Bytes != 300*size || r.TFTP.Peak == 0 {
		t.Errorf("once: %+v, %v", r.TFTP, err)
	}
	_, err = Run(t.Context(), Job{TFTP: &TFTP{Server: server, Name: "none", Block: 512, Window: 1, Clients: 1, Once: true}})
	if err == nil || !strings.Contains(err.Error(), `server says: error 1 "file not found`) {
		t.Errorf("no such file: %v", err)
	}
	wrong := t.TempDir()
	if err := os.WriteFile(filepath.Join(wrong, "words"), make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Run(t.Context(), Job{TFTP: &TFTP{Server: serveTFTP(t, wrong), Name: "words", Size: size, Block: 512, Window: 1, Clients: 1, Once: true}})
	if err == nil || err.Error() != "word 127 of the file is 0" {
		t.Errorf("wrong content: %v", err)
	}
}

func TestHTTPClients(t *testing.T) {
	const size = 300_001
	root, err := os.OpenRoot(words(t, size))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	e := listen(t, httpboot.New(httpboot.Options{Mirrors: map[string]*os.Root{"m": root}, Log: slog.New(slog.DiscardHandler)}).Serve)
	r, err := Run(t.Context(), Job{Seconds: 0.1, HTTP: &HTTP{Server: e.Portal, Path: "/files/m/words", Size: size, Clients: 5}})
	if err != nil || r.HTTP.Ops == 0 || r.HTTP.Bytes == 0 {
		t.Errorf("%+v, %v", r.HTTP, err)
	}
	_, err = Run(t.Context(), Job{Seconds: 0.1, HTTP: &HTTP{Server: e.Portal, Path: "/files/m/none", Size: size, Clients: 1}})
	if err == nil || !strings.Contains(err.Error(), "GET /files/m/none: 404 Not Found") {
		t.Errorf("no such file: %v", err)
	}
}
