//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/lab"
)

// The exit codes of `bootes help exit-codes`.
const (
	exitUsage       = 2
	exitNotFound    = 3
	exitRefused     = 4
	exitUnreachable = 5
	exitNoSpace     = 6
	exitMissing     = 7
	exitInterrupted = 130
)

// patience is how long a command that must fail may take.
const patience = 20 * time.Second

// command is one call of bootes in the namespace.
type command struct {
	args []string
	env  []string // added
	user uint32   // 0: root
}

// ended is what came of it.
type ended struct {
	code      int
	out, errs string
}

// start starts a command; the function it returns waits for its end.
func (f *fixture) start(t *testing.T, c command) (*exec.Cmd, func() ended) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	cmd := exec.CommandContext(ctx, program, append([]string{"--socket", f.Socket}, c.args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if c.user != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: c.user, Gid: c.user}
	}
	if err := f.Net.Do(cmd.Start); err != nil {
		cancel()
		t.Fatal(err)
	}
	return cmd, func() ended {
		defer cancel()
		err := cmd.Wait()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if ctx.Err() != nil {
			t.Fatalf("bootes %q does not end; it said: %s", c.args, errs.String())
		}
		return ended{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
	}
}

func (f *fixture) run(t *testing.T, c command) ended {
	t.Helper()
	_, wait := f.start(t, c)
	return wait()
}

// errorCase is a call that must fail.
type errorCase struct {
	name string
	command
	code int
	// want is what it says after "bootes: ". In it, * stands for any text in
	// one line.
	want string
}

// check runs a case and compares what it says. Log lines of a server are left
// out of that.
func (f *fixture) check(t *testing.T, c errorCase) {
	t.Helper()
	check(t, c, f.run(t, c.command))
}

var logLine = regexp.MustCompile(`(?m)^time=.*\n`)

func check(t *testing.T, c errorCase, got ended) {
	t.Helper()
	if got.code != c.code {
		t.Errorf("exit code %d, want %d", got.code, c.code)
	}
	said := logLine.ReplaceAllString(got.errs, "")
	pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta("bootes: "+c.want+"\n"), `\*`, ".*") + "$"
	if !regexp.MustCompile(pattern).MatchString(said) {
		t.Errorf("it says\n%swant\nbootes: %s", said, c.want)
	}
	if got.out != "" {
		t.Errorf("output: %s", got.out)
	}
}

