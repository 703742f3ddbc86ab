package simulate

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"bootes.dev/internal/bootfile"
)

// next is what programs that are not played ask for next, as far as it can be
// told.
var next = map[string]string{
	"GRUB":                 "GRUB looks for its grub.cfg next, where it was built to, mostly beside itself or on a disk",
	"PXELINUX":             "PXELINUX fetches ldlinux.c32 next, and its menu, pxelinux.cfg/01-%s or default, both from beside itself",
	"Windows Boot Manager": "Windows Boot Manager fetches Boot/BCD next, and what that names",
	"wimboot":              "wimboot wants bootmgr, BCD and boot.wim of iPXE, which have to be fetched before it",
	"systemd-boot":         "systemd-boot looks for loader/loader.conf on the disk that it was started from",
	"gPXE":                 "gPXE asks by DHCP anew, as user class gPXE",
	"Linux":                "Linux needs its initrd and its command line next",
}

// beyond is the verdict where a program takes over that is not played: who runs
// it, and what it is.
func (p *player) beyond(who string, u *url.URL, file bootfile.File) error {
	text := fmt.Sprintf("all is well as far as this looks: %s gets %s and runs it; it is %s. Here it ends, because only iPXE is played on", who, u, file)
	if then, ok := next[file.Program]; ok {
		text += ": " + strings.Replace(then, "%s", strings.ReplaceAll(p.MAC.String(), ":", "-"), 1)
	}
	return unclear(text, fmt.Sprintf("what it asks for after that, the log of the server at %s says when a machine boots; for Boötes: `bootes boot log MACHINE --packets`", u.Hostname()))
}

// image is the verdict of a disk image that iPXE reads by HTTP.
func (p *player) image(ctx context.Context, u *url.URL) error {
	p.story.add(Out, "HTTP", "HEAD "+u.String())
	n, kind, err := httpLook(ctx, p.Simulation, u.String())
	if err != nil {
		return p.failed(ctx, "HTTP", u, err)
	}
	p.story.add(In, "HTTP", fmt.Sprintf("%d bytes, %s", n, kind))
	return unclear(fmt.Sprintf("all is well as far as this looks: the image %s is there, and iPXE would read it block by block. Here it ends: what is on it was not looked at", u))
}
