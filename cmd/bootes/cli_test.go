package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/config"
	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/recorder"
)

// Every command shows an example and takes -o, and none is forgotten.
func TestEveryCommandHelps(t *testing.T) {
	var names []string
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		if c.IsAdditionalHelpTopicCommand() {
			return
		}
		path := strings.Fields(c.CommandPath())[1:]
		out, errs, code := bootes(t, append(path, "--help")...)
		if code != 0 || errs != "" || !strings.Contains(out, "Examples:\n  bootes") || !strings.Contains(out, "-o, --output-format") || !strings.Contains(out, "--socket") {
			t.Errorf("%s --help: code %d\n%s%s", c.CommandPath(), code, out, errs)
		}
		for line := range strings.Lines(out) {
			if len([]rune(line)) > 121 {
				t.Errorf("%s --help has a line of %d characters: %s", c.CommandPath(), len([]rune(line)), line)
			}
		}
		names = append(names, strings.Join(path, " "))
	}
	walk((&app{}).root())
	for _, want := range []string{
		"serve", "image build", "image import", "image list", "image show", "image rm", "machine add", "machine list", "machine show", "machine set",
		"machine rm", "machine waiting", "machine approve", "machine dismiss", "volume list", "volume show", "volume rm", "volume set", "boot ls", "boot log", "boot pcap", "boot watch", "version", "df", "loaders", "dhcp-status", "lease ls", "lease rm",
		"image export", "image verify", "image check", "image tag", "image history", "image flatten", "image update", "image publish", "image ls", "image cat",
		"volume snapshot", "volume rollback", "volume clone", "volume resize", "volume reset", "volume commit", "volume diff", "volume io", "volume flatten",
		"volume export", "volume backup", "volume restore", "volume ls", "volume cat",
	} {
		if !strings.Contains("|"+strings.Join(names, "|")+"|", "|"+want+"|") {
			t.Errorf("there is no command %q", want)
		}
	}
}

