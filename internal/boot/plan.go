package boot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/ipxe"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/recorder"
)

// ErrForbidden: a script was asked for from an address that is not that
// machine's.
var ErrForbidden = errors.New("address is not that machine's")

// Asker is who asks for a script, and through which of our addresses.
type Asker struct {
	MAC    net.HardwareAddr
	Remote netip.Addr
	Local  netip.Addr
	Facts  url.Values // what iPXE says of itself and of its machine; may be nil
}

// Script returns the iPXE script for a machine. Within one boot it always gives
// the same disk and the same credentials.
func (s *Service) Script(ctx context.Context, by Asker) (string, error) {
	if by.Facts.Has("simulate") {
		return s.simulateScript(ctx, by)
	}
	text, err := s.script(ctx, by)
	if err != nil {
		s.scriptRefused(by, err)
		s.tellRefused(ctx, by, err)
	}
	if !errors.Is(err, ErrForbidden) { // else it may have been anybody
		s.alive(s.attempts.byCard(by.MAC.String()))
	}
	return text, err
}

func (s *Service) script(ctx context.Context, by Asker) (string, error) {
	v, err := s.consider(ctx, by)
	if err != nil {
		return "", err
	}
	if !v.known() {
		m, text, err := s.unknown(ctx, by, v)
		if err != nil || text != "" {
			return text, err
		}
		v = verdict{machine: m}
	}
	m := v.machine
	if err := s.checkAddress(ctx, v, by); err != nil {
		return "", err
	}
	if by.Facts.Has("lm") {
		s.lacksLongMode(m.Name)
		return ipxe.Nothing, nil
	}
	if by.Facts.Has("report") {
		return ipxe.Nothing, s.learn(ctx, v, by)
	}
	a, err := s.own(ctx, v, by)
	switch {
	case err != nil:
		return "", err
	case a == nil && by.polls() >= 0:
		return ipxe.Renew(s.ownURL(nil, by)), nil
	case a == nil:
		s.Log.Warn("script asked for by a machine that is not booting", "machine", m.Name, "remote", by.Remote)
		s.tellOf(ctx, s.attempts.byCard(by.MAC.String()), by,
			fmt.Sprintf("%s asks for its script, and is told to start over: it has not just asked for an address as iPXE", by.Remote))
		return ipxe.Message("Bootes has not seen " + m.Name + " start: it starts over."), nil
	case v.ask:
		return ipxe.Ask(s.ownURL(a, by)), nil
	}
	if err := s.sure(ctx, a, v); err != nil {
		s.scriptRefused(by, err)
		return ipxe.Message(fmt.Sprintf("Bootes does not boot %s as %s:", by.MAC, m.Name), err.Error()), nil
	}
	return s.bootScript(ctx, m, a, by)
}

// bootScript is the script of a machine that may have its disk.
func (s *Service) bootScript(ctx context.Context, m inventory.Machine, a *attempt, by Asker) (string, error) {
	var iface string
	var fw loaders.Firmware
	s.attempts.with(a, func() { iface, fw = a.iface, cmp.Or(a.firmware, a.platform) })
	portal := s.portal(iface, by.Local)
	b, v, err := s.plan(ctx, m, a)
	if err != nil {
		s.scriptRefused(by, err)
		s.sayOnce(a, recorder.Event{Level: recorder.Error, Text: fmt.Sprintf("no script: %v", err)})
		s.Log.Error("machine cannot boot", "machine", m.Name, "err", err)
		return ipxe.Message("Bootes cannot boot "+m.Name+":", err.Error()), nil
	}
	w := way{target: s.Target(m.Name), portal: portal, report: s.report(m, a, by)}
	if fw == loaders.BIOS {
		w.noLongMode = s.ownURL(a, by) + "?report=1&" + noLongMode
	}
	text, err := s.diskScript(m, b, v, w)
	if err != nil {
		return "", err
	}
	s.attempts.with(a, func() {
		a.scriptIs(v, by.Remote)
		a.seen.Script.Portal, a.seen.Script.Portaled = netip.AddrPortFrom(portal, s.ISCSIPort), s.Addresses[iface].Portal.IsValid()
	})
	s.attempts.reach(a, recorder.StageScript)
	s.sayOnce(a, recorder.Event{Stage: recorder.StageScript,
		Text:  fmt.Sprintf("script made: %s, %s volume %s", imageOf(v), v.Mode, v.ID),
		Attrs: map[string]string{"image": v.Image, "digest": v.Digest, "volume": v.ID, "portal": portal.String()}})
	s.advise(ctx, a, v)
	return text, nil
}

// way is how a machine finds its disk.
type way struct {
	target string
	portal netip.Addr
	report string // where it says first what it is; empty: nowhere

	noLongMode string // where it says that its processor has no 64-bit mode; empty: nowhere
}

// portal is where the disks of machines that ask through an interface are. local
// is the address of ours that they have asked.
func (s *Service) portal(iface string, local netip.Addr) netip.Addr {
	if p := s.Addresses[iface].Portal; p.IsValid() {
		return p
	}
	return local
}

