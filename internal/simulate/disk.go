package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/initiator"
	"bootes.dev/internal/layout"
)

// target is what an iSCSI URI names (RFC 4173, 5; ipxe.org/sanuri).
type target struct {
	portal netip.AddrPort
	lun    uint8
	name   string
}

const iscsiPort = 3260

var errURI = errors.New("write iscsi:SERVER:PROTOCOL:PORT:LUN:TARGET")

func parseTarget(uri string) (t target, err error) {
	parts := strings.SplitN(strings.TrimPrefix(uri, "iscsi:"), ":", 5)
	if !strings.HasPrefix(uri, "iscsi:") || len(parts) != 5 || parts[4] == "" {
		return t, fmt.Errorf("%q names no iSCSI disk: %w", uri, errURI)
	}
	at, err := netip.ParseAddr(parts[0])
	if err != nil {
		return t, fmt.Errorf("%q names no address: %w", uri, errURI)
	}
	port, lun := uint64(iscsiPort), uint64(0)
	if parts[2] != "" {
		if port, err = strconv.ParseUint(parts[2], 10, 16); err != nil {
			return t, fmt.Errorf("%q names no port: %w", uri, errURI)
		}
	}
	if parts[3] != "" {
		if lun, err = strconv.ParseUint(parts[3], 16, 8); err != nil {
			return t, fmt.Errorf("%q names no LUN here: %w", uri, errURI)
		}
	}
	return target{netip.AddrPortFrom(at, uint16(port)), uint8(lun), parts[4]}, nil
}

// san is sanboot and sanhook.
func (r *runner) san(ctx context.Context, command string, args []string) error {
	_, uris := flags(args, "--drive", "-d", "--filename", "-f", "--extra", "-e", "--label", "-l")
	if len(uris) == 0 && command == "sanboot" && r.hooked {
		return boots("the disk that its script has opened")
	}
	if len(uris) == 0 {
		return errFailed
	}
	before := r.p.story.stage
	r.p.story.stage = StageDisk
	defer func() { r.p.story.stage = before }()
	if command == "sanhook" {
		return r.sanhook(ctx, uris[0])
	}
	if u, err := url.Parse(uris[0]); err == nil && u.Scheme == "http" {
		return r.p.image(ctx, u)
	}
	return r.p.sanboot(ctx, r, uris)
}

func (r *runner) sanhook(ctx context.Context, uri string) error {
	s, _, err := r.login(ctx, uri)
	if err != nil {
		return err
	}
	r.hooked = true
	return s.Close()
}

// sanboot opens a disk and looks for what firmware would run from it.
func (p *player) sanboot(ctx context.Context, r *runner, uris []string) error {
	if !strings.HasPrefix(uris[0], "iscsi:") {
		return unclear(fmt.Sprintf("it would boot from %s, which cannot be looked at from here", uris[0]))
	}
	s, t, err := r.login(ctx, uris[0])
	if err != nil {
		return err
	}
	defer s.Close()
	disk, err := s.Disk(ctx, t.lun)
	if err != nil {
		p.story.bad(In, "iSCSI", err.Error())
		return fails(fmt.Sprintf("the login works, and LUN %d cannot be read: %v", t.lun, reason(err)), "is that the right LUN?")
	}
	p.story.add(In, "disk", fmt.Sprintf("LUN %d: %d bytes, in blocks of %d", t.lun, disk.Size(), disk.BlockSize()))
	l, err := layout.Read(ctx, &reader{ctx, disk}, disk.Size())
	_ = s.Logout(ctx) // it was only looked at
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		p.story.bad(In, "disk", err.Error())
		return fails(fmt.Sprintf("the disk cannot be read: %v", err))
	}
	return p.judge(r.f, l, uris[0])
}

