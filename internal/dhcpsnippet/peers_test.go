package dhcpsnippet

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/sys/unix"

	"bootes.dev/internal/netif/nettest"
)

// client is firmware, or iPXE, that asks for an address.
type client struct {
	name    string
	options dhcpv4.Options
	file    string
	class   string // option 60 of the answer
}

const script = "http://10.77.0.3:8080/ipxe/${netX/mac:hexhyp}"

func pxe(arch byte, class string) dhcpv4.Options {
	return dhcpv4.Options{60: []byte(fmt.Sprintf("%s:Arch:%05d:UNDI:003016", class, arch)), 93: {0, arch}}
}

func with(o dhcpv4.Options, code uint8, v string) dhcpv4.Options {
	o[code] = []byte(v)
	return o
}

var clients = []client{
	{"BIOS", pxe(0, "PXEClient"), "undionly.kpxe", ""},
	{"UEFI x86-64", pxe(7, "PXEClient"), "snponly.efi", ""},
	{"UEFI x86-64 as type 9", pxe(9, "PXEClient"), "snponly.efi", ""},
	{"UEFI x86-64 by HTTP", pxe(16, "HTTPClient"), "http://10.77.0.3:8080/loader/snponly.efi", "HTTPClient"},
	{"UEFI arm64", pxe(11, "PXEClient"), "arm64.efi", ""},
	{"iPXE by user class", with(pxe(0, "PXEClient"), 77, "iPXE"), script, ""},
	{"iPXE by its own options", with(pxe(7, "PXEClient"), 175, "\xb0\x01\x01"), script, ""},
	{"no firmware", dhcpv4.Options{}, "", ""},
}

// Each server, started with its snippet, tells every kind of machine its own.
func TestServersUnderstand(t *testing.T) {
	nettest.Need(t, "dnsmasq", "kea-dhcp4", "dhcpd")
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", "10.77.0.1/24")
	for _, server := range []struct {
		name  string
		start func(t *testing.T, p *nettest.Peer, snippet string) *exec.Cmd
	}{
		{"dnsmasq", startDnsmasq}, {"kea", startKea}, {"isc", startISC},
	} {
		t.Run(server.name, func(t *testing.T) {
			text, err := Write(server.name, lab)
			if err != nil {
				t.Fatal(err)
			}
			peer := nettest.Join(t, "br0", "02:00:00:00:00:02", "10.77.0.2/24")
			log := filepath.Join(t.TempDir(), "log")
			run(t, server.start(t, peer, text), log)
			for i, c := range clients {
				offer := ask(t, byte(i), c, log)
				file := offer.BootFileName
				if o := offer.Options[67]; o != nil {
					file = string(o)
				}
				file = strings.TrimRight(file, "\x00") // dnsmasq ends it like the header's field
				if file != c.file || string(offer.Options[60]) != c.class {
					t.Errorf("%s is told to boot %q, option 60 %q; want %q, %q", c.name, file, offer.Options[60], c.file, c.class)
				}
				if c.file != "" && !offer.ServerIPAddr.Equal(net.IPv4(10, 77, 0, 1)) {
					t.Errorf("%s is told to boot from %s", c.name, offer.ServerIPAddr)
				}
			}
		})
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func startDnsmasq(t *testing.T, p *nettest.Peer, snippet string) *exec.Cmd {
	return p.Command(t.Context(), "dnsmasq", "--no-daemon", "--port=0", "--user=root", "--dhcp-range=10.77.0.50,10.77.0.60,1h",
		"--dhcp-leasefile=/dev/null", "--no-ping", "--pid-file=", "--conf-file="+write(t, "dnsmasq.conf", snippet))
}

func startKea(t *testing.T, p *nettest.Peer, snippet string) *exec.Cmd {
	dir := t.TempDir()
	cmd := p.Command(t.Context(), "kea-dhcp4", "-c", write(t, "kea.conf", `{ "Dhcp4": {
`+snippet+`
  "interfaces-config": { "interfaces": [ "eth0" ] },
  "lease-database": { "type": "memfile", "persist": false },
  "subnet4": [ { "subnet": "10.77.0.0/24", "pools": [ { "pool": "10.77.0.50 - 10.77.0.60" } ] } ]
} }`))
	cmd.Env = append(os.Environ(), "KEA_PIDFILE_DIR="+dir, "KEA_LOCKFILE_DIR="+dir)
	return cmd
}

func startISC(t *testing.T, p *nettest.Peer, snippet string) *exec.Cmd {
	dir := t.TempDir()
	leases := filepath.Join(dir, "leases")
	if err := os.WriteFile(leases, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	config := write(t, "dhcpd.conf", snippet+"\nping-check false;\nsubnet 10.77.0.0 netmask 255.255.255.0 { range 10.77.0.50 10.77.0.60; }\n")
	return p.Command(t.Context(), "dhcpd", "-4", "-f", "-d", "-cf", config, "-lf", leases, "-pf", filepath.Join(dir, "pid"), "eth0")
}

// run runs a server until the test ends.
func run(t *testing.T, cmd *exec.Cmd, log string) {
	t.Helper()
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

// ask sends DISCOVERs as a client until the server, which is just starting,
// answers.
func ask(t *testing.T, n byte, c client, log string) *dhcpv4.DHCPv4 {
	t.Helper()
	conn := clientSocket(t)
	defer conn.Close()
	d := &dhcpv4.DHCPv4{
		OpCode: dhcpv4.OpcodeBootRequest, HWType: 1, Flags: 0x8000, ClientHWAddr: net.HardwareAddr{2, 0, 0, 0, 1, n},
		TransactionID: dhcpv4.TransactionID{1, 2, 3, n}, Options: dhcpv4.Options{53: {1}, 55: {1, 3, 60, 66, 67}},
	}
	for code, v := range c.options {
		d.Options[code] = v
	}
	buf := make([]byte, 2048)
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); {
		if _, err := conn.WriteTo(d.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: 67}); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		for {
			length, _, err := conn.ReadFrom(buf)
			if err != nil {
				break
			}
			if m, err := dhcpv4.FromBytes(buf[:length]); err == nil && m.OpCode == dhcpv4.OpcodeBootReply && m.TransactionID == d.TransactionID {
				return m
			}
		}
	}
	said, _ := os.ReadFile(log)
	t.Fatalf("no offer for %s; the server says:\n%s", c.name, said)
	return nil
}

// clientSocket is port 68 on the bridge, from where broadcasts go out.
func clientSocket(t *testing.T) net.PacketConn {
	t.Helper()
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		ctl := c.Control(func(fd uintptr) {
			if err = unix.BindToDevice(int(fd), "br0"); err == nil {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
			}
		})
		if ctl != nil {
			return ctl
		}
		return err
	}}
	conn, err := lc.ListenPacket(context.Background(), "udp4", "0.0.0.0:68")
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