// diskScript is the script by which m boots b from v.
func (s *Service) diskScript(m inventory.Machine, b inventory.Boot, v inventory.Volume, w way) (string, error) {
	var reverse inventory.Reverse
	if !s.OneWayCHAP {
		reverse = b.Reverse
	}
	return ipxe.BootDisk(ipxe.Disk{
		Hostname:  hostname(m, v),
		Initiator: s.InitiatorName(m.Name),
		Target:    w.target,
		Portal:    netip.AddrPortFrom(w.portal, s.ISCSIPort),
		User:      b.User,
		Secret:    b.Secret,
		Label:     fmt.Sprintf("%s, %s", imageOf(v), v.Mode),

		ReverseUser: reverse.User, ReverseSecret: reverse.Secret,
		Report: w.report, NoLongMode: w.noLongMode,
	})
}

// imageOf names the image of v, and the tag that led there.
func imageOf(v inventory.Volume) string {
	switch {
	case v.Image == "":
		return "no image"
	case v.Ref == v.Image || v.Mode == inventory.Updating:
		return v.Image
	}
	return fmt.Sprintf("%s (for %s)", v.Image, v.Ref)
}

// advise says what a machine that boots from v may not expect: that it is not on
// its own disk, or that there is a newer image that its disk does not follow.
func (s *Service) advise(ctx context.Context, a *attempt, v inventory.Volume) {
	if v.Mode == inventory.Updating {
		s.sayOnce(a, recorder.Event{Text: fmt.Sprintf("update mode: it runs on a clone of %s as host \"golden\", and its own disk waits: "+
			"`bootes image publish %s NAME:TAG` makes an image of it, `bootes image update --cancel %s` gives it up", v.Image, v.Machine, v.Machine)})
		return
	}
	names, err := s.Inventory.Names(ctx)
	if err != nil {
		s.Log.Error("newer image could not be looked for", "volume", v.ID, "err", err)
		return
	}
	newer := names.Newer(v)
	if newer == "" {
		return
	}
	now := fmt.Sprintf("%s is %s now", v.Ref, newer)
	if v.Ref == newer {
		now = "its image is " + newer
	}
	s.sayOnce(a, recorder.Event{Text: fmt.Sprintf("%s, and this disk is of %s: "+
		"`bootes volume reset %s` takes the new one and throws away what the machine has written", now, v.Image, v.ID)})
}

// checkAddress refuses a script to whoever is not that machine: the script
// carries the key to its disk.
func (s *Service) checkAddress(ctx context.Context, v verdict, by Asker) error {
	cards := v.machine.MACs
	if v.byHardware {
		cards = []string{by.MAC.String()}
	}
	return s.checkHolder(ctx, fmt.Sprintf("script of %q", v.machine.Name), by, cards)
}

// checkHolder refuses whoever asks from an address that none of the cards has.
func (s *Service) checkHolder(ctx context.Context, what string, by Asker, cards []string) error {
	holder, ok := s.Locate(ctx, by.Remote)
	switch {
	case !ok:
		return fmt.Errorf("%s asked for from %s, whose MAC is unknown: %w", what, by.Remote, ErrForbidden)
	case !slices.Contains(cards, holder.String()):
		return fmt.Errorf("%s asked for from %s, which is %s: %w", what, by.Remote, holder, ErrForbidden)
	}
	return nil
}

// plan returns the stored boot of a with its volume, which is chosen when a's
// script is first asked for: a persistent machine's own clone of its image for
// ever, an ephemeral machine's fresh one for each boot, of what its tag means at
// that boot; and in update mode the clone that becomes an image.
func (s *Service) plan(ctx context.Context, m inventory.Machine, a *attempt) (inventory.Boot, inventory.Volume, error) {
	b, err := s.Inventory.Boot(ctx, a.id)
	if err != nil {
		s.attempts.forget(a)
		return b, inventory.Volume{}, err
	}
	if b.Volume != "" {
		v, err := s.Inventory.Volume(ctx, b.Volume)
		return b, v, err
	}
	v, err := s.choose(ctx, m, b)
	if err != nil {
		return b, v, err
	}
	b, err = s.Inventory.SetBoot(ctx, b.ID, func(b *inventory.Boot) { b.Volume, b.Digest = v.ID, v.Digest })
	return b, v, err
}

func (s *Service) choose(ctx context.Context, m inventory.Machine, b inventory.Boot) (inventory.Volume, error) {
	if m.Update == nil {
		return s.Disks.CreateVolume(ctx, m.Name, m.Image, m.Mode, b.ID)
	}
	v, err := s.Inventory.Volume(ctx, m.Update.Volume)
	if notFound(err) {
		err = fmt.Errorf("update mode of %s: its volume %s is gone: end it with `bootes image update --cancel %s`", m.Name, m.Update.Volume, m.Name)
	}
	return v, err
}

// discard frees the disks of boots that will never hold them again.
func (s *Service) discard(ctx context.Context, gone inventory.Superseded) {
	if err := s.Disks.Discard(ctx, gone); err != nil {
		s.Log.Error("disks of ended boots could not be removed; they stay until the next start", "err", err)
	}
}

// Target is the name of a machine's iSCSI target.
func (s *Service) Target(machine string) string { return s.IQNPrefix + ":" + machine }

// InitiatorName is the iSCSI name by which a machine logs in.
func (s *Service) InitiatorName(machine string) string { return s.IQNPrefix + ":init:" + machine }
