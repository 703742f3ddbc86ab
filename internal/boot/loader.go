package boot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"strings"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/recorder"
)

// Fetched is a loader that was sent, whole or in part, by TFTP or HTTP.
type Fetched struct {
	Name    string
	Proto   string // "TFTP" or "HTTP"
	Remote  netip.Addr
	Bytes   int64
	Took    time.Duration
	Aborted bool  // the client stopped by itself: UEFI asks for the size first
	Err     error // the transfer failed

	Answered  bool // the client answered at least once
	Restarted bool // the client asked anew while it was under way
	Block     int  // bytes in a packet of TFTP; 0: not known
	Packet    int  // of HTTP: length of a full IP packet; 0: not known
	Resent    int  // how often a packet, or a window of them, was sent again
	Repeated  int  // how often the client repeated its last answer of TFTP
}

// packet is the length of the full IP packets by which a file goes; 0: not known.
func (f Fetched) packet() int {
	const headers = 20 + 8 + 4 // IPv4, UDP, TFTP
	if f.Block > 0 {
		return f.Block + headers
	}
	return f.Packet
}

// bootFile is what firmware, or iPXE, of the machine m is told to fetch: its
// script if it can run one, else its loader; or the reason for neither.
func (s *Service) bootFile(m inventory.Machine, c Client) (name, reason string) {
	a := s.attempts.current(cmp.Or(m.Name, c.MAC.String()))
	lacks := c.lacks()
	if c.IPXE && lacks == "" {
		if c.Unmasked {
			s.note(a, recorder.Warn, "iPXE without its marks: something between it and this server takes options 77 and 175 out of its messages")
		}
		return s.scriptURL(c), ""
	}
	if c.IPXE {
		s.note(a, recorder.Info, fmt.Sprintf("its iPXE was built without %s, so it is given another one", lacks))
	}
	name, loader, err := s.fileFor(m, c)
	if err != nil {
		s.note(a, recorder.Error, err.Error())
		return "", err.Error()
	}
	if a != nil {
		s.attempts.with(a, func() { a.loader = loader })
	}
	return name, ""
}

// fileFor is the name by which c fetches its script, or its loader.
func (s *Service) fileFor(m inventory.Machine, c Client) (name, loader string, err error) {
	if c.IPXE && c.lacks() == "" {
		return s.scriptURL(c), "", nil
	}
	if loader, err = s.loader(m.Loader, c.Firmware); err != nil {
		return "", "", err
	}
	if c.Firmware.HTTP() && !c.IPXE {
		return fmt.Sprintf("http://%s/loader/%s", s.httpAddr(c), loader), loader, nil
	}
	return loader, loader, nil
}

// note records text once, if there is an attempt to record it of.
func (s *Service) note(a *attempt, level recorder.Level, text string) {
	if a != nil {
		s.sayOnce(a, recorder.Event{Level: level, Text: text})
	}
}

// loader is the file that a machine is given: the one that is pinned to it, or
// what its firmware can run.
func (s *Service) loader(pinned string, fw loaders.Firmware) (string, error) {
	if pinned == "" {
		l, err := s.Loaders.Loader(fw)
		return l.Name, err
	}
	if _, ok := s.Loaders.Has(pinned); !ok {
		return "", fmt.Errorf("its loader %s is in no folder of loaders: put it back, or let the server choose: `bootes machine set NAME --loader auto`", pinned)
	}
	return pinned, nil
}

