package simulate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"bootes.dev/internal/bootfile"
)

// loads fetches what firmware was told to, and looks at what it is: it returns nil
// for iPXE alone.
func (p *player) loads(ctx context.Context, f Firmware, c choice) error {
	if f.pi() {
		return p.raspberry(ctx, f, c)
	}
	u, err := locate(c.file, c.next)
	if err != nil {
		return fails(err.Error())
	}
	if f.http {
		if err := p.looks(ctx, u); err != nil {
			return err
		}
	}
	got, err := p.gets(ctx, f, u)
	if err != nil {
		return err
	}
	return p.runs(f, u, got)
}

// looks asks for a file's size and kind, which UEFI HTTP boot goes by.
func (p *player) looks(ctx context.Context, u *url.URL) error {
	p.story.add(Out, "HTTP", "HEAD "+u.String())
	n, kind, err := httpLook(ctx, p.Simulation, u.String())
	if err != nil {
		return p.failed(ctx, "HTTP", u, err)
	}
	var means []string
	if !efiTypes[kind] && !strings.HasSuffix(strings.ToLower(u.Path), ".efi") {
		p.story.bad(In, "HTTP", fmt.Sprintf("%d bytes, %s", n, kind), "UEFI runs what is application/efi, or whose name ends in .efi")
		return fails("UEFI HTTP boot does not take "+u.String()+" for a program", "name a file that ends in .efi")
	}
	if u.Scheme == "http" {
		means = append(means, "many makers' firmware refuses http: and wants https:")
	}
	p.story.add(In, "HTTP", fmt.Sprintf("%d bytes, %s", n, kind), means...)
	return nil
}

// efiTypes are the kinds of what UEFI runs, or mounts and runs (UEFI 2.10, 24.7).
var efiTypes = map[string]bool{"application/efi": true, "application/vnd.efi-iso": true, "application/vnd.efi-img": true}

// gets fetches a file, whole.
func (p *player) gets(ctx context.Context, f Firmware, u *url.URL) (fetched, error) {
	what := strings.ToUpper(u.Scheme)
	way := ""
	if u.Scheme == "tftp" && f.tftp.sizeFirst {
		way = ", its size first, as firmware does"
	}
	p.story.add(Out, what, u.String()+way)
	got, err := p.fetch(ctx, f, u, maxFile)
	if err != nil {
		return got, p.failed(ctx, what, u, err)
	}
	text := size(len(got.data), got.took)
	if got.how != "" {
		text += ", " + got.how
	}
	var means []string
	if got.resent > 0 {
		means = append(means, fmt.Sprintf("%d packets were lost and sent again", got.resent))
	}
	p.story.add(In, what, text, means...)
	return got, nil
}

// failed ends a boot whose file does not come.
func (p *player) failed(ctx context.Context, what string, u *url.URL, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.story.bad(In, what, err.Error())
	text := fmt.Sprintf("%s cannot be fetched: %v", u, err)
	var refused *tftpError
	var status *httpError
	switch {
	case errors.Is(err, errScheme):
		return unclear(text)
	case errors.As(err, &refused):
		return fails(text, "put that file there, or have the DHCP server name one that is there; for Boötes: `bootes loaders`")
	case errors.As(err, &status):
		return fails(text)
	}
	return fails(text, fmt.Sprintf("is the server at %s on, and does its firewall let this through? `bootes doctor` there shows the lines", u.Host))
}

// runs says whether firmware can run what it was given.
func (p *player) runs(f Firmware, u *url.URL, got fetched) error {
	file := bootfile.Identify(got.data)
	ends := func(text string, remedies ...string) error {
		p.story.bad(None, "loader", "it is "+file.String())
		return fails(text, remedies...)
	}
	switch {
	case len(got.data) == 0:
		return ends(u.String() + " is empty")
	case file.Script:
		return ends(fmt.Sprintf("%s is a script, and %s runs programs: a DHCP server does not tell iPXE from firmware", u, f.Title),
			"have the DHCP server name scripts to clients with user class iPXE (option 77) only")
	case f.efi && file.Machine == 0:
		return ends(fmt.Sprintf("%s is no EFI program, and %s runs nothing else", u, f.Title), "have the DHCP server name another file to architecture "+fmt.Sprint(f.arch))
	case f.efi && file.Machine != f.machine:
		return ends(fmt.Sprintf("%s is for %s, and this is %s", u, bootfile.MachineName(file.Machine), f.Title),
			"have the DHCP server name another file to architecture "+fmt.Sprint(f.arch))
	case !f.efi && file.Machine != 0:
		return ends(fmt.Sprintf("%s is for UEFI, and this is %s", u, f.Title), "have the DHCP server name another file to architecture 0")
	}
	p.story.add(None, "loader", "it is "+file.String(), secureBoot(f, file)...)
	if file.Program == "shim" {
		p.story.add(None, "loader", "the shim loads its second stage from beside itself", "here it is taken for iPXE")
		return nil
	}
	if !file.IPXE() {
		return p.beyond("firmware", u, file)
	}
	return nil
}

func secureBoot(f Firmware, file bootfile.File) []string {
	switch {
	case !f.efi || f.then == "ipxe-arm64" && f.arch == 22:
		return nil
	case !file.Signed:
		return []string{"with Secure Boot on firmware refuses it"}
	}
	return []string{"it is signed; whether this machine's firmware trusts that signature, only the machine knows"}
}

// raspberry looks for what a Raspberry Pi fetches, which it knows itself.
func (p *player) raspberry(ctx context.Context, f Firmware, c choice) error {
	serial := fmt.Sprintf("%x", p.client.wireUUID(f)[12:16])
	for _, name := range []string{serial + "/config.txt", "config.txt"} {
		u := &url.URL{Scheme: "tftp", Host: c.next.String(), Path: name}
		p.story.add(Out, "TFTP", u.String())
		got, err := p.fetch(ctx, f, u, maxFile)
		var refused *tftpError
		if errors.As(err, &refused) {
			p.story.add(In, "TFTP", err.Error(), "a Pi looks in the folder with its serial number first")
			continue
		}
		if err != nil {
			return p.failed(ctx, "TFTP", u, err)
		}
		p.story.add(In, "TFTP", size(len(got.data), got.took), "it names: "+strings.Join(piFiles(got.data), ", "))
		return unclear("a Raspberry Pi finds its config.txt there; what it goes on with, it knows itself: only iPXE is played on")
	}
	p.story.bad(None, "loader", "no config.txt")
	return fails("a Raspberry Pi finds no config.txt", "`bootes loaders` says where its boot files are to be put")
}

// piFiles are the files that a config.txt names.
func piFiles(b []byte) (names []string) {
	for line := range bytes.Lines(b) {
		key, value, ok := strings.Cut(strings.TrimSpace(string(line)), "=")
		switch strings.TrimSpace(key) {
		case "kernel", "armstub", "device_tree", "initramfs":
			if ok {
				names = append(names, strings.TrimSpace(value))
			}
		}
	}
	if len(names) == 0 {
		names = []string{"nothing, so the kernel has its usual name"}
	}
	return names
}
