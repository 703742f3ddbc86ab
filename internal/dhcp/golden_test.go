package dhcp

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

// TestGolden replays captured client packets and compares our answers, field
// by field. A file has a mode line, then per packet "> from to port", its
// bytes, and the answer in lines that start with "<".
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			old, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(old))
			if *update {
				os.WriteFile(f, []byte(got), 0o644)
			} else if got != string(old) {
				t.Errorf("answers differ (-update writes them):\n%s", got)
			}
		})
	}
}

// replay returns the file's text with the answers that we give now.
func replay(t *testing.T, file string) string {
	var out strings.Builder
	var l *link
	var in *datagram
	flush := func() {
		if in != nil {
			p, to := ask(t, l, *in)
			out.WriteString(render(p, to))
		}
		in = nil
	}
	for line := range strings.Lines(file) {
		f := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "<"):
			continue
		case strings.HasPrefix(line, "mode "):
			l = goldenLink(f[1])
		case strings.HasPrefix(line, "> "):
			flush()
			n, _ := strconv.Atoi(f[3])
			in = &datagram{from: netip.MustParseAddrPort(f[1]), to: ip(f[2]), port: n}
		case in != nil:
			in.data = append(in.data, unhex(t, line)...)
		}
		out.WriteString(line)
	}
	flush()
	return out.String()
}

func goldenLink(mode string) *link {
	machines := &memory{machines: map[string]Decision{
		"52:54:00:00:00:01": {Machine: "pc1", Hostname: "pc1", Serve: true, Boot: true, Filename: "undionly.kpxe"},
	}}
	if mode == "server" {
		return testLink(serverConfig(), machines, newPool())
	}
	return testLink(InterfaceConfig{Name: "br0", Mode: ModeProxy}, machines, nil)
}

// render shows an answer, one field a line; fields that are zero are left out.
func render(p *dhcpv4.DHCPv4, to netip.AddrPort) string {
	if p == nil {
		return "< silence\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "< to %s, flags %04x\n", to, p.Flags)
	for _, f := range []struct{ name, value string }{
		{"ciaddr", p.ClientIPAddr.String()}, {"yiaddr", p.YourIPAddr.String()}, {"siaddr", p.ServerIPAddr.String()},
		{"giaddr", p.GatewayIPAddr.String()}, {"sname", p.ServerHostName}, {"file", p.BootFileName},
	} {
		if f.value != "" && f.value != "0.0.0.0" {
			fmt.Fprintf(&b, "<   %s %s\n", f.name, f.value)
		}
	}
	var codes []int
	for c := range p.Options {
		codes = append(codes, int(c))
	}
	sort.Ints(codes)
	for _, c := range codes {
		v := p.Options[uint8(c)]
		fmt.Fprintf(&b, "<   %d: % x", c, v)
		if printable(v) {
			fmt.Fprintf(&b, " %q", v)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func printable(v []byte) bool {
	for _, c := range v {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return len(v) > 2
}
