package golden

import (
	"strings"
	"testing"
)

func TestValidateReportsAll(t *testing.T) {
	o := Options{
		Suite: "Debian 12", Size: 1 << 30, Packages: []string{"vim", "a;b"}, RootPassword: "a\nb",
		SSHKeys: []string{"ssh-ed25519"}, Mirror: "deb.debian.org", Kernel: "rt", KernelArgs: []string{"a b"},
	}.withDefaults()
	err := o.validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"output", `"Debian 12"`, "size", `"a;b"`, "password", `"ssh-ed25519"`,
		`"deb.debian.org"`, `"rt"`, `"a b"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %s in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "vim") {
		t.Errorf("complains of a good package: %v", err)
	}
	if err := (Options{Output: "x"}).withDefaults().validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}

func TestSuiteOf(t *testing.T) {
	for ref, want := range map[string]string{
		"debian:12": "bookworm", "debian:bookworm": "bookworm", "debian:13": "trixie",
		"debian": "", "debian:11": "", "ubuntu:12": "", "": "",
	} {
		got, err := SuiteOf(ref)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("SuiteOf(%q) = %q, %v; want %q", ref, got, err, want)
		}
	}
}

func TestKey(t *testing.T) {
	base := Options{}.Key()
	same := map[string]Options{
		"defaults named": {Suite: "bookworm", Size: 4 << 30, Kernel: Generic},
		"other output":   {Output: "/tmp/x", CacheDir: "/tmp/y"},
		"progress":       {Progress: func(string, int, int) {}},
	}
	for name, o := range same {
		if o.Key() != base {
			t.Errorf("%s: another key", name)
		}
	}
	seen := map[string]string{base: "defaults"}
	for name, o := range map[string]Options{
		"suite": {Suite: "trixie"}, "size": {Size: 8 << 30}, "packages": {Packages: []string{"vim"}},
		"password": {RootPassword: "x"}, "keys": {SSHKeys: []string{"ssh-ed25519 A"}}, "kernel": {Kernel: Cloud},
		"arguments": {KernelArgs: []string{"quiet"}}, "mirror": {Mirror: "http://mirror.example/debian"},
	} {
		k := o.Key()
		if other, ok := seen[k]; ok {
			t.Errorf("%s and %s have the same key", name, other)
		}
		seen[k] = name
	}
}