// disks lists what lies in the data folder's places for disks.
func (f *fixture) disks() (names []string) {
	f.t.Helper()
	for _, dir := range []string{"layers", "volumes", "tmp", "trash"} {
		entries, err := os.ReadDir(filepath.Join(f.dataDir, dir))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			f.t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names
}

// state is all that a command which fails must leave as it was.
func (f *fixture) state() string {
	f.t.Helper()
	return f.cli("image", "list", "-o", "json") + f.cli("machine", "list", "-o", "json") + f.cli("volume", "list", "-o", "json")
}

// unchanged waits until the disks are as before: what was half-made goes to
// the trash, which is emptied in the background.
func (f *fixture) unchanged(t *testing.T, before []string) {
	t.Helper()
	var now []string
	for range 100 {
		if now = f.disks(); slices.Equal(now, before) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("in the data folder: %q, before: %q", now, before)
}

// write makes a file in a folder that all users may read.
func (f *fixture) write(name, text string) string {
	f.t.Helper()
	path := f.Net.Path(name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// disk makes a raw file of so many MiB, none of them zeros.
func (f *fixture) disk(name string, mib int) string {
	f.t.Helper()
	path := f.Net.Path(name)
	file, err := os.Create(path)
	if err != nil {
		f.t.Fatal(err)
	}
	defer file.Close()
	chunk := bytes.Repeat([]byte("a disk without secrets\n\n\n\n\n\n\n\n\n\n"), 1<<15)
	for range mib {
		if _, err := file.Write(chunk[:1<<20]); err != nil {
			f.t.Fatal(err)
		}
	}
	return path
}

// tool runs a program that must succeed, in the lab's folder.
func (f *fixture) tool(name string, args ...string) {
	f.t.Helper()
	if _, err := f.Net.Run(f.t.Context(), name, args...); err != nil {
		f.t.Fatal(err)
	}
}

// config writes a config file with the given interfaces: section and other
// keys, beside the fixture's own.
func (f *fixture) config(name, interfaces, more string) string {
	f.t.Helper()
	api := fmt.Sprintf("api: {socket: %s, group: root}\n", f.Socket)
	if strings.Contains(more, "api:") {
		api = ""
	}
	return f.write(name, fmt.Sprintf("data: %s\n%s%sinterfaces:%s", f.dataDir, api, more, interfaces))
}

// pathWithout is a PATH with all programs but some.
func pathWithout(t *testing.T, programs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, from := range []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
		entries, _ := os.ReadDir(from)
		for _, e := range entries {
			if !slices.Contains(programs, e.Name()) {
				_ = os.Symlink(filepath.Join(from, e.Name()), filepath.Join(dir, e.Name())) // the first counts
			}
		}
	}
	return "PATH=" + dir
}

const nobody = 65534

// forEveryone lets other users run the program.
func forEveryone(t *testing.T, f *fixture) {
	t.Helper()
	for _, dir := range []string{filepath.Dir(program), f.Net.Dir()} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// TestErrorsCommands gives bad input to the commands of one running server.
func TestErrorsCommands(t *testing.T) {
	lab.Require(t, "qemu-img")
	f := prepare(t, proxyMode)
	forEveryone(t, f)
	f.serve()
	base := f.disk("base.raw", 2)
	f.cli("image", "import", "base:1", base)
	f.cli("machine", "add", "pc1", "--mac", "52:54:00:00:00:01", "--image", "base:1")

	f.tool("qemu-img", "convert", "-O", "qcow2", "base.raw", "cut.qcow2")
	if err := os.Truncate(f.Net.Path("cut.qcow2"), 1<<20); err != nil {
		t.Fatal(err)
	}
	f.tool("qemu-img", "create", "-f", "qcow2", "-b", base, "-F", "raw", "backed.qcow2")
	cut, backed := f.Net.Path("cut.qcow2"), f.Net.Path("backed.qcow2")
	short := f.write("short.qcow2", "<html>404 not found</html>\n")
	whole := f.write("whole.qcow2", strings.Repeat("<html>404</html>", 512))
	empty := f.write("empty.raw", "")
	odd := f.write("odd.raw", strings.Repeat("x", 1000))
	private := f.write("private.raw", strings.Repeat("x", 4096))
	if err := os.Chmod(private, 0o600); err != nil {
		t.Fatal(err)
	}
	other := f.write("other.yaml", fmt.Sprintf("data: %s\napi: {socket: %s, group: root}\nports: {http: 8080, tftp: 6969, iscsi: 3261}\ninterfaces: [{name: br0, dhcp: off}]\n",
		f.dataDir, f.Net.Path("other.sock")))

	cases := []errorCase{
		{"unknown image", command{args: []string{"machine", "add", "pc2", "--mac", "52:54:00:00:00:02", "--image", "none:1"}}, exitNotFound,
			`no image "none:1": there are base:1`},
		{"unknown image for a machine that exists", command{args: []string{"machine", "set", "pc1", "--image", "none:1"}}, exitNotFound,
			`no image "none:1": there are base:1`},
		{"MAC of another machine", command{args: []string{"machine", "add", "pc2", "--mac", "52-54-00-00-00-01", "--image", "base:1"}}, exitRefused,
			`MAC address "52:54:00:00:00:01" belongs to machine pc1 already: take it from that machine first, or look whether it was mistyped`},
		{"bad machine name", command{args: []string{"machine", "add", "PC_2", "--mac", "52:54:00:00:00:02", "--image", "base:1"}}, exitUsage,
			`machine name "PC_2" is not valid: a host name has lower-case letters, digits and hyphens between them (RFC 1123), at most 64 characters`},
		{"machine that exists", command{args: []string{"machine", "add", "pc1", "--mac", "52:54:00:00:00:02", "--image", "base:1"}}, exitRefused,
			"machine \"pc1\" exists already: change it with `bootes machine set pc1`, or choose another name"},
		{"bad MAC", command{args: []string{"machine", "add", "pc2", "--mac", "52:54:00:00:00", "--image", "base:1"}}, exitUsage,
			`--mac "52:54:00:00:00" is no MAC address: write six pairs of hex digits, such as 52:54:00:12:34:56`},
		{"group MAC", command{args: []string{"machine", "add", "pc2", "--mac", "53:54:00:00:00:02", "--image", "base:1"}}, exitUsage,
			`MAC address "53:54:00:00:00:02" is not valid: it is a group address, not that of a network card`},
		{"unknown machine", command{args: []string{"machine", "rm", "pc9"}}, exitNotFound, `no machine "pc9": there are pc1`},
		{"unknown volume", command{args: []string{"volume", "rm", "pc9-1"}}, exitNotFound, "no volume \"pc9-1\", nor a machine \"pc9-1\" that has one: `bootes volume list` shows all"},
		{"image that exists", command{args: []string{"image", "import", "base:1", base}}, exitRefused,
			"image \"base:1\" exists already: choose another tag, or remove it first with `bootes image rm base:1`"},
		{"image that exists, to be built", command{args: []string{"image", "build", "base:1", "--suite", "bookworm"}}, exitRefused,
			"image base:1 exists: build one with another tag, or remove it with `bootes image rm base:1`"},
		{"bad image name", command{args: []string{"image", "import", "base", base}}, exitUsage,
			`image "base" is not valid: write it as name:tag, such as "debian:12"`},
		{"image that a machine uses", command{args: []string{"image", "rm", "base:1"}}, exitRefused,
			"image \"base:1\" is in use by machine pc1: first give that machine another image with `bootes machine set pc1 --image IMAGE`"},
		{"absent file", command{args: []string{"image", "import", "new:1", "/absent.raw"}}, exitNotFound,
			`import: open /absent.raw: no such file or directory`},
		{"unreadable file", command{args: []string{"image", "import", "new:1", private}, user: nobody}, exitMissing,
			`import: open ` + private + `: permission denied: run it as a user who may read the file`},
		{"folder", command{args: []string{"image", "import", "new:1", "/etc"}}, exitUsage,
			`import "/etc": it is not a regular file`},
		{"empty file", command{args: []string{"image", "import", "new:1", empty}}, exitUsage,
			`read disk image "` + empty + `": the file is empty`},
		{"raw file of odd size", command{args: []string{"image", "import", "new:1", odd}}, exitUsage,
			`read disk image "` + odd + `": its size of 1000 bytes is no multiple of 512: no disk has such a size, the copy was probably cut short`},
		{"truncated qcow2", command{args: []string{"image", "import", "new:1", cut}}, exitUsage,
			`read disk image "` + cut + `": it is damaged or truncated: *`},
		{"text renamed", command{args: []string{"image", "import", "new:1", short}}, exitUsage,
			`read disk image "` + short + `": its name ends in .qcow2, but its contents do not begin like that: look at what it is, or name it .raw if it is a raw disk`},
		{"text renamed, of a disk's size", command{args: []string{"image", "import", "new:1", whole}}, exitUsage,
			`read disk image "` + whole + `": its name ends in .qcow2, but its contents do not begin like that: look at what it is, or name it .raw if it is a raw disk`},
		{"qcow2 with a backing file", command{args: []string{"image", "import", "new:1", backed}}, exitUsage,
			`read disk image "` + backed + `": it needs its backing file "` + base + "\", and references to other files are not followed: make one qcow2 file of it with `qemu-img convert -O qcow2` first"},
		{"boots of a machine that nobody added", command{args: []string{"boot", "log", "pc9"}}, exitNotFound, `no machine "pc9": there are pc1`},
		{"boots of a MAC never seen", command{args: []string{"boot", "log", "52:54:00:00:00:99"}}, exitNotFound,
			"52:54:00:00:00:99 has not been seen yet, and no machine has it: `bootes boot watch` shows what arrives"},
		{"user who may not", command{args: []string{"machine", "list"}, user: nobody}, exitUnreachable,
			"no permission to use the server at " + f.Socket + ": only root may; to let in others, set api.group in the server's config"},
		{"data folder in use", command{args: []string{"serve", "--config", other}}, exitRefused,
			fmt.Sprintf(`open data folder %q: the folder is in use by process %d: stop that server first, or set another data: in %s`, f.dataDir, f.Server().Pid(), other)},
		{"socket of another server", command{args: []string{"serve", "--config", f.write("socket.yaml", fmt.Sprintf(
			"data: %s\napi: {socket: %s, group: root}\nports: {http: 8080, tftp: 6969, iscsi: 3261}\ninterfaces: [{name: br0, dhcp: off}]\n", t.TempDir(), f.Socket))}}, exitRefused,
			fmt.Sprintf("open API socket %q: another server has it: the server with process id %d; stop it first, or give this one its own api.socket", f.Socket, f.Server().Pid())},
		{"ports of another server", command{args: []string{"serve", "--config", f.write("ports.yaml", fmt.Sprintf(
			"data: %s\napi: {socket: %s, group: root}\ninterfaces: [{name: br0, dhcp: off}]\n", t.TempDir(), f.Net.Path("other.sock")))}}, exitRefused,
			fmt.Sprintf("tcp port 80 is taken by bootes (pid %d): stop that program, or set another ports.http in the config", f.Server().Pid())},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			disks, state := f.disks(), f.state()
			f.check(t, c)
			f.unchanged(t, disks)
			if now := f.state(); now != state {
				t.Errorf("the server now has\n%s, before\n%s", now, state)
			}
		})
	}
	t.Run("boots of a machine never seen", func(t *testing.T) {
		want := "pc1 has not been seen yet: no DHCP message of a boot has come from its MAC address, 52:54:00:00:00:01; this server has listened for "
		if got := f.run(t, command{args: []string{"boot", "log", "pc1"}}); got.code != 0 || got.errs != "" || !strings.HasPrefix(got.out, want) {
			t.Errorf("%+v, want %q", got, want)
		}
	})
}

// TestErrorsServe starts servers that must refuse to.
func TestErrorsServe(t *testing.T) {
	lab.Require(t, "ip", "mmdebstrap")
	f := prepare(t, proxyMode)
	forEveryone(t, f)
	f.dataDir = f.Net.Path("data") // a folder that does not exist
	f.tool("ip", "link", "add", "br9", "type", "bridge")
	serve := func(config string) command { return command{args: []string{"serve", "--config", config}} }

	good := f.config("good.yaml", proxyMode, "")
	broken := f.write("broken.yaml", "data: /srv\ninterfaces:\n  - name: br0\n   dhcp: proxy\n")
	faults := f.write("faults.yaml", "data: srv\nport: {http: 80}\nports: {http: 80000}\ninterfaces:\n  - name: br0\n    dhcp: servre\n  - dhcp: off\n")
	missing := f.config("missing.yaml", "\n  - name: eth7\n", "")
	bare := f.config("bare.yaml", "\n  - name: br9\n", "")
	none := f.config("none.yaml", " []\n", "")
	group := f.config("group.yaml", proxyMode, "api: {socket: "+f.Socket+", group: no-such-group}\n")
	loaders := f.config("loaders.yaml", proxyMode, "loaders: /no/such/folder\n")
	output := f.Net.Path("out/disk.raw")
	if err := os.Mkdir(filepath.Dir(output), 0o755); err != nil {
		t.Fatal(err)
	}
	built := func(t *testing.T) {
		t.Helper()
		if entries, err := os.ReadDir(filepath.Dir(output)); err != nil || len(entries) > 0 {
			t.Errorf("left in the output folder: %v, %v", entries, err)
		}
	}

	for _, c := range []errorCase{
		{"no config file", serve("/absent.yaml"), exitNotFound,
			`no config file "/absent.yaml" (file does not exist): name one with --config, or begin with: bootes serve --print-config > /absent.yaml`},
		{"broken YAML", serve(broken), exitUsage, broken + ":4:4: not valid YAML: value is not allowed in this context\n   1 | data: /srv\n   2 | interfaces:\n   3 |   - name: br0\n>  4 |    dhcp: proxy\n          ^"},
		{"several faults", serve(faults), exitUsage, strings.Join([]string{
			faults + `:1:7: data: "srv" is no absolute path; write a path that begins with /`,
			faults + `:2:1: unknown key "port"; did you mean "ports"?*`,
			faults + `:3:15: ports.http: "80000" is no port; write a port number from 1 to 65535`,
			faults + `:6:11: interfaces[0].dhcp: "servre" is no DHCP mode; write proxy or auto (give no addresses), server or off`,
			faults + `:7:5: interfaces[1]: has no name; write name: and the interface, such as eth0`,
		}, "\n")},
		{"several faults, only checked", command{args: []string{"serve", "--check-config", "-c", faults}}, exitUsage, "*\n*\n*\n*\n*"},
		{"no interfaces", serve(none), exitUsage,
			none + " names no interface: under interfaces: write the ones to serve; this computer has: lo, br0, br9"},
		{"interface missing", serve(missing), exitNotFound,
			missing + `:4:5: find interface "eth7": no such interface (this host has: lo, br0, br9)`},
		{"interface without an address", serve(bare), exitNotFound,
			bare + `:4:5: interface "br9" has no IPv4 address: give it one, for machines to boot from: ip addr add ADDRESS/LENGTH dev br9`},
		{"not root", command{args: []string{"serve", "--config", good}, user: nobody}, exitMissing,
			lacksRights},
		{"not root, and the config is root's", command{args: []string{"serve", "--config", f.Config}, user: nobody}, exitMissing,
			lacksRights},
		{"build, not root", command{args: []string{"image", "build", "debian:12", "--output", output}, user: nobody}, exitMissing,
			"image build needs root, to install packages into a new system: run it with sudo"},
		{"build without mmdebstrap", command{args: []string{"image", "build", "debian:12", "--output", output}, env: []string{pathWithout(t, "mmdebstrap")}}, exitMissing,
			"build image: program \"mmdebstrap\" is missing: apt install mmdebstrap"},
		{"build without several programs", command{args: []string{"image", "build", "debian:12", "--output", output}, env: []string{pathWithout(t, "mke2fs", "mmdebstrap")}}, exitMissing,
			"build image: program \"mmdebstrap\" is missing: apt install mmdebstrap\nprogram \"mke2fs\" is missing: apt install e2fsprogs"},
		{"no server", command{args: []string{"machine", "list"}}, exitUnreachable,
			"no server at " + f.Socket + ": start one with `bootes serve` (as root), or name another's socket with --socket or BOOTES_SOCKET"},
		{"import, no server", command{args: []string{"image", "import", "new:1", broken}}, exitUnreachable,
			"no server at " + f.Socket + ": start one with `bootes serve` (as root), or name another's socket with --socket or BOOTES_SOCKET"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.check(t, c)
			built(t)
			if _, err := os.Lstat(f.dataDir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the data folder was made: %v", err)
			}
		})
	}

	for _, c := range []errorCase{
		{"no such group", serve(group), exitUsage,
			"open API socket \"" + f.Socket + "\": the group \"no-such-group\" does not exist: create it with `groupadd --system no-such-group`, or set api.group in the config (root lets in root alone)"},
		{"no loaders", serve(loaders), exitNotFound,
			"open loaders folder: open /no/such/folder: no such file or directory: install the package ipxe, or set loaders: in the config"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.check(t, c)
			f.nothingLeft(t)
		})
	}
	t.Run("ports taken", func(t *testing.T) { testPortsTaken(t, f, good) })
	t.Run("it starts all the same", func(t *testing.T) {
		f.Options.Config = good
		f.serve()
		f.Server().Kill()
	})
}

