package diskcheck

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/guestfs"
)

const mendInitramfs = "make it again in the system and see that there is room for it (Debian: df -h /boot; update-initramfs -u -k all)"

// initramfs looks at the archives that GRUB loads with the kernel.
func (l *look) initramfs(k kernel) (whole bool) {
	whole = true
	var in archive
	for _, name := range k.initrds {
		whole = l.loaded(&k, k.initrd, name, "initramfs", mendInitramfs, func(f *guestfs.Content) (string, bool) {
			if l.machine.Brief {
				return "", true
			}
			return in.unpack(bufio.NewReaderSize(f, 1<<16))
		}) && whole
	}
	l.found.Unread = in.unread
	if whole && in.whole && in.linux {
		l.reach(k, &in)
	}
	return whole && len(k.initrds) > 0
}

// archive is what is kept of all that an initramfs holds.
type archive struct {
	whole   bool              // all of it was read
	linux   bool              // it has a program to begin with
	modules map[string]bool   // of the kernel, by name
	version string            // of which kernel
	iscsi   bool              // a program that logs in
	texts   map[string]string // small files, by name; the last of a name counts
	kept    int64             // bytes of those
	left    int64             // bytes that may still be unpacked
	unread  string            // by what the rest of it is compressed, if that is not read
}

// Bounds of what is unpacked.
const (
	maxUnpacked = 1 << 30
	maxWindow   = 128 << 20 // of zstd: `zstd --ultra -22` has that
	maxParts    = 256       // archives: each makes a decoder anew, LZ4's with 8 MiB
)

var (
	magicGzip = []byte{0x1f, 0x8b}
	magicZstd = []byte{0x28, 0xb5, 0x2f, 0xfd}
	magicLZ4  = []byte{0x02, 0x21, 0x4c, 0x18} // of the legacy frame
)

// unread are what the kernel unpacks besides, by what they begin with.
var unread = map[string]string{"\xfd7zXZ\x00": "xz", "BZh": "bzip2", "\x5d\x00\x00": "lzma", "\x89LZO": "lzo"}

// errPast: it ends in a way that the kernel takes, or that is not understood.
var errPast = errors.New("not understood")

// unpack reads an initramfs: archives one after the other, each as it is or
// compressed, with zeros between them (Linux, initramfs buffer format).
func (a *archive) unpack(r *bufio.Reader) (wrong string, whole bool) {
	if a.texts == nil {
		a.texts, a.modules, a.left = map[string]string{}, map[string]bool{}, maxUnpacked
	}
	a.whole = false
	for range maxParts {
		if err := skipZeros(r); err != nil {
			a.whole = errors.Is(err, io.EOF)
			return "", a.whole
		}
		err := a.part(r)
		switch {
		case errors.Is(err, errPast):
			return "", true
		case errors.Is(err, guestfs.ErrCorrupt):
			return fmt.Sprintf("cannot be read: %v", err), false
		case err != nil:
			return fmt.Sprintf("is cut off or damaged: %v", err), false
		}
	}
	return "", true
}

// skipZeros goes on to the next byte that is not zero.
func skipZeros(r *bufio.Reader) error {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return err
		}
		if b != 0 {
			return r.UnreadByte()
		}
	}
}

// part reads one archive, compressed or not.
func (a *archive) part(r *bufio.Reader) error {
	magic, _ := r.Peek(6)
	switch {
	case bytes.HasPrefix(magic, []byte("07070")):
		return a.cpio(r)
	case bytes.HasPrefix(magic, magicGzip):
		z, err := gzip.NewReader(r)
		if err != nil {
			return fmt.Errorf("unpack by gzip: %w", err)
		}
		z.Multistream(false)
		return a.compressed(z, "gzip")
	case bytes.HasPrefix(magic, magicZstd):
		frame := newZstdFrame(r)
		z, err := zstd.NewReader(frame, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return fmt.Errorf("unpack by zstd: %w", err)
		}
		defer z.Close()
		if err := a.compressed(z, "zstd"); err != nil || frame.begun {
			return err
		}
		return errors.New("unpack by zstd: it ends too early") // which the decoder takes for nothing at all
	case bytes.HasPrefix(magic, magicLZ4):
		return a.compressed(newLZ4Frame(r), "lz4")
	}
	for begins, by := range unread {
		if bytes.HasPrefix(magic, []byte(begins)) {
			a.unread = by
		}
	}
	return errPast
}

