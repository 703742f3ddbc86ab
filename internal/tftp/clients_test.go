package tftp

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/netif/nettest"
)

// serveReal serves content as "loader.efi" on a UDP port of its own.
func serveReal(t testing.TB, address string, content []byte) (port string, done chan Transfer) {
	t.Helper()
	return serveRealBy(t, &Server{}, address, content)
}

func serveRealBy(t testing.TB, s *Server, address string, content []byte) (port string, done chan Transfer) {
	t.Helper()
	at, err := net.ResolveUDPAddr("udp4", address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.ListenUDP("udp4", at)
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan Transfer, 16)
	s.Done = func(x Transfer) {
		select {
		case done <- x:
		default: // a benchmark does not look
		}
	}
	s.Open = func(_ context.Context, r Request) (File, error) {
		if r.Name != "loader.efi" {
			return nil, fs.ErrNotExist
		}
		return Bytes(content), nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, c) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
		c.Close()
	})
	_, port, _ = net.SplitHostPort(c.LocalAddr().String())
	return port, done
}

func TestRealClients(t *testing.T) {
	for _, tt := range []struct{ name, command string }{
		{"tftp-hpa", "tftp -m binary 127.0.0.1 PORT -c get /loader.efi OUT"},
		{"atftp plain", "atftp -g -r loader.efi -l OUT 127.0.0.1 PORT"},
		{"atftp options", "atftp --option blksize:1400 --option tsize: --option windowsize:8 -g -r loader.efi -l OUT 127.0.0.1 PORT"},
		{"curl", "curl -sS --tftp-blksize 1468 -o OUT tftp://127.0.0.1:PORT/loader.efi"},
		{"curl plain", "curl -sS --tftp-no-options -o OUT tftp://127.0.0.1:PORT/loader.efi"},
	} {
		for _, single := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/single=%t", tt.name, single), func(t *testing.T) { fetchReal(t, tt.command, single) })
		}
	}
}

func fetchReal(t *testing.T, command string, single bool) {
	content := noise(3_000_001)
	port, done := serveRealBy(t, &Server{SinglePort: single}, "127.0.0.1:0", content)
	out := filepath.Join(t.TempDir(), "out")
	if text, err := runClient(t, command, port, out); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	got, err := os.ReadFile(out)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("fetched %d bytes, %v; want %d", len(got), err, len(content))
	}
	if x := <-done; x.Err != nil || x.Bytes != int64(len(content)) {
		t.Errorf("Done: %+v", x)
	}
}

// runClient runs a command in which a colon within an option stands for the
// blank that atftp wants there.
func runClient(t *testing.T, command, port, out string) ([]byte, error) {
	args := strings.Fields(command)
	nettest.Need(t, args[0])
	for i, a := range args {
		if i > 0 && args[i-1] == "--option" {
			a = strings.TrimSpace(strings.ReplaceAll(a, ":", " "))
		}
		args[i] = strings.ReplaceAll(strings.ReplaceAll(a, "PORT", port), "OUT", out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
}

func TestRealClientSeesErrors(t *testing.T) {
	nettest.Need(t, "tftp", "atftp")
	port, done := serveReal(t, "127.0.0.1:0", nil)
	out := filepath.Join(t.TempDir(), "out")
	text, _ := runClient(t, "tftp -m binary 127.0.0.1 PORT -c get other OUT", port, out)
	if !strings.Contains(string(text), "file not found") {
		t.Errorf("tftp says %q", text)
	}
	if x := <-done; x.Name != "other" {
		t.Errorf("Done: %+v", x)
	}
	text, _ = runClient(t, "atftp -p -l /etc/hostname -r loader.efi 127.0.0.1 PORT", port, out)
	if !strings.Contains(string(text), "read-only") {
		t.Errorf("atftp says %q", text)
	}
	if x := <-done; x.Err != ErrWrite {
		t.Errorf("Done: %+v", x)
	}
}

// A socket bound to every address must answer from the one that was asked.
func TestAnswersFromTheAddressAsked(t *testing.T) {
	nettest.Need(t, "curl")
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", "10.77.0.1/24")
	nettest.IP(t, "addr add 10.77.0.2/24 dev br0")
	peer := nettest.Join(t, "br0", "02:00:00:00:00:09", "10.77.0.9/24")
	port, done := serveReal(t, "0.0.0.0:0", noise(5000))
	for _, server := range []string{"10.77.0.1", "10.77.0.2"} {
		url := fmt.Sprintf("tftp://%s:%s/loader.efi", server, port)
		if out, err := peer.Command(t.Context(), "curl", "-sS", "-m", "5", "-o", "/dev/null", url).CombinedOutput(); err != nil {
			t.Fatalf("curl %s: %v: %s", url, err, out)
		}
		if x := <-done; x.Local != netip.MustParseAddr(server) || x.Client.Addr() != netip.MustParseAddr("10.77.0.9") {
			t.Errorf("Done: %+v, want local %s", x, server)
		}
	}
}

func BenchmarkFetch(b *testing.B) {
	for _, window := range []int{1, 16} {
		b.Run(fmt.Sprintf("window=%d", window), func(b *testing.B) {
			content := noise(1 << 20)
			port, _ := serveReal(b, "127.0.0.1:0", content)
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				fetchUDP(b, port, len(content), window)
			}
		})
	}
}

// fetchUDP is the least client that can fetch over a link without loss.
func fetchUDP(b *testing.B, port string, size, window int) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	server, _ := net.ResolveUDPAddr("udp4", "127.0.0.1:"+port)
	ask, _ := (&request{op: opRRQ, filename: "loader.efi", mode: "octet",
		options: []option{{"blksize", "1468"}, {"windowsize", fmt.Sprint(window)}}}).AppendBinary(nil)
	c.WriteTo(ask, server)
	buf := make([]byte, 2000)
	for got, blocks := 0, 0; ; {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			b.Fatal(err)
		}
		if buf[1] == opOACK {
			c.WriteTo([]byte{0, opACK, 0, 0}, from)
			continue
		}
		blocks++
		got += n - 4
		if n-4 < 1468 || blocks%window == 0 {
			c.WriteTo([]byte{0, opACK, buf[2], buf[3]}, from)
		}
		if n-4 < 1468 {
			if got != size {
				b.Fatalf("got %d bytes, want %d", got, size)
			}
			return
		}
	}
}