// nothingLeft checks that a server which did not start left nothing.
func (f *fixture) nothingLeft(t *testing.T) {
	t.Helper()
	if left := f.disks(); len(left) > 0 {
		t.Errorf("in the data folder: %q", left)
	}
	if _, err := os.Lstat(f.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is there: %v", err)
	}
}

func testPortsTaken(t *testing.T, f *fixture, config string) {
	lab.Require(t, "dnsmasq")
	self := fmt.Sprintf("%s (pid %d)", processName(t, os.Getpid()), os.Getpid())
	for _, c := range []struct {
		network string
		addr    string
		want    string
	}{
		{"tcp4", "0.0.0.0:3260", "tcp port 3260 is taken by " + self + ": stop that program, or set another ports.iscsi in the config"},
		{"tcp4", "10.77.0.1:80", "tcp port 80 is taken by " + self + ": stop that program, or set another ports.http in the config"},
		{"tcp", "[::]:80", "tcp port 80 is taken by " + self + ": stop that program, or set another ports.http in the config"},
		{"udp4", "0.0.0.0:69", "udp port 69 is taken by " + self + ": stop that program, or set another ports.tftp in the config"},
		{"udp4", "0.0.0.0:4011", `serve DHCP on interface "br0": udp port 4011 is taken by ` + self + `: stop that program, or say "dhcp: off" for this interface`},
	} {
		t.Run(c.network+" "+c.addr, func(t *testing.T) {
			hold(t, f, c.network, c.addr)
			f.check(t, errorCase{"", command{args: []string{"serve", "--config", config}}, exitRefused, c.want})
			f.nothingLeft(t)
		})
	}
	t.Run("DHCP by dnsmasq", func(t *testing.T) {
		p, err := f.Net.Start(lab.Program{Path: "dnsmasq", Args: rivalArgs(lab.Bridge)})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Kill()
		waitUntil(t, "dnsmasq's port", func() bool {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/udp", p.Pid()))
			return bytes.Contains(b, []byte(":0043 "))
		})
		f.check(t, errorCase{"", command{args: []string{"serve", "--config", config}}, exitRefused,
			fmt.Sprintf(`serve DHCP on interface "br0": udp port 67 is taken by dnsmasq (pid %d): stop that program, or say "dhcp: off" for this interface`, p.Pid())})
		f.nothingLeft(t)
	})
}

