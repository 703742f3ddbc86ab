//go:build e2e

// Package e2e boots computers without disks for real, under SeaBIOS and OVMF,
// and asks in the guests whether Boötes did its job.
package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/lab"
	"bootes.dev/internal/lab/site"
	"bootes.dev/internal/recorder"
)

const imageRef = "debian:12"

// serverMode is the config of most tests: a network of our own.
const serverMode = `
  - name: br0
    dhcp: server
    range: 10.77.0.100-10.77.0.199
`

// proxyMode stands beside another DHCP server.
const proxyMode = `
  - name: br0
    dhcp: proxy
`

var (
	program string // the bootes binary under test
	golden  string // path of the lab's golden image
)

func TestMain(m *testing.M) {
	code, err := setUp(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func setUp(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "bootes-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "bootes")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/bootes").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build bootes: %w: %s", err, out)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	golden, err = site.GoldenImage(ctx, func(stage string, done, total int) {
		fmt.Printf("golden image: %d of %d: %s\n", done, total, stage)
	})
	if err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// fixture is a running server with the golden image imported.
type fixture struct {
	*site.Site
	t       *testing.T
	dataDir string
}

// newFixture starts a server with the given interfaces: section.
func newFixture(t *testing.T, interfaces string) *fixture {
	t.Helper()
	lab.Require(t, "qemu-system-x86_64", "mmdebstrap", "qemu-img")
	f := prepare(t, interfaces)
	f.serve()
	f.cli("image", "import", imageRef, golden, "--identity")
	return f
}

// prepare makes the network and the config file but starts nothing.
func prepare(t *testing.T, interfaces string) *fixture {
	t.Helper()
	return prepareIn(t, lab.DefaultServer, interfaces)
}

// prepareIn is prepare for a server with that address.
func prepareIn(t *testing.T, server netip.Prefix, interfaces string) *fixture {
	t.Helper()
	f := &fixture{t: t, dataDir: t.TempDir()} // first, so that it goes last
	n := lab.New(t, lab.NetOptions{Server: server})
	config := n.Path("bootes.yaml")
	socket := n.Path("bootes.sock")
	text := fmt.Sprintf("data: %s\napi: {socket: %s, group: root}\ninterfaces:%s", f.dataDir, socket, interfaces)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f.Site = &site.Site{Net: n, Options: site.Options{Program: program, Config: config, Socket: socket}}
	t.Cleanup(func() {
		if t.Failed() {
			if b, err := os.ReadFile(n.Path("bootes.log")); err == nil {
				t.Logf("server's log:\n%s", b)
			}
		}
	})
	return f
}