// judge is the verdict on a disk that begins like this.
func (p *player) judge(f Firmware, l diagnose.Layout, uri string) error {
	fw := diagnose.Firmware{Name: f.Title, UEFI: f.efi, Arch: map[uint16]string{6: "i386", 7: "x86_64", 11: "arm64"}[f.arch]}
	if lacks := l.Lacks(fw); lacks != "" {
		p.story.bad(In, "disk", lacks, l.Facts()...)
		other := "UEFI, or its image be made for a BIOS, too"
		if f.efi {
			other = "a BIOS, or its image be made for UEFI, too"
		}
		return fails(fmt.Sprintf("the disk opens, and %s would run nothing from it: %s", f.Title, lacks),
			"the machine has to start by "+other+": `bootes image build` makes images for both")
	}
	p.story.add(In, "disk", strings.Join(l.Facts(), "; "))
	text := "the disk " + uri
	if n := len(p.screen); n > 0 {
		text += fmt.Sprintf("; the screen shows %q", p.screen[n-1])
	}
	return boots(text)
}

// login logs in as iPXE would.
func (r *runner) login(ctx context.Context, uri string) (*initiator.Session, target, error) {
	t, err := parseTarget(uri)
	if err != nil {
		r.p.story.add(None, "iSCSI", err.Error())
		return nil, t, errFailed
	}
	o := r.initiator(t)
	how := "without CHAP"
	switch {
	case o.ReverseUser != "":
		how = fmt.Sprintf("by mutual CHAP as %s", o.User)
	case o.User != "":
		how = fmt.Sprintf("by CHAP as %s", o.User)
	}
	r.p.story.add(Out, "iSCSI", fmt.Sprintf("login to %s at %s, %s", t.name, t.portal, how))
	late, cancel := context.WithTimeout(ctx, loginWait)
	defer cancel()
	s, err := initiator.Dial(late, t.portal.String(), o)
	switch {
	case ctx.Err() != nil:
		return nil, t, ctx.Err()
	case err != nil:
		return nil, t, r.refused(t, err)
	}
	means := []string{}
	if strings.Contains(t.name, ":simulate:") {
		means = append(means, "a target of this simulation alone: read-only, and the machine does not notice")
	}
	r.p.story.add(In, "iSCSI", "logged in", means...)
	return s, t, nil
}

const loginWait = 15 * time.Second

// initiator is how iPXE logs in: it knows MD5 only, and its names are settings.
func (r *runner) initiator(t target) initiator.Options {
	name := r.settings["initiator-iqn"]
	if name == "" {
		name = "iqn.2010-04.org.ipxe:" + r.p.MAC.String()
		if host := r.settings["hostname"]; host != "" {
			name = "iqn.2010-04.org.ipxe:" + host
		}
	}
	return initiator.Options{
		Initiator: name, Target: t.name, Algorithms: "5", FollowRedirects: true, MaxData: 8192, Depth: 1,
		User: r.settings["username"], Secret: r.settings["password"],
		ReverseUser: r.settings["reverse-username"], ReverseSecret: r.settings["reverse-password"],
	}
}

// refused ends where a login does not work.
func (r *runner) refused(t target, err error) error {
	r.p.story.bad(In, "iSCSI", err.Error())
	var status *initiator.LoginError
	var dial *net.OpError
	text := fmt.Sprintf("the disk cannot be opened: %v", err)
	switch {
	case errors.As(err, &status) && status.Status == 0x0201:
		return fails(text, "the CHAP name or secret is not the target's: 0201 is an authentication failure")
	case errors.As(err, &status):
		return fails(text, "the log of the target says why")
	case errors.As(err, &dial), errors.Is(err, context.DeadlineExceeded):
		return fails(text, fmt.Sprintf("let TCP port %d through the firewall of %s, and see that the target is on: `bootes doctor` there shows the lines", t.portal.Port(), t.portal.Addr()))
	}
	return fails(text)
}

// reader is a disk under a context.
type reader struct {
	ctx  context.Context
	disk *initiator.Disk
}

// ReadAt reads any range, by whole blocks.
func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	size := int64(r.disk.BlockSize())
	from, to := off/size*size, (off+int64(len(p))+size-1)/size*size
	if off < 0 || off >= r.disk.Size() {
		return 0, io.EOF
	}
	b := make([]byte, min(to, r.disk.Size())-from)
	if err := r.disk.ReadAt(r.ctx, b, from); err != nil {
		return 0, err
	}
	n := copy(p, b[off-from:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