func processName(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// hold occupies a port in the namespace until the test ends.
func hold(t *testing.T, f *fixture, network, addr string) {
	t.Helper()
	err := f.Net.Do(func() error {
		if strings.HasPrefix(network, "udp") {
			c, err := net.ListenPacket(network, addr)
			if err == nil {
				t.Cleanup(func() { c.Close() })
			}
			return err
		}
		l, err := net.Listen(network, addr)
		if err == nil {
			t.Cleanup(func() { l.Close() })
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func waitUntil(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

// rivalArgs make dnsmasq a DHCP server on an interface.
func rivalArgs(ifname string) []string {
	return []string{
		"--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=" + ifname, "--bind-dynamic",
		"--dhcp-range=10.77.0.50,10.77.0.90,1h", "--dhcp-authoritative", "--leasefile-ro", "--user=root",
		"--pid-file=", "--log-facility=-",
	}
}

// TestErrorsRival starts a DHCP server where another one answers.
func TestErrorsRival(t *testing.T) {
	lab.Require(t, "dnsmasq")
	f := prepare(t, serverMode)
	h, err := f.Net.NewHost("52:54:00:00:00:67", netip.MustParseAddr("10.77.0.2"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = h.Run(ctx, "dnsmasq", rivalArgs("eth0")...)
	}()
	defer func() { cancel(); <-ended }()

	f.check(t, errorCase{"", command{args: []string{"serve", "--config", f.Config}}, exitRefused,
		`another DHCP server answers on interface "br0": 10.77.0.2 (server id 10.77.0.2) offered 10.77.0.*; ` +
			`two servers on one network give out clashing addresses: say "dhcp: proxy" to work beside it, or "force: true" to serve all the same`})
	f.nothingLeft(t)

	f.Options.Config = f.config("force.yaml", strings.TrimRight(serverMode, "\n")+"\n    force: true\n", "")
	f.serve()
	waitUntil(t, "the server to be ready", func() bool {
		b, _ := os.ReadFile(f.Net.Path("bootes.log"))
		return bytes.Contains(b, []byte("msg=ready"))
	})
}

// TestErrorsNoQemuImg imports where qemu-img is missing.
func TestErrorsNoQemuImg(t *testing.T) {
	lab.Require(t, "qemu-img")
	f := prepare(t, proxyMode)
	f.disk("disk.raw", 2)
	f.tool("qemu-img", "convert", "-O", "qcow2", "disk.raw", "disk.qcow2")
	p, err := f.Net.Start(lab.Program{Path: program, Args: []string{"serve", "--config", f.Config}, Log: "bootes.log",
		Env: []string{pathWithout(t, "qemu-img")}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	waitUntil(t, "the server", func() bool {
		_, err := f.CLI(t.Context(), "machine", "list")
		return err == nil
	})
	before := f.disks()
	f.check(t, errorCase{"", command{args: []string{"image", "import", "new:1", f.Net.Path("disk.qcow2")}}, exitMissing,
		`read disk image "` + f.Net.Path("disk.qcow2") + "\": the program qemu-img is missing: install it with `apt-get install qemu-utils`"})
	f.unchanged(t, before)
	f.cli("image", "import", "raw:1", f.Net.Path("disk.raw")) // needs none
}

// bigMiB is more than the small disk of TestErrorsNoSpace takes, and enough
// to be interrupted.
const bigMiB = 300

// TestErrorsNoSpace imports what is too large for the disk.
func TestErrorsNoSpace(t *testing.T) {
	lab.Require(t, "qemu-img")
	f := prepare(t, proxyMode)
	if err := unix.Mount("tmpfs", f.dataDir, "tmpfs", 0, "size=400m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(f.dataDir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	f.serve()
	t.Cleanup(func() { f.Server().Kill() })
	f.disk("big.raw", bigMiB)
	f.tool("qemu-img", "convert", "-O", "qcow2", "-c", "-o", "compression_type=zstd", "big.raw", "big.qcow2")
	before := f.disks()
	for _, c := range []struct{ file, doing, data string }{
		{"big.raw", `import image "new:1"`, "300 MiB of data"},
		{"big.qcow2", `read disk image "` + f.Net.Path("big.qcow2") + `": convert it in "` + filepath.Join(f.dataDir, "tmp") + `"`,
			"300 MiB of data (2 times that while it is converted)"},
	} {
		f.check(t, errorCase{"", command{args: []string{"image", "import", "new:1", f.Net.Path(c.file)}}, exitNoSpace,
			c.doing + `: too large for the disk: it is a disk of 300 MiB with ` + c.data + `, and the file system of "` + f.dataDir +
				`" has * MiB free, of which 20 MiB must stay free: make room, or move the data folder to a larger disk`})
		f.unchanged(t, before)
		if got := f.cli("image", "list", "-o", "json"); strings.TrimSpace(got) != "[]" {
			t.Errorf("images: %s", got)
		}
	}

	// Another program takes the space while an image is copied.
	small := f.disk("small.raw", 120)
	importing := command{args: []string{"image", "import", "new:1", small}}
	wait, resume := f.pauseHalfWay(t, importing, 120<<20)
	var st unix.Statfs_t
	if err := unix.Statfs(f.dataDir, &st); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(f.dataDir, "other")
	f.tool("fallocate", "-l", fmt.Sprint(int64(st.Bavail)*st.Bsize-8<<20), other)
	resume()
	check(t, errorCase{"", importing, exitNoSpace,
		`import image "new:1": the disk under "` + f.dataDir + `" ran full while 120 MiB were copied: make room or remove volumes and images: *`}, wait())
	f.unchanged(t, before)
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	f.cli(importing.args...)
}

// pauseHalfWay starts an import of an image of so many bytes and stops the
// server while a third of them, and no less, is yet to be copied. Often the
// import is too fast to be caught.
func (f *fixture) pauseHalfWay(t *testing.T, importing command, size int64) (wait func() ended, resume func()) {
	t.Helper()
	for range 30 {
		_, wait = f.start(t, importing)
		for end := time.Now().Add(5 * time.Second); !f.halfMade() && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
			if layers, _ := filepath.Glob(filepath.Join(f.dataDir, "layers", "*")); len(layers) > 0 {
				break
			}
		}
		resume = f.pause(t)
		if n := f.copied(); n > 0 && n < size*2/3 {
			return wait, resume
		}
		resume()
		if e := wait(); e.code != 0 {
			t.Fatalf("the import failed: %s", e.errs)
		}
		f.cli("image", "rm", "new:1")
		f.unchanged(t, nil)
	}
	t.Fatal("the import was never caught half-way")
	return nil, nil
}

// copied is how many bytes the layer that is being made has; 0: there is none.
func (f *fixture) copied() (n int64) {
	m, _ := filepath.Glob(filepath.Join(f.dataDir, "tmp", "layer-*", "data"))
	for _, name := range m {
		var st unix.Stat_t
		if unix.Stat(name, &st) == nil {
			n += st.Blocks * 512
		}
	}
	return n
}

// halfMade says whether an import is under way.
func (f *fixture) halfMade() bool {
	m, _ := filepath.Glob(filepath.Join(f.dataDir, "tmp", "layer-*"))
	return len(m) > 0
}

// pause stops the server where it is, all its threads, and returns what lets it
// go on.
func (f *fixture) pause(t *testing.T) (resume func()) {
	t.Helper()
	server := f.Server()
	if err := server.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the server to stand still", func() bool {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", server.Pid()))
		return !slices.ContainsFunc(threads, func(name string) bool {
			stat, err := os.ReadFile(name)
			return err == nil && !bytes.Contains(stat, []byte(") T "))
		})
	})
	return func() {
		t.Helper()
		if err := server.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
}

// TestErrorsInterrupted ends imports in their midst.
func TestErrorsInterrupted(t *testing.T) {
	f := prepare(t, proxyMode)
	f.serve()
	big := f.disk("big.raw", bigMiB)
	importing := command{args: []string{"image", "import", "new:1", big}}
	before := f.disks()

	t.Run("by Ctrl-C", func(t *testing.T) {
		cmd, wait := f.start(t, importing)
		waitUntil(t, "the import", f.halfMade)
		// The server stands still while its client goes: it must find out.
		resume := f.pause(t)
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		check(t, errorCase{"", importing, exitInterrupted, "interrupted"}, wait())
		if !f.halfMade() {
			t.Error("the import was over before it was interrupted")
		}
		resume()
		f.unchanged(t, before)
		if got := f.cli("image", "list", "-o", "json"); strings.TrimSpace(got) != "[]" {
			t.Errorf("images: %s", got)
		}
	})
	t.Run("by the server's end", func(t *testing.T) {
		_, wait := f.start(t, importing)
		waitUntil(t, "the import", f.halfMade)
		server := f.Server()
		if err := server.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		check(t, errorCase{"", importing, exitUnreachable, `import "` + big + `": cancelled; nothing of it is left`}, wait())
		select {
		case <-server.Done():
		case <-time.After(patience):
			t.Fatal("the server does not end")
		}
		if err := server.Err(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
		f.serve()
		f.unchanged(t, before)
	})
	t.Run("by the server's death", func(t *testing.T) {
		_, wait := f.start(t, importing)
		waitUntil(t, "the import", f.halfMade)
		f.Server().Kill()
		check(t, errorCase{"", importing, exitUnreachable, "the server at " + f.Socket + " did not finish its answer: *; its log tells more"}, wait())
		if !f.halfMade() {
			t.Error("the import was over before the server was killed")
		}
		check(t, errorCase{"", importing, exitUnreachable, "no server at " + f.Socket +
			": the one that made this socket has ended; start it again with `bootes serve` (as root)"}, f.run(t, importing))
		f.serve()
		f.unchanged(t, before)
		if got := f.cli("image", "list", "-o", "json"); strings.TrimSpace(got) != "[]" {
			t.Errorf("images: %s", got)
		}
		f.cli(importing.args...)
	})
}