func TestTables(t *testing.T) {
	w := newWorld()
	socket := serveWorld(t, w)
	w.Add(api.Event{Time: now.Add(-5 * time.Minute), Boot: "b1", Machine: "pc01", MAC: "52:54:00:00:00:01", Stage: recorder.StageFirmware, Text: "asks \x1b[2Jfor an address"})
	w.Add(api.Event{Time: now.Add(-5*time.Minute + 1500*time.Millisecond), Boot: "b1", Machine: "pc01", Stage: recorder.StageLogin, Level: recorder.Warn, Text: "late"})
	w.Add(api.Event{Time: now.Add(-time.Minute), Boot: "b2", Machine: "pc01", Stage: recorder.StageRunning, Text: "runs"})
	w.Add(api.Event{Time: now, Boot: "b3", MAC: "52:54:00:00:00:99", Level: recorder.Error, Text: "is unknown"})
	for _, tt := range []struct{ args, want string }{
		{"image list", `
IMAGE        SIZE    STORED  DIGEST               CREATED
debian:12   4 GiB  1.15 GiB  sha256:0123456789ab  3 days ago
win:11     64 GiB    20 GiB  -                    just now
`},
		{"image show debian:12", `
image     debian:12
digest    sha256:0123456789abcdef
layer     l-1
size      4 GiB
stored    1.15 GiB
source    built
identity  from Boötes: each machine gets its name, machine-id and host keys
created   2025-12-30 12:00:00 (3 days ago)
`},
		{"machine ls", `
MACHINE  MAC                                  IMAGE      MODE        STAGE    LAST SEEN
pc01     52:54:00:00:00:01,52:54:00:00:00:11  debian:12  persistent  running  60 s ago
kiosk    52:54:00:00:00:02                    debian:12  ephemeral   -        never
`},
		{"machine show pc01", `
machine     pc01
mac         52:54:00:00:00:01, 52:54:00:00:00:11
image       debian:12
mode        persistent
limit       10 GiB
machine-id  00112233445566778899aabbccddeeff
host key    ssh-ed25519 AAAA pc01
created     2026-01-02 11:00:00 (60 min ago)
last boot   2026-01-02 11:59:00 (60 s ago)
stage       running
last event  runs
`},
		{"volume list", `
VOLUME          MACHINE  IMAGE      MODE         SIZE  OWN  STORED   LIMIT  OPEN  CREATED
0f3a-1111-aaaa  pc01     debian:12  persistent  4 GiB  0 B   5 MiB  10 GiB  yes   60 min ago
0f3a-2222-bbbb  kiosk    debian:12  ephemeral   4 GiB  0 B     0 B    none  no    60 s ago
77aa-3333-cccc  kiosk    debian:12  ephemeral   4 GiB  0 B     0 B    none  no    60 min ago
`},
		{"volume show pc01", `
volume   0f3a-1111-aaaa
machine  pc01
image    debian:12
digest   sha256:01
mode     persistent
size     4 GiB
stored   5 MiB
own      0 B written on top of debian:12
private  0 B that nothing else has
limit    10 GiB
open     yes
traffic  190 MiB read, 6 MiB written since it was opened
created  2026-01-02 11:00:00 (60 min ago)
`},
		{"boot log pc01", `
boot b1 of pc01, 2026-01-02 11:55:00 (5 min ago): began anew at stage login after 4 min
  firmware  1.5 s
    +0.000s  asks ?[2Jfor an address
  login     4 min
    +1.500s  WARNING: late

boot b2 of pc01, 2026-01-02 11:59:00 (60 s ago): it ran from 11:59:00, 0 ms after its start, and was last heard of at 11:59:00
  running
    +0.000s  runs
`},
		{"boot log -n 1 pc01", `
boot b2 of pc01, 2026-01-02 11:59:00 (60 s ago): it ran from 11:59:00, 0 ms after its start, and was last heard of at 11:59:00
  running
    +0.000s  runs
`},
		{"boot log 52-54-00-00-00-99", `
boot b3 of 52:54:00:00:00:99, 2026-01-02 12:00:00 (just now): under way for 0 ms
    +0.000s  ERROR: is unknown
`},
		{"boot ls", `
MACHINE            BOOT  STARTED   STAGE    OUTCOME    AFTER  WHY
kiosk              -     never     -        -          -      -
pc01               b2    60 s ago  running  running    0 ms   -
52:54:00:00:00:99  b3    just now  -        under way  0 ms   -
`},
		{"boot log kiosk", `
kiosk has not been seen yet: no DHCP message of a boot has come from its MAC address, 52:54:00:00:00:02; this server has listened for 0 s
  1. is its MAC address mistyped, or that of another of its network cards? 52:54:00:00:00:99, which nobody has added and which differs in a digit or two, asked to boot just now
     -> if that is it: bootes machine set kiosk --mac 52:54:00:00:00:99; if it has both cards: bootes machine set kiosk --mac 52:54:00:00:00:02,52:54:00:00:00:99
  2. its screen says PXE, DHCP or network boot: then it asks, and its packets do not come here: the port of its switch is in another VLAN, or wants a login (802.1X), or its cable ends elsewhere
     -> give that port the VLAN of one where a machine boots, or plug it in there; this server hears 2 other machines there
  3. its screen says nothing of that: then it is off, or does not boot from the network
     -> switch it on; put the network first in its firmware's boot order
`},
		{"image rm debian:12 win:11", "\nremoved image debian:12\nremoved image win:11\n"},
		{"machine rm pc01", "\nremoved machine pc01\n"},
		{"volume rm 0f3a-1", "\nremoved volume 0f3a-1111-aaaa of pc01: lost 0 B that only it had\n"},
		{"machine rm pc01 -o json", "\n{\n  \"removed\": [\n    \"pc01\"\n  ]\n}\n"},
		{"volume set 77aa --limit 20G", "\nlimit of volume 0f3a-1111-aaaa of pc01: 20 GiB (5 MiB stored)\n"},
		{"machine add pc02 --mac 52-54-00-AA-bb-02 --image debian:12", "\nadded machine pc02: it boots debian:12, persistent\n"},
	} {
		out, errs, code := bootes(t, append([]string{"--socket", socket}, strings.Fields(tt.args)...)...)
		if code != 0 || errs != "" || out != tt.want[1:] {
			t.Errorf("%s: code %d, %s\ngot\n%s\nwant%s", tt.args, code, errs, out, tt.want)
		}
	}
	socket = serveWorld(t, &world{Recorder: w.Recorder, volumes: api.VolumeList{Freeing: 3 << 30}})
	for args, want := range map[string]string{
		"image list":   "no images yet: `bootes image build debian:12` makes one, `bootes image import` takes one in\n",
		"machine list": "no machines yet: `bootes machine add --help` shows how to add one\n",
		"volume list":  "no volumes: a machine gets one when it boots\nbeing freed: 3 GiB\n",
	} {
		if out, _, code := bootes(t, append([]string{"--socket", socket}, strings.Fields(args)...)...); code != 0 || out != want {
			t.Errorf("%s, of nothing: code %d\n%s", args, code, out)
		}
	}
}