// LoaderFetched records a loader's transfer.
func (s *Service) LoaderFetched(ctx context.Context, f Fetched) {
	a := s.attempts.sentTo(f.Remote)
	if a == nil {
		a = s.attemptAt(ctx, f.Remote)
	}
	if a == nil {
		s.Log.Debug("loader fetched by nobody known", "name", f.Name, "remote", f.Remote)
		return
	}
	if f.Aborted {
		s.attempts.with(a, func() { a.seen.Loader.Asked = "" })
		s.transferred(a, recorder.Event{Text: fmt.Sprintf("asks by %s how large %s is", f.Proto, f.Name)})
		return
	}
	runsOn := s.Loaders.RunsOn(f.Name)
	s.attempts.with(a, func() { a.sent(f, runsOn, time.Now()) })
	defer s.alive(a)
	if f.Err != nil {
		s.notFetched(a, f)
		return
	}
	s.attempts.with(a, func() { a.reloaded(f.Name) })
	s.attempts.reach(a, recorder.StageLoader)
	level := recorder.Info
	if diagnose.Lossy(f.Took, f.Resent) || diagnose.Creeps(f.Took, f.Bytes) {
		level = recorder.Warn
	}
	s.transferred(a, recorder.Event{Stage: recorder.StageLoader, Since: time.Now().Add(-f.Took), Level: level,
		Text: fmt.Sprintf("%s sent by %s, %d bytes in %s%s", f.Name, f.Proto, f.Bytes, f.Took.Round(time.Millisecond), f.how())})
}

// maxTransfers is how many are on record of one boot. A Raspberry Pi makes some
// twenty; whoever goes on and on would push the timelines of all others out.
const maxTransfers = 100

// transferred records e, which tells of a transfer of a's, or once that there are more.
func (s *Service) transferred(a *attempt, e recorder.Event) {
	many := false
	s.attempts.with(a, func() { many = a.fetches >= maxTransfers })
	if many {
		e = recorder.Event{Text: "asks for more files"}
	}
	if s.sayOnce(a, e) {
		s.attempts.with(a, func() { a.fetches++ })
	}
}

// how is what of a transfer tells of the network.
func (f Fetched) how() (text string) {
	if f.Block > 0 {
		text = fmt.Sprintf(", in packets of %d", f.Block)
	}
	switch {
	case f.Resent > 0 && f.Proto == "HTTP":
		text += fmt.Sprintf(", %d packets of it sent again", f.Resent)
	case f.Resent == 1:
		text += ", one window of them sent again"
	case f.Resent > 1:
		text += fmt.Sprintf(", %d windows of them sent again", f.Resent)
	case f.Err == nil && diagnose.Creeps(f.Took, f.Bytes):
		text += ", none of them lost: the way to it is long, or narrow"
	}
	return text
}

// optionalFile are what a shim looks for beside itself (15.8 and 16.1), and U-Boot
// before and after its loader (2023.01), and need not find.
var optionalFile = map[string]bool{
	"revocations.efi": true, "revocations_sku.efi": true, "revocations_sbat.efi": true, "shim_certificate_0.efi": true,
	"boot.scr.uimg": true, "dtb": true,
}

// notFetched records a transfer that failed. Firmware asks for much that need
// not be there; a Raspberry Pi for a dozen such files.
func (s *Service) notFetched(a *attempt, f Fetched) {
	if !errors.Is(f.Err, fs.ErrNotExist) {
		s.transferred(a, recorder.Event{Level: recorder.Warn, Stage: recorder.StageFirmware,
			Text: fmt.Sprintf("%s transfer of %s broke off after %d bytes%s: %v", f.Proto, f.Name, f.Bytes, f.how(), f.Err)})
		return
	}
	var fw loaders.Firmware
	s.attempts.with(a, func() { fw = a.firmware })
	if fw != loaders.RaspberryPi && !optionalFile[path.Base(f.Name)] {
		s.transferred(a, recorder.Event{Level: recorder.Warn, Text: fmt.Sprintf("asks by %s for %s, which no folder of loaders has", f.Proto, f.Name)})
	}
}

// BootsAt are the newest boots by the addresses that they fetch files from.
func (s *Service) BootsAt() map[netip.Addr]string { return s.attempts.at() }

// attemptAt returns the attempt of the machine that holds an address, or nil.
func (s *Service) attemptAt(ctx context.Context, addr netip.Addr) *attempt {
	mac, ok := s.Locate(ctx, addr)
	if !ok {
		return nil
	}
	return s.attempts.byCard(mac.String())
}

// scriptURL is where c's iPXE fetches its script.
func (s *Service) scriptURL(c Client) string {
	return fmt.Sprintf("http://%s/ipxe/%s", s.httpAddr(c), strings.ReplaceAll(c.MAC.String(), ":", "-"))
}