// compressed reads archives out of a compressed stream, to its end: that is where
// one that was cut off is seen.
func (a *archive) compressed(z io.Reader, by string) error {
	in := bufio.NewReaderSize(bounded{z, &a.left}, 1<<16)
	for {
		err := skipZeros(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			if magic, _ := in.Peek(5); string(magic) != "07070" {
				return errPast
			}
			err = a.cpio(in)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("unpack by %s: it ends too early", by)
		}
		if err != nil {
			return err
		}
	}
}

// The files of Debian's initramfs that open a disk.
const (
	iscsiScript = "scripts/local-top/iscsi"
	iscsiConfig = "etc/iscsi.initramfs"
)

// iscsiModule carries iSCSI over TCP.
const iscsiModule = "iscsi_tcp"

// reach looks for what opens the disk in an initramfs that was read.
func (l *look) reach(k kernel, a *archive) {
	script, ok := a.texts[iscsiScript]
	program := a.iscsi && (!ok || strings.Contains(script, "iscsistart"))
	lacks := a.lacks(iscsiModule, true)
	l.found.ISCSI = program && lacks == ""
	f := diagnose.Finding{Name: "no-iscsi", Stops: diagnose.Reach, Sure: k.sure,
		Remedy: "apt-get install open-iscsi; echo ISCSI_AUTO=true > /etc/iscsi/iscsi.initramfs; update-initramfs -u -k all (dracut: --add iscsi, and rd.iscsi.firmware on the kernel's command line)"}
	switch name := strings.Join(k.initrds, " "); {
	case !a.iscsi:
		l.add(f, "the initramfs %s does not look for the disk by iSCSI: it has no program for that (iscsistart)", printable(name))
	case !program:
		l.add(f, "the initramfs %s does not look for the disk by iSCSI: %s in it does not call iscsistart", printable(name), iscsiScript)
	case lacks != "":
		f.Name, f.Remedy = "no-iscsi-module", mendModule(iscsiModule)
		l.add(f, "the initramfs %s cannot open the disk by iSCSI: %s", printable(name), lacks)
	default:
		l.recipe(k, a)
	}
	l.driver(k, a)
	l.mounter(k, a)
}

// recipe looks for the way in which Debian's initramfs is told its disk.
func (l *look) recipe(k kernel, a *archive) {
	text, ok := a.texts[iscsiConfig]
	if !ok {
		return
	}
	set := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			set[strings.TrimPrefix(key, "export ")] = strings.Trim(value, `"'`)
		}
	}
	switch target := set["ISCSI_TARGET_NAME"]; {
	case set["ISCSI_AUTO"] == "true":
	case target != "":
		l.add(diagnose.Finding{Name: "fixed-target", Stops: diagnose.Reach, Sure: k.sure, Remedy: "ISCSI_AUTO=true as the only line of /etc/iscsi/iscsi.initramfs, then update-initramfs -u -k all: it goes by the iBFT then, with the secret of this boot"},
			"its initramfs opens a fixed disk, %s at %s, and not that of its machine (/etc/iscsi/iscsi.initramfs)", printable(target), printable(set["ISCSI_TARGET_IP"]))
	case k.option("iscsi_target_name") == "" && k.option("ISCSI_TARGET_NAME") == "" && !hasOption(k.args, "iscsi_auto"):
		l.add(diagnose.Finding{Name: "no-iscsi-auto", Stops: diagnose.Reach, Sure: k.sure, Remedy: "echo ISCSI_AUTO=true > /etc/iscsi/iscsi.initramfs; update-initramfs -u -k all"},
			"its initramfs has iSCSI and is not told to use it: /etc/iscsi/iscsi.initramfs has no ISCSI_AUTO=true")
	}
}

func hasOption(args []string, name string) bool {
	for _, a := range args {
		if a == name || strings.HasPrefix(a, name+"=") {
			return true
		}
	}
	return false
}
