package diskcheck

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"bootes.dev/internal/diagnose"
)

// fixedAddress looks at ip= (Documentation/admin-guide/nfs/nfsroot.rst): client,
// server, router, netmask, host name, device, how.
func (l *look) fixedAddress(k kernel, value string) {
	f := strings.Split(value, ":")
	addr, err := netip.ParseAddr(f[0])
	if err != nil || !addr.Is4() || len(f) < 4 {
		return
	}
	bits, ok := maskBits(f[3])
	if !ok {
		return
	}
	away := l.machine.Server.Is4() && !netip.PrefixFrom(addr, bits).Contains(l.machine.Server)
	where := ""
	if away {
		where = fmt.Sprintf(", in another network than its disk, which is at %s", l.machine.Server)
	}
	l.add(diagnose.Finding{Name: "fixed-address", Stops: diagnose.Reach, Sure: away && f[2] == "" && k.sure, Remedy: "take ip= out of GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub: without it the system goes by the iBFT"},
		"line %d of %v gives every machine the address %s (ip=%s)%s", k.linux.line, k.config.place, addr, printable(value), where)
}

// maskBits is 24 of "255.255.255.0" and of "24".
func maskBits(text string) (int, bool) {
	if n, err := strconv.Atoi(text); err == nil {
		return n, n >= 0 && n <= 32
	}
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is4() {
		return 0, false
	}
	b, bits := a.As4(), 0
	for i := range 32 {
		if b[i/8]&(0x80>>(i%8)) == 0 {
			break
		}
		bits++
	}
	return bits, true
}
