package inventory

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"pc1": true, "pc-1": true, "1pc": true, "pc1.lab.example": true, "x": true,
		strings.Repeat("a", 63): true, "": false, "-pc": false, "pc-": false, "pc_1": false, "PC1": false, "pc 1": false, "pc1.": false, ".pc": false, "a..b": false,
		strings.Repeat("a", 64): false, strings.Repeat("a.", 32) + "b": false, "192.168.1.1": false, "12": false, "pc1\n": false, "ä": false,
		"pc/../1": false,
	} {
		if err := CheckName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestParseRef(t *testing.T) {
	for ref, ok := range map[string]bool{
		"debian:12": true, "win-10_x.y:2026-01-02.a": true, "a:B": true,
		"debian": false, ":12": false, "debian:": false, "Debian:12": false, "a/b:1": false, "a:b:c": false, "a:../x": false, "a--b:1": false, "a:-1": false,
	} {
		name, tag, err := ParseRef(ref)
		if (err == nil) != ok || ok && name+":"+tag != ref {
			t.Errorf("%q: %q %q %v", ref, name, tag, err)
		}
	}
}

func TestCanonicalMAC(t *testing.T) {
	for in, want := range map[string]string{
		"52:54:00:AB:CD:EF": "52:54:00:ab:cd:ef", "52-54-00-ab-cd-ef": "52:54:00:ab:cd:ef", "5254.00ab.cdef": "52:54:00:ab:cd:ef",
		" 52:54:00:ab:cd:ef\n": "52:54:00:ab:cd:ef", "": "", "52:54:00:ab:cd": "", "00:00:00:00:00:00": "", "ff:ff:ff:ff:ff:ff": "",
		"02:00:5e:10:00:00:00:01": "",
	} {
		got, err := CanonicalMAC(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestIdentity(t *testing.T) {
	a, err := NewIdentity("pc1")
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewIdentity("pc1")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := hex.DecodeString(a.MachineID)
	if err != nil || len(raw) != 16 || raw[6]>>4 != 4 || raw[8]>>6 != 2 {
		t.Errorf("machine-id %q is no version 4 UUID", a.MachineID)
	}
	if a.MachineID == b.MachineID || a.HostKeys["ssh_host_ed25519_key"] == b.HostKeys["ssh_host_ed25519_key"] {
		t.Error("twins")
	}
	if len(a.HostKeys) != 4 {
		t.Errorf("%d files", len(a.HostKeys))
	}
	for file, isType := range map[string]func(any) bool{
		"ssh_host_ed25519_key": func(k any) bool { _, ok := k.(*ed25519.PrivateKey); return ok },
		"ssh_host_ecdsa_key":   func(k any) bool { _, ok := k.(*ecdsa.PrivateKey); return ok },
	} {
		key, err := ssh.ParseRawPrivateKey([]byte(a.HostKeys[file]))
		if err != nil || !isType(key) {
			t.Errorf("%s: %T, %v", file, key, err)
			continue
		}
		signer, err := ssh.NewSignerFromKey(key)
		if err != nil {
			t.Fatal(err)
		}
		pub, comment, _, _, err := ssh.ParseAuthorizedKey([]byte(a.HostKeys[file+".pub"]))
		if err != nil || comment != "root@pc1" || string(pub.Marshal()) != string(signer.PublicKey().Marshal()) {
			t.Errorf("%s.pub: %q, %v", file, comment, err)
		}
		sshKeygenAgrees(t, a, file)
	}
}

// sshKeygenAgrees has OpenSSH derive the public key, where it is installed.
func sshKeygenAgrees(t *testing.T, id Identity, file string) {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		return // the format is checked above all the same
	}
	path := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(path, []byte(id.HostKeys[file]), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ssh-keygen", "-y", "-f", path).CombinedOutput()
	if err != nil || string(out) != id.HostKeys[file+".pub"] {
		t.Errorf("ssh-keygen -y %s: %v\n%s", file, err, out)
	}
}
