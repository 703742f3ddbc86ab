package diskcheck

import (
	"bytes"
	"debug/elf"
	"io"
	"os"
	"path"
	"strings"
	"testing"
)

// TestNeedsOfInit gives a disk a program of this computer's for its first one.
func TestNeedsOfInit(t *testing.T) {
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	e, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	var loader string
	for _, p := range e.Progs {
		if p.Type == elf.PT_INTERP {
			b, _ := io.ReadAll(p.Open())
			loader = strings.Trim(string(b), "\x00/")
		}
	}
	libc := path.Join("usr/lib", debianFolders[e.Machine], "libc.so.6")
	whole := func() tree {
		return system().with("lib/systemd/systemd", string(program)).with(loader, elf.ELFMAG).with(libc, elf.ELFMAG)
	}
	const begins = "the system's first program, p1:/sbin/init, "
	for name, tt := range map[string]struct {
		files tree
		sure  bool
		want  string // "": nothing
	}{
		"whole":           {files: whole()},
		"no loader":       {whole().with(loader, ""), true, begins + "cannot start: p1:/" + loader + ", which loads its libraries, is not there"},
		"empty library":   {whole().with(libc, empty), true, begins + "cannot start: its library p1:/" + libc + " is empty"},
		"damaged library": {whole().with(libc, "\x00\x00\x00\x00\x00"), true, begins + "cannot start: its library p1:/" + libc + " is damaged: it does not begin as a program does"},
		"no library":      {whole().with(libc, ""), false, begins + "needs libc.so.6, which is in none of the usual folders"},
	} {
		c := look1(t, disk(t, tt.files), pc)
		if tt.want == "" && len(c.Findings) == 0 {
			continue
		}
		if len(c.Findings) != 1 || c.Findings[0].Name != "init-needs" || c.Findings[0].Sure != tt.sure || !strings.HasPrefix(c.Findings[0].Text, tt.want) {
			t.Errorf("%s: %+v", name, c.Findings)
		}
	}
}
