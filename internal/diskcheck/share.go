package diskcheck

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/guestfs"
)

// helpers mount what the kernel does not mount without them: mount.nfs, mount.cifs.
var helpers = map[string]struct {
	programs []string
	deb      string // Debian's package of them
	port     uint16
}{
	"nfs":  {[]string{"nfs", "nfs4"}, "nfs-common", diagnose.PortNFS},
	"nfs4": {[]string{"nfs4", "nfs"}, "nfs-common", diagnose.PortNFS},
	"cifs": {[]string{"cifs", "smb3"}, "cifs-utils", diagnose.PortSMB},
	"smb3": {[]string{"smb3", "cifs"}, "cifs-utils", diagnose.PortSMB},
}

// maxShares bounds how many folders of other computers are noted.
const maxShares = 8

// share notes a folder of another computer, of which nothing can be seen on a disk but
// whether the system has the program to mount it.
func (l *look) share(root guestfs.System, p place, m mount) {
	h, ok := helpers[m.kind]
	host, named := hostOf(m.spec)
	if !ok || !named || m.has("noauto") || len(l.found.Shares) == maxShares {
		return
	}
	s := diagnose.Share{
		Line: fmt.Sprintf("line %d of %v", m.line, p), Spec: printable(m.spec), At: printable(m.at), Host: printable(host),
		Server: l.addressOf(root, host), Port: h.port,
		Waits: !m.has("nofail", "bg", "x-systemd.automount", "comment=systemd.automount"),
	}
	if own := m.value("port"); own != "" && own != strconv.Itoa(int(h.port)) || m.has("udp", "proto=udp", "rdma", "proto=rdma") {
		s.Port = 0
	}
	l.found.Shares = append(l.found.Shares, s)
	if l.lacks(root, h.programs) {
		l.add(diagnose.Finding{Name: diagnose.FindingShare, Stops: diagnose.Run, Remedy: fmt.Sprintf("install %s in the system", h.deb)},
			"%s mounts %s from %s, and the system has no program for that (/sbin/mount.%s): it runs without", s.Line, s.At, s.Spec, m.kind)
	}
}

// hostOf is 10.0.0.9 of "10.0.0.9:/home" and of "//10.0.0.9/home".
func hostOf(spec string) (string, bool) {
	if smb, ok := strings.CutPrefix(spec, "//"); ok {
		host, _, ok := strings.Cut(smb, "/")
		return host, ok && host != ""
	}
	host, _, ok := strings.Cut(spec, ":/")
	return strings.Trim(host, "[]"), ok && host != ""
}

// maxHosts bounds an /etc/hosts.
const maxHosts = 64 << 10

// addressOf is the address of a host, if the line or /etc/hosts has it.
func (l *look) addressOf(root guestfs.System, host string) netip.Addr {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap()
	}
	b, err := l.read(place{root.Number, "/etc/hosts"}, maxHosts)
	if err != nil {
		return netip.Addr{}
	}
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		for i, name := range f {
			if i > 0 && strings.EqualFold(name, host) {
				a, _ := netip.ParseAddr(f[0])
				return a.Unmap()
			}
		}
	}
	return netip.Addr{}
}

// lacks reports whether none of the programs that mount a kind of file system is there.
func (l *look) lacks(root guestfs.System, programs []string) bool {
	if l.separate(root, "/usr") {
		return false
	}
	for _, name := range programs {
		for _, dir := range []string{"/sbin/mount.", "/usr/sbin/mount."} {
			f, err := l.open(place{root.Number, dir + name})
			if err == nil {
				f.Close()
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return false
			}
		}
	}
	return true
}