func (f *fixture) serve() {
	f.t.Helper()
	if err := f.Serve(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// end ends the server: SIGKILL as a crash would, SIGTERM in good order.
func (f *fixture) end(by syscall.Signal) {
	f.t.Helper()
	if err := f.Server().Signal(by); err != nil {
		f.t.Fatal(err)
	}
	select {
	case <-f.Server().Done():
	case <-time.After(time.Minute):
		f.t.Fatalf("the server does not end by %s", by)
	}
}

// logged is how often the server's log says something.
func (f *fixture) logged(text string) int {
	f.t.Helper()
	b, err := os.ReadFile(f.Net.Path("bootes.log"))
	if err != nil {
		f.t.Fatal(err)
	}
	return strings.Count(string(b), text)
}

// cli runs a bootes command that must succeed.
func (f *fixture) cli(args ...string) string {
	f.t.Helper()
	out, err := f.CLI(f.t.Context(), args...)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

func (f *fixture) json(into any, args ...string) {
	f.t.Helper()
	if err := f.JSON(f.t.Context(), into, args...); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) machine(name string) (m api.Machine) {
	f.t.Helper()
	f.json(&m, "machine", "show", name)
	return m
}

// volume is the only volume of a machine.
func (f *fixture) volume(machine string) api.Volume {
	f.t.Helper()
	var l api.VolumeList
	f.json(&l, "volume", "list")
	var found []api.Volume
	for _, v := range l.Volumes {
		if v.Machine == machine {
			found = append(found, v)
		}
	}
	if len(found) != 1 {
		f.t.Fatalf("%s has %d volumes, want 1: %+v", machine, len(found), found)
	}
	return found[0]
}

// otherServer starts the DHCP server that was there before us, dnsmasq, on a
// host of its own.
func (f *fixture) otherServer(mac, address, first, last string, more ...string) *lab.Process {
	f.t.Helper()
	lab.Require(f.t, "dnsmasq")
	other, err := f.Net.NewHost(mac, netip.MustParseAddr(address))
	if err != nil {
		f.t.Fatal(err)
	}
	p, err := other.Start(lab.Program{Path: "dnsmasq", Args: append([]string{
		"--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0", "--bind-interfaces",
		"--dhcp-range=" + first + "," + last + ",1h", "--dhcp-authoritative", "--log-dhcp", "--leasefile-ro", "--user=root",
		"--log-facility=-", "--pid-file=",
	}, more...)})
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// guest makes a computer, adds it as a machine and leaves it switched off.
func (f *fixture) guest(name, mac, mode string, fw lab.Firmware) *guest {
	f.t.Helper()
	f.cli("machine", "add", name, "--mac", mac, "--image", imageRef, "--"+mode)
	return f.stranger(name, mac, fw)
}

// stranger makes a computer that the server does not know.
func (f *fixture) stranger(name, mac string, fw lab.Firmware) *guest {
	f.t.Helper()
	return f.computer(lab.GuestOptions{Name: name, MAC: mac, Firmware: fw})
}

func (f *fixture) computer(o lab.GuestOptions) *guest {
	f.t.Helper()
	g, err := f.Net.NewGuest(o)
	if err != nil {
		f.t.Fatal(err)
	}
	return &guest{Guest: g, t: f.t}
}

// waitFor waits for an event of a machine whose text holds a phrase, in the
// machine's newest boots; no longer than a boot takes.
func (f *fixture) waitFor(ctx context.Context, machine, phrase string) recorder.Event {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	for {
		boots, err := f.Boots(ctx, machine)
		if err == nil {
			for _, b := range boots {
				for _, e := range b.Events {
					if strings.Contains(e.Text, phrase) {
						return e
					}
				}
			}
		}
		select {
		case <-ctx.Done():
			out, _ := f.CLI(context.WithoutCancel(ctx), "boot", "log", machine)
			f.t.Fatalf("no event of %s says %q; its log:\n%s", machine, phrase, out)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// boots are all boots of a machine that are on record, newest first.
func (f *fixture) boots(machine string) (boots []recorder.Boot) {
	f.t.Helper()
	f.json(&boots, "boot", "log", machine, "--last", "10")
	return boots
}

// events are the texts of all events of a machine's last boots, the newest boot
// first, that hold a phrase.
func (f *fixture) events(machine, phrase string) (texts []string) {
	f.t.Helper()
	for _, b := range f.boots(machine) {
		for _, e := range b.Events {
			if strings.Contains(e.Text, phrase) {
				texts = append(texts, e.Text)
			}
		}
	}
	return texts
}

// hashed is an image once its digest is there, which follows the import.
func (f *fixture) hashed(ref string) (im api.Image) {
	f.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); im.Digest == ""; time.Sleep(200 * time.Millisecond) {
		if f.json(&im, "image", "show", ref); time.Now().After(deadline) {
			f.t.Fatalf("image %s has no digest", ref)
		}
	}
	return im
}

// imageHash is the hash of the golden image's layer as it lies on disk.
func (f *fixture) imageHash() string {
	f.t.Helper()
	im := f.hashed(imageRef)
	h := sha256.New()
	err := filepath.WalkDir(filepath.Join(f.dataDir, "layers", im.Layer), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		fmt.Fprintln(h, d.Name())
		_, err = io.Copy(h, file)
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}
