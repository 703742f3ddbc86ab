package layout

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/needs"
)

// disk makes a disk with an EFI system partition, which holds that file, if any.
func disk(t *testing.T, table, kind, file string) []byte {
	t.Helper()
	needs.Program(t, "sfdisk", "fdisk")
	needs.Program(t, "mformat", "mtools")
	name := filepath.Join(t.TempDir(), "disk")
	run := func(in string, args ...string) {
		t.Helper()
		c := exec.Command(args[0], args[1:]...)
		c.Stdin = strings.NewReader(in)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	if err := os.WriteFile(name, make([]byte, 16<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	run("label: "+table+"\nstart=2048, size=16384, type="+kind+"\n", "sfdisk", "-q", name)
	at := name + "@@1M"
	run("", "mformat", "-i", at, "-T", "16384", "-h", "16", "-s", "32")
	if file != "" {
		run("", "mmd", "-i", at, "::/EFI", "::/EFI/BOOT")
		run("x", "mcopy", "-i", at, "-", "::/EFI/BOOT/"+file)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRead(t *testing.T) {
	const esp = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
	mbr := make([]byte, 4<<20)
	mbr[0], mbr[510], mbr[511] = 0xeb, 0x55, 0xaa
	noSignature := make([]byte, 4<<20)
	noSignature[5] = 1
	for name, tt := range map[string]struct {
		b    []byte
		want diagnose.Layout
	}{
		"blank":        {make([]byte, 4<<20), diagnose.Layout{Seen: true, Blank: true}},
		"boot code":    {mbr, diagnose.Layout{Seen: true, Signature: true, Code: true}},
		"no signature": {noSignature, diagnose.Layout{Seen: true, Code: true}},
		"GPT":          {disk(t, "gpt", esp, "BOOTX64.EFI"), diagnose.Layout{Seen: true, Signature: true, GPT: true, ESP: true, EFI: []string{"BOOTX64.EFI"}}},
		"no loader":    {disk(t, "gpt", esp, ""), diagnose.Layout{Seen: true, Signature: true, GPT: true, ESP: true, EFI: []string{}}},
		"no ESP":       {disk(t, "gpt", "L", ""), diagnose.Layout{Seen: true, Signature: true, GPT: true}},
		"MBR":          {disk(t, "dos", "ef", "BOOTIA32.EFI"), diagnose.Layout{Seen: true, Signature: true, ESP: true, EFI: []string{"BOOTIA32.EFI"}}},
	} {
		got, err := Read(t.Context(), bytes.NewReader(tt.b), int64(len(tt.b)))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := Read(t.Context(), bytes.NewReader(nil), 512); err == nil || err.Error() != "look at a disk of 512 bytes: it is too small to boot from" {
		t.Errorf("a small disk: %v", err)
	}
	if _, err := Read(t.Context(), bytes.NewReader(nil), 1<<20); err == nil || !strings.HasPrefix(err.Error(), "read the beginning of the disk: ") {
		t.Errorf("a disk that cannot be read: %v", err)
	}
}
