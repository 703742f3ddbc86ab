package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/needs"
)

const unitFile = "../../dist/bootes.service"

// unitKey is what the unit says for a key, in all its lines.
func unitKey(t *testing.T, key string) (words []string) {
	t.Helper()
	b, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^`+key+`=(.*)$`).FindAllStringSubmatch(string(b), -1) {
		words = append(words, strings.Fields(m[1])...)
	}
	return words
}

func TestUnitGivesTheCapabilitiesThatServeNeeds(t *testing.T) {
	var names []string
	for _, c := range needed {
		names = append(names, c.name)
	}
	for _, key := range []string{"AmbientCapabilities", "CapabilityBoundingSet"} {
		if got := unitKey(t, key); !slices.Equal(got, names) {
			t.Errorf("%s=%q, serve needs %q", key, got, names)
		}
	}
	if got := unitKey(t, "User"); !slices.Equal(got, []string{"bootes"}) {
		t.Errorf("User=%q", got)
	}
}

// docs/ARCHITECTURE.md quotes what systemd thinks of the unit.
func TestUnitIsSandboxed(t *testing.T) {
	needs.Program(t, "systemd-analyze", "systemd")
	out, err := exec.Command("systemd-analyze", "security", "--offline=yes", "--no-pager", unitFile).CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze: %v\n%s", err, out)
	}
	verdict := regexp.MustCompile(`Overall exposure level for bootes\.service: [0-9.]+ [A-Z]+`).FindString(string(out))
	docs, err := os.ReadFile("../../docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	if verdict == "" || !strings.Contains(string(docs), verdict) {
		t.Errorf("docs/ARCHITECTURE.md does not quote %q; all of it:\n%s", verdict, out)
	}
}

func TestLackingCapabilities(t *testing.T) {
	const how = ": start it by its unit, which gives them (systemctl start bootes), or run it with sudo"
	const bind, raw = "CAP_NET_BIND_SERVICE (ports below 1024: DHCP, TFTP, HTTP)", "CAP_NET_RAW (Ethernet frames to and from machines that have no address yet)"
	for _, c := range []struct {
		has  uint32
		want string
	}{
		{0, "bootes serve lacks " + bind + " and " + raw + how},
		{1 << unix.CAP_NET_RAW, "bootes serve lacks " + bind + how},
		{1 << unix.CAP_NET_BIND_SERVICE, "bootes serve lacks " + raw + how},
		{1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_NET_RAW, ""},
	} {
		err := lacking(c.has)
		if got := errorText(err); got != c.want || err != nil && exitCode(err) != exitMissing {
			t.Errorf("%x: exit code %d, %q, want %q", c.has, exitCode(err), got, c.want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestDataFolderOfAnother(t *testing.T) {
	needs.Root(t, "give a folder to another user")
	dir := t.TempDir()
	if err := checkOwner(filepath.Join(dir, "missing")); err != nil {
		t.Error(err)
	}
	if err := checkOwner(dir); err != nil {
		t.Error(err)
	}
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	err := checkOwner(dir)
	want := `data folder "` + dir + `" belongs to user nobody, and this server runs as root: run it as nobody (systemctl start bootes runs it as bootes), or, while no server runs: chown -R root ` + dir
	if errorText(err) != want || exitCode(err) != exitRefused {
		t.Errorf("exit code %d, %v, want %s", exitCode(err), err, want)
	}
	// The folder was given to this user, and what another's server left in it was not.
	lock := filepath.Join(dir, "lock")
	if err := errors.Join(os.Chown(dir, os.Geteuid(), 0), os.WriteFile(lock, nil, 0o600), os.Chown(lock, 65534, 0)); err != nil {
		t.Fatal(err)
	}
	want = `file "` + lock + strings.TrimPrefix(want, `data folder "`+dir)
	if err := checkOwner(dir); errorText(err) != want || exitCode(err) != exitRefused {
		t.Errorf("exit code %d, %v, want %s", exitCode(err), err, want)
	}
}

func TestDataFolderCannotBeMade(t *testing.T) {
	err := makeData("/proc/self/bootes")
	if err == nil {
		t.Fatal("made a folder in /proc")
	}
	for _, refused := range []error{os.ErrPermission, unix.EROFS} {
		got := errorText(cannotMake("/srv/bootes", refused))
		want := "make data folder: " + refused.Error() + ": make it for this user: install -d -m 700 -o " + userName(os.Geteuid()) +
			" /srv/bootes; a unit with ProtectSystem=strict needs ReadWritePaths=/srv/bootes, too"
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
