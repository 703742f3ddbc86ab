package golden

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
)

func testBuilder(t *testing.T, o Options) *builder {
	t.Helper()
	return &builder{Options: o.withDefaults(), dir: t.TempDir(), rootUUID: uuid.MustParse("01234567-89ab-4cde-8f01-23456789abcd")}
}

// TestOverlay checks each file that is laid over the system: templates filled,
// scripts executable and good syntax.
func TestOverlay(t *testing.T) {
	b := testBuilder(t, Options{RootPassword: "pass'word", SSHKeys: []string{"ssh-ed25519 A", "ssh-ed25519 B"},
		KernelArgs: []string{"quiet", "net.ifnames=0"}})
	dir := b.path("overlay")
	if err := b.writeOverlay(dir); err != nil {
		t.Fatal(err)
	}
	scripts := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.Contains(string(text), "{{") || strings.Contains(string(text), "<no value>") {
			t.Errorf("%s: template not filled", path)
		}
		if !strings.HasPrefix(string(text), "#!") {
			return nil
		}
		scripts++
		info, err := d.Info()
		if err != nil {
			return err
		}
		if filepath.Base(path) != "setup.sh" && info.Mode().Perm() != 0o755 {
			t.Errorf("%s: mode %v", path, info.Mode())
		}
		if out, err := exec.Command("sh", "-n", path).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", path, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if scripts < 5 {
		t.Errorf("only %d scripts", scripts)
	}
	for name, want := range map[string]string{
		"boot/grub/grub.cfg":           "root=UUID=01234567-89ab-4cde-8f01-23456789abcd rw console=tty0 console=ttyS0,115200n8 quiet net.ifnames=0\n",
		"etc/fstab":                    "UUID=01234567-89ab-4cde-8f01-23456789abcd / ext4",
		"bootes-setup/password":        "root:pass'word\n",
		"bootes-setup/authorized_keys": "ssh-ed25519 A\nssh-ed25519 B\n",
	} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s: %q, %v; want %q in it", name, got, err, want)
		}
	}
}

func TestOverlayWithoutPassword(t *testing.T) {
	b := testBuilder(t, Options{})
	if err := b.writeOverlay(b.path("overlay")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"password", "authorized_keys"} {
		if _, err := os.Stat(b.path("overlay/bootes-setup/" + name)); !os.IsNotExist(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSources(t *testing.T) {
	b := testBuilder(t, Options{Mirror: "http://mirror.example/debian"})
	want := `deb http://mirror.example/debian bookworm main non-free-firmware
deb http://mirror.example/debian bookworm-updates main non-free-firmware
deb http://deb.debian.org/debian-security bookworm-security main non-free-firmware`
	if got := strings.Join(b.sources(), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestQuote(t *testing.T) {
	const nasty = `a b'c"d$e\`
	out, err := exec.Command("sh", "-c", "printf %s "+quote(nasty)).Output()
	if err != nil || string(out) != nasty {
		t.Errorf("the shell makes %q of it, %v", out, err)
	}
}