// With -o json the output is what the API gives, exact.
func TestJSONOutput(t *testing.T) {
	w := newWorld()
	t.Setenv("BOOTES_SOCKET", serveWorld(t, w))
	for args, into := range map[string]any{
		"image list": &[]api.Image{}, "image show win:11": &api.Image{}, "machine list": &[]api.Machine{}, "machine show kiosk": &api.Machine{},
		"volume list": &api.VolumeList{}, "volume show 77aa": &api.Volume{}, "boot log kiosk": &[]api.Boot{}, "boot ls": &[]api.LatestBoot{}, "version": &versions{},
	} {
		out, errs, code := bootes(t, append(strings.Fields(args), "-o", "json")...)
		if err := json.Unmarshal([]byte(out), into); err != nil || code != 0 || errs != "" {
			t.Errorf("%s: code %d, %s, %v: %s", args, code, errs, err, out)
		}
		var want any
		switch args {
		case "image list":
			want = &w.images
		case "volume list":
			want = &w.volumes
		case "machine show kiosk":
			want = &w.machines[1]
		default:
			continue
		}
		if !reflect.DeepEqual(into, want) {
			t.Errorf("%s: %+v", args, into)
		}
	}
}

func TestMachineFlags(t *testing.T) {
	w := newWorld()
	t.Setenv("BOOTES_SOCKET", serveWorld(t, w))
	text := func(s string) *string { return &s }
	limit := func(n int64) *int64 { return &n }
	yes, no := true, false
	for args, want := range map[string][]any{
		"add pc02 --mac 52-54-00-AA-BB-02 --mac 5254.00aa.bb03 --image debian:12 --ephemeral --limit 1.5G --uuid U": {api.NewMachine{
			Name: "pc02", MACs: []string{"52:54:00:aa:bb:02", "52:54:00:aa:bb:03"}, UUID: "U", Image: "debian:12", Mode: api.Ephemeral, Limit: limit(3 << 29),
		}},
		"set pc01 --address 10.0.0.7":              {"pc01", api.MachineChange{Address: text("10.0.0.7")}},
		"set pc01 --address none":                  {"pc01", api.MachineChange{Address: text("")}},
		"set pc01 --uuid none --serial none":       {"pc01", api.MachineChange{UUID: text(""), Serial: text("")}},
		"set pc01 --uuid U --serial S":             {"pc01", api.MachineChange{UUID: text("U"), Serial: text("S")}},
		"set pc01 --image debian:13":               {"pc01", api.MachineChange{Image: text("debian:13")}},
		"set pc01 --persistent --limit none":       {"pc01", api.MachineChange{Mode: text(api.Persistent), Limit: limit(0)}},
		"set pc01 --mac 52:54:00:00:00:01 --uuid=": {"pc01", api.MachineChange{MACs: []string{"52:54:00:00:00:01"}, UUID: text("")}},
		"set pc01 --ephemeral --limit 20G -o json": {"pc01", api.MachineChange{Mode: text(api.Ephemeral), Limit: limit(20 << 30)}},
		"set pc01 --from 10.0.0.0/24,10.1.0.7 --from 10.2.0.0/16 --lease": {"pc01", api.MachineChange{Access: &api.AccessChange{
			From: &[]string{"10.0.0.0/24", "10.1.0.7", "10.2.0.0/16"}, Lease: &yes,
		}}},
		"set pc01 --from none --initiator none --lease=false": {"pc01", api.MachineChange{Access: &api.AccessChange{
			From: &[]string{}, Initiators: &[]string{}, Lease: &no,
		}}},
		"set pc01 --initiator iqn.x:a": {"pc01", api.MachineChange{Access: &api.AccessChange{Initiators: &[]string{"iqn.x:a"}}}},
	} {
		w.mu.Lock()
		w.calls = nil
		w.mu.Unlock()
		_, errs, code := bootes(t, append([]string{"machine"}, strings.Fields(args)...)...)
		if got := w.called(); code != 0 || !reflect.DeepEqual(got, want) {
			t.Errorf("machine %s: code %d, %s: the server was called with %+v, want %+v", args, code, errs, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld()
	w.err = api.Errorf(api.Conflict, "MAC 52:54:00:00:00:01 belongs to machine pc01")
	socket := serveWorld(t, w)
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty, private := write("empty", "\n"), write("id", "-----BEGIN OPENSSH PRIVATE KEY-----\n")
	bad := write("bad.yaml", "data: x\nports: {http: 0}\n")
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"frobnicate", 2, "unknown command \"frobnicate\" for \"bootes\"\n`bootes --help` shows how it is used"},
		{"imgae list", 2, "unknown command \"imgae\" for \"bootes\": did you mean \"image\"?\n`bootes --help` shows how it is used"},
		{"machine lst", 2, "unknown command \"lst\" for \"bootes machine\": did you mean \"list\"?\n`bootes machine --help` shows how it is used"},
		{"image list --frob", 2, "unknown flag: --frob\n`bootes image list --help` shows how it is used"},
		{"image list extra", 2, "\"extra\" is one argument too many\n`bootes image list --help` shows how it is used"},
		{"image import a:1", 2, "FILE is missing\n`bootes image import --help` shows how it is used"},
		{"machine rm", 2, "NAME is missing\n`bootes machine rm --help` shows how it is used"},
		{"image list -o xml", 2, "-o \"xml\" is no output format: write table or json\n`bootes image list --help` shows how it is used"},
		{"image show debian", 2, `"debian" is no image: write name:tag, such as debian:12`},
		{"image show debian:99", 3, `no image "debian:99": there are debian:12, win:11`},
		{"machine show pc99", 3, `no machine "pc99"`},
		{"boot log pc99", 3, `no machine "pc99"`},
		{"boot log pc01 -n 0", 2, `--last 0: write 1 or more`},
		{"volume show 0f3a", 2, `"0f3a" means more than one volume: 0f3a-1111-aaaa, 0f3a-2222-bbbb`},
		{"volume rm kiosk", 2, `"kiosk" means more than one volume: 0f3a-2222-bbbb, 77aa-3333-cccc`},
		{"volume show zz", 3, "no volume \"zz\", nor a machine \"zz\" that has one: `bootes volume list` shows all"},
		{"volume set pc01", 2, `nothing to change: give --limit, --write-through, --shared, --iops, --bandwidth or --clear-reservations`},
		{"volume set pc01 --limit lots", 2, `--limit "lots" is no size: write a number of bytes, or one with K, M, G or T (powers of 1024), such as 512M or 10G; or none`},
		{"machine add pc02 --image debian:12", 2, `add machine "pc02": --mac is missing: the address of its network card, such as --mac 52:54:00:12:34:56`},
		{"machine add pc02 --mac 52:54:00:00:00:01", 2, `add machine "pc02": --image is missing: what it boots, such as --image debian:12`},
		{"machine add pc02 --mac 52:54:00 --image debian:12", 2, `--mac "52:54:00" is no MAC address: write six pairs of hex digits, such as 52:54:00:12:34:56`},
		{"machine add pc02 --mac 00:00:5e:10:00:00:00:01 --image a:1", 2, `--mac "00:00:5e:10:00:00:00:01" is no MAC address: write six pairs of hex digits, such as 52:54:00:12:34:56`},
		{"machine add pc02 --mac 52:54:00:00:00:01 --image debian:12", 4, `MAC 52:54:00:00:00:01 belongs to machine pc01`},
		{"machine set pc01 --from=", 2, `--from is empty: to take the rule away, write none`},
		{"machine set pc01 --initiator=", 2, `--initiator is empty: to take the rule away, write none`},
		{"machine set pc01", 2, `nothing to change: give one of --mac, --uuid, --serial, --address, --image, --persistent, --ephemeral, --limit, --loader, --from, --initiator, --lease`},
		{"machine set pc01 --address pc", 2, `--address "pc" is no IPv4 address: write one such as 192.168.1.50, or none`},
		{"machine set pc01 --persistent --ephemeral", 2, `--persistent and --ephemeral exclude each other: give one`},
		{"image rm debian:12", 4, `MAC 52:54:00:00:00:01 belongs to machine pc01`},
		{"image import a:1 " + dir + "/none.raw", 3, "import: open " + dir + "/none.raw: no such file or directory"},
		{"image import a:1 " + dir, 2, `import "` + dir + `": it is not a regular file`},
		{"image build debian", 2, `"debian" is no image: write name:tag, such as debian:12`},
		{"image build lab:1", 2, "build image \"lab:1\": only debian:12 (bookworm) and debian:13 (trixie) can be built; other systems come in by `image import`; or name a release with --suite"},
		{"image build debian:12 --size big", 2, `--size "big" is no size: write a number of bytes, or one with K, M, G or T (powers of 1024), such as 512M or 10G`},
		{"image build debian:12 --root-password-file " + empty, 2, `--root-password-file "` + empty + `": its first line is empty`},
		{"image build debian:12 --root-password-file " + dir + "/none", 3, "read root password: open " + dir + "/none: no such file or directory"},
		{"image build debian:12 --ssh-key " + private, 2, `--ssh-key "` + private + `" is a private key: name the public one, ` + private + `.pub`},
		{"image build debian:12 --ssh-key " + empty, 2, `--ssh-key "` + empty + `" has no key in it`},
		{"serve --config " + dir + "/none.yaml", 3, "no config file \"" + dir + "/none.yaml\" (file does not exist): name one with --config, or begin with: bootes serve --print-config > " + dir + "/none.yaml"},
		{"serve --check-config -c " + bad, 2, bad + ":1:7: data: \"x\" is no absolute path; write a path that begins with /\n" + bad + ":2:15: ports.http: \"0\" is no port; write a port number from 1 to 65535"},
		{"serve -c " + bad, 2, bad + ":1:7: data: \"x\" is no absolute path; write a path that begins with /\n" + bad + ":2:15: ports.http: \"0\" is no port; write a port number from 1 to 65535"},
		{"version --socket " + dir + "/s extra", 2, "\"extra\" is one argument too many\n`bootes version --help` shows how it is used"},
		{"image list --socket " + dir + "/s", 5, "no server at " + dir + "/s: start one with `bootes serve` (as root), or name another's socket with --socket or BOOTES_SOCKET"},
	} {
		out, errs, code := bootes(t, append([]string{"--socket", socket}, strings.Fields(tt.args)...)...)
		if code != tt.code || errs != "bootes: "+tt.want+"\n" {
			t.Errorf("%s: code %d, want %d\ngot  %swant bootes: %s", tt.args, code, tt.code, errs, tt.want)
		}
		if out != "" && !strings.HasPrefix(tt.args, "image rm") {
			t.Errorf("%s: fails, but says %s", tt.args, out)
		}
	}
}

func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{withCode(exitMissing, errors.New("not root")), 7},
		{fmt.Errorf("serve: %w", withCode(exitRefused, errors.New("port taken"))), 4},
		{api.Errorf(api.Invalid, "x"), 2},
		{api.Errorf(api.NotFound, "x"), 3},
		{api.Errorf(api.Conflict, "x"), 4},
		{api.Errorf(api.Forbidden, "x"), 4},
		{api.Errorf(api.Unavailable, "x"), 5},
		{api.Errorf(api.NoSpace, "x"), 6},
		{api.Errorf(api.Missing, "x"), 7},
		{api.Errorf(api.Internal, "x"), 1},
		{&api.Error{Status: 418}, 2},
		{&api.Unreachable{}, 5},
		{config.Faults{{}}, 2},
		{&config.SyntaxError{}, 2},
		{fmt.Errorf("x: %w", context.Canceled), 130},
		{fmt.Errorf("x: %w", os.ErrNotExist), 3},
		{fmt.Errorf("x: %w", api.ErrInUse), 4},
		{fmt.Errorf("x: %w", syscall.EADDRINUSE), 4},
		{fmt.Errorf("x: %w", &dhcp.RivalError{}), 4},
		{fmt.Errorf("x: %w", os.ErrPermission), 7},
	} {
		if code := exitCode(tt.err); code != tt.code {
			t.Errorf("%T %v: code %d, want %d", tt.err, tt.err, code, tt.code)
		}
	}
	out, _, code := bootes(t, "help", "exit-codes")
	for _, n := range []int{exitOK, exitFailure, exitUsage, exitNotFound, exitRefused, exitUnreachable, exitNoSpace, exitMissing, exitInterrupted} {
		if !strings.Contains(out, fmt.Sprintf("\n  %-3d  ", n)) {
			t.Errorf("exit code %d is not told", n)
		}
	}
	if code != 0 {
		t.Errorf("help exit-codes: %d", code)
	}
}

