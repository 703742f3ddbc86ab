package diskcheck

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"bootes.dev/internal/bytesize"
	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/guestfs"
)

const mendKernel = "install the kernel again in the system and see that there is room for it (Debian: df -h /boot; apt-get install --reinstall linux-image-amd64; update-grub)"

// kernel looks at the kernel that GRUB starts by default.
func (l *look) kernel(k *kernel) (whole bool) {
	return l.loaded(k, k.linux, k.path, "kernel", mendKernel, func(f *guestfs.Content) (string, bool) {
		head := make([]byte, bzHead)
		n, _ := io.ReadFull(f, head)
		z, ok := parseBzImage(head[:n])
		if !ok {
			return "", true // of another architecture, or none that is known
		}
		if k.version == "" {
			k.version = z.version
		}
		if f.Info.Size < z.size {
			return fmt.Sprintf("is cut off: it has %s, and its header says %s", bytesize.Format(f.Info.Size), bytesize.Format(z.size)), false
		}
		if z.long && l.machine.Bits32 {
			l.add(diagnose.Finding{Name: "kernel-64", Stops: diagnose.Load, Sure: k.sure, Elsewhere: true, Remedy: "give it an image for 32 bits (Debian: i386): bootes machine set MACHINE --image NAME:TAG"},
				"the kernel %v is for processors of 64 bits (x86-64), and the machine's has no 64-bit mode, says iPXE: it halts at once", place{k.from, k.path})
			return "", false
		}
		if z.summed() && !l.machine.Brief {
			if right, err := z.sumRight(head[:n], f); err == nil && !right {
				l.add(diagnose.Finding{Name: "kernel-sum", Stops: diagnose.Load, Remedy: mendKernel},
					"the kernel %v seems to be damaged: it does not have the CRC-32 that Linux gives it, unless something has changed it on purpose", place{k.from, k.path})
				return "", false
			}
		}
		return "", true
	})
}

// loaded looks at a file that a line of GRUB's configuration names; more tells what
// is wrong with one that is there.
func (l *look) loaded(k *kernel, c command, name, what, remedy string, more func(*guestfs.Content) (string, bool)) bool {
	p := place{k.from, name}
	finding := diagnose.Finding{Stops: diagnose.Load, Sure: k.sure, Remedy: remedy}
	said := fmt.Sprintf("the %s %v, which line %d of %v names,", what, p, c.line, k.config.place)
	f, err := l.open(p)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		finding.Name = what + "-missing"
		l.add(finding, "%s is not there%s", said, l.instead(p))
	case errors.Is(err, guestfs.ErrCorrupt), errors.Is(err, guestfs.ErrKind):
		finding.Name = what + "-unreadable"
		l.add(finding, "%s cannot be read: %v", said, err)
	case err != nil:
		return false
	}
	if err != nil {
		return false
	}
	defer f.Close()
	if f.Info.Size == 0 {
		finding.Name = what + "-empty"
		l.add(finding, "%s is empty", said)
		return false
	}
	wrong, whole := more(f)
	if wrong != "" {
		finding.Name = what + "-damaged"
		l.add(finding, "%s %s", said, wrong)
	}
	return whole
}

// instead is what a name leads to, or what is there in its place.
func (l *look) instead(p place) string {
	dir, base := path.Split(p.path)
	list, err := guestfs.List(l.ctx, l.dev, l.size, place{p.partition, dir}.String())
	if err != nil {
		return fmt.Sprintf(": nor is the folder %s", dir)
	}
	prefix, _, _ := strings.Cut(base, "-")
	var like []string
	for _, f := range list.Entries {
		if f.Name == base && f.Type == guestfs.Symlink {
			return fmt.Sprintf(": it is a link to %q, which leads nowhere", f.Target)
		}
		if f.Type == guestfs.File && strings.HasPrefix(f.Name, prefix) && len(like) < 4 {
			like = append(like, fmt.Sprintf("%q", f.Name))
		}
	}
	if len(like) == 0 {
		return ""
	}
	return fmt.Sprintf("; there is %s", strings.Join(like, ", "))
}

// The header of a Linux kernel for x86 (Documentation/arch/x86/boot.rst).
const (
	bzSetupSects = 0x1f1 // 1 byte; 0 means 4
	bzSysSize    = 0x1f4 // 4 bytes: what is behind the set-up, in 16 bytes
	bzMagic      = 0x202 // "HdrS"
	bzProtocol   = 0x206 // 2 bytes: of its header
	bzVersion    = 0x20e // 2 bytes: where its version's text is, less 512
	bzLoadFlags  = 0x236 // 2 bytes, since protocol 2.12; bit 0: it has a 64-bit entry point
	bzHead       = 32 << 10
)

type bzImage struct {
	size     int64  // that its file must have
	version  string // "6.1.0-56-amd64"
	protocol uint16 // of the header
	long     bool   // it is for processors of 64 bits
}

// parseBzImage reads what a kernel begins with.
func parseBzImage(head []byte) (z bzImage, ok bool) {
	if len(head) < bzVersion+2 || string(head[bzMagic:bzMagic+4]) != "HdrS" {
		return z, false
	}
	sects := int64(head[bzSetupSects])
	if sects == 0 {
		sects = 4
	}
	z.protocol = binary.LittleEndian.Uint16(head[bzProtocol:])
	z.long = z.protocol >= 0x20c && len(head) > bzLoadFlags && head[bzLoadFlags]&1 != 0
	z.size = (sects+1)*512 + 16*int64(binary.LittleEndian.Uint32(head[bzSysSize:]))
	if at := 512 + int(binary.LittleEndian.Uint16(head[bzVersion:])); at > 512 && at < len(head) {
		text, _, _ := strings.Cut(string(head[at:]), " ")
		if len(text) < 128 && !strings.ContainsAny(text, "/\x00") {
			z.version = text
		}
	}
	return z, true
}
