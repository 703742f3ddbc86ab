package diskcheck

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/guestfs"
)

// TestKeepsLittle: of an initramfs no more is kept than of any that there are.
func TestKeepsLittle(t *testing.T) {
	var files []entry
	for i := range 8 {
		files = append(files,
			entry{fmt.Sprintf("lib/modules/%d/modules.builtin", i), strings.Repeat("x", 3<<20)},
			entry{fmt.Sprintf("lib/modules/%d/modules.dep", i), strings.Repeat("x", 3<<20)})
	}
	for i := range maxModules + 10 {
		files = append(files, entry{fmt.Sprintf("lib/modules/1/kernel/%x.ko", i), ""})
	}
	files = append(files, entry{"lib/modules/1/kernel/" + strings.Repeat("x", maxModule+1) + ".ko", ""})
	a := archive{}
	if wrong, whole := a.unpack(bufio.NewReader(bytes.NewReader(cpioOf(files)))); wrong != "" || !whole {
		t.Fatalf("%q, %v", wrong, whole)
	}
	sum := 0
	for _, text := range a.texts {
		sum += len(text)
	}
	if len(a.texts) != maxFiles/(3<<20) || sum > maxFiles || len(a.modules) != maxModules {
		t.Errorf("%d texts of %d bytes, %d modules", len(a.texts), sum, len(a.modules))
	}
}

// TestDriversOfHostile: what is no module's name is not for people to type, and no
// card has many drivers.
func TestDriversOfHostile(t *testing.T) {
	var b strings.Builder
	b.WriteString("alias pci:v00008086d0000100Esv*sd*bc*sc*i* e1000;reboot\nalias pci:v00008086d0000100Esv*sd*bc*sc*i* $(x)\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "alias pci:v00008086d0000100Esv*sd*bc*sc*i* e%d\n", i)
	}
	got := driversOf(strings.NewReader(b.String()), "8086:100e")
	if len(got) != maxDrivers || got[0] != "e0" {
		t.Errorf("%q", got)
	}
}

// TestSaysLittle: a disk with more faults than anybody reads does not fill memory.
func TestSaysLittle(t *testing.T) {
	var l look
	for i := range maxFindings + 10 {
		l.add(diagnose.Finding{}, "%d %s", i, strings.Repeat("ä", maxText))
	}
	if n := len(l.found.Findings); n != maxFindings {
		t.Errorf("%d findings", n)
	}
	if text := l.found.Findings[0].Text; len(text) > maxText+len("…") || !strings.HasPrefix(text, "0 ää") || !strings.HasSuffix(text, "ä…") {
		t.Errorf("%d bytes: %.20q", len(text), text)
	}
	if text := printable(strings.Repeat("ä", maxWord)); text != strings.Repeat("ä", maxWord/2)+"…" {
		t.Errorf("%d bytes: %.20q", len(text), text)
	}
	many := system().replace(grubCfg, "/initrd.img", strings.Repeat("/nothing ", 1000))
	if c := look1(t, disk(t, many), pc); len(c.Findings) != maxInitrds || c.Loads {
		t.Errorf("%d findings", len(c.Findings))
	}
}

// panicking is a disk whose reader has a fault, after so many reads.
type panicking struct {
	*bytes.Reader
	left int
}

func (p *panicking) ReadAt(b []byte, off int64) (int, error) {
	if p.left--; p.left < 0 {
		panic("a fault")
	}
	return p.Reader.ReadAt(b, off)
}

// TestPanic: a fault in what reads a disk is an error, and not the server's end.
func TestPanic(t *testing.T) {
	const many = 1 << 20
	b := disk(t, system())
	dev := &panicking{bytes.NewReader(b), many}
	if _, err := guestfs.Systems(t.Context(), dev, int64(len(b))); err != nil {
		t.Fatal(err)
	}
	dev.left = many - dev.left // what comes next is not guestfs's, which has a guard
	_, err := Look(t.Context(), dev, int64(len(b)), pc)
	if err == nil || !strings.Contains(err.Error(), "look into a disk: its content was not foreseen: a fault") {
		t.Error(err)
	}
}

// TestManyParts: no initramfs has thousands of archives, each of which takes a decoder.
func TestManyParts(t *testing.T) {
	for name, part := range map[string]string{"zstd": zstandard(nil), "lz4": string(magicLZ4) + "\x00\x00\x00\x00"} {
		a, r := archive{}, strings.NewReader(strings.Repeat(part, 100*maxParts))
		if wrong, whole := a.unpack(bufio.NewReaderSize(r, 16)); wrong != "" || !whole || a.whole || r.Len() < 98*maxParts*len(part) {
			t.Errorf("%s: %q, %v, %v, %d bytes are left", name, wrong, whole, a.whole, r.Len())
		}
	}
}