func TestServeConfigFlags(t *testing.T) {
	out, _, code := bootes(t, "serve", "--print-config")
	if code != 0 || out != config.Example {
		t.Errorf("--print-config: code %d\n%s", code, out)
	}
	path := filepath.Join(t.TempDir(), "b.yaml")
	if err := os.WriteFile(path, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := bootes(t, "serve", "--check-config", "-c", path); code != 0 || errs != "" || out != path+" is good\n" {
		t.Errorf("--check-config: code %d, %s%s", code, out, errs)
	}
	if err := os.WriteFile(path, []byte("prots: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := bootes(t, "serve", "--check-config", "-c", path, "-o", "json")
	want := `{
  "file": "` + path + `",
  "good": false,
  "faults": [
    {
      "file": "` + path + `",
      "line": 1,
      "column": 1,
      "what": "unknown key \"prots\"",
      "right": "did you mean \"ports\"?"
    }
  ]
}
`
	if code != 2 || out != want || errs != "bootes: "+path+" has faults: 1\n" {
		t.Errorf("--check-config -o json: code %d\n%s%s", code, out, errs)
	}
}

func TestVersion(t *testing.T) {
	socket := serveWorld(t, newWorld())
	out, _, code := bootes(t, "version", "--socket", socket)
	if code != 0 || !strings.Contains(out, "server  9.9, process ") {
		t.Errorf("code %d: %s", code, out)
	}
	out, _, code = bootes(t, "version", "--socket", socket+"x")
	if code != 0 || !strings.Contains(out, "server  none answers at "+socket+"x") {
		t.Errorf("without a server: code %d: %s", code, out)
	}
}
