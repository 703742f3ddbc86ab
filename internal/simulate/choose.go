package simulate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"bootes.dev/internal/dhcp"
)

// choice is what firmware has been told to boot.
type choice struct {
	lease Answer
	file  string
	next  netip.Addr
	root  string // a disk in place of a file
}

// asks goes from DISCOVER to what is to be fetched.
func (p *player) asks(ctx context.Context, f Firmware) (choice, error) {
	all, err := p.discover(ctx, f)
	if err != nil {
		return choice{}, err
	}
	lease, ok := p.lease(all)
	if !ok {
		return choice{}, p.noAddress(all)
	}
	if p.Lease {
		if lease, err = p.take(ctx, f, lease); err != nil {
			return choice{}, err
		}
	}
	from, err := p.bootOffer(ctx, f, lease, all)
	if err != nil {
		return choice{}, err
	}
	c := choice{lease, from.File, from.Next, from.Root}
	if !c.next.IsValid() {
		c.next = from.From
	}
	return c, nil
}

// lease is the offer of an address that the machine takes: the first one, unless
// another tells what to boot, too.
func (p *player) lease(all []Answer) (Answer, bool) {
	leases := slices.DeleteFunc(slices.Clone(all), Answer.Proxy)
	if len(leases) == 0 {
		return Answer{}, false
	}
	if len(leases) > 1 {
		p.story.add(None, "warning", fmt.Sprintf("%d servers offer addresses on this network: which one a machine takes is chance", len(leases)),
			"two DHCP servers on one network give out clashing addresses: switch one off, unless they share out the range")
	}
	if i := slices.IndexFunc(leases, func(a Answer) bool { return a.File != "" }); i >= 0 {
		return leases[i], true
	}
	return leases[0], true
}

func (p *player) noAddress(all []Answer) error {
	const doctor = "look for it on the server: `bootes dhcp-status`, `bootes doctor`"
	if len(all) > 0 {
		p.story.bad(None, "end", "only proxies answered: nobody gives this machine an address")
		return fails("no DHCP server offers an address, only proxies answer", "have a DHCP server on this network, or say dhcp: server in the config of Boötes", doctor)
	}
	p.story.bad(None, "end", fmt.Sprintf("nobody answered within %s", p.Wait.Round(time.Second)))
	remedies := []string{"is the DHCP server on, and on this network? " + doctor}
	if p.Ticket == "" {
		remedies = append(remedies, "a Boötes that is a DHCP server leaves machines that nobody has added without an answer unless they boot from the network")
	}
	return fails("no DHCP server answers this machine", append(remedies, "a firewall on this computer or on the way may drop UDP ports 67 and 68")...)
}

// take asks for the lease, which a server then keeps.
func (p *player) take(ctx context.Context, f Firmware, o Answer) (Answer, error) {
	xid := newXid()
	answers, end := p.wire.Expect(xid)
	defer end()
	p.story.add(Out, "REQUEST", fmt.Sprintf("takes %s of %s", o.Address, o.Server))
	if err := p.wire.Broadcast(p.client.request(f, xid, o)); err != nil {
		return o, err
	}
	late := time.NewTimer(p.Wait)
	defer late.Stop()
	for {
		select {
		case a := <-answers:
			switch {
			case a.Type == dhcp.NAK:
				p.story.bad(In, "NAK", fmt.Sprintf("from %s: %q", a.From, a.Message))
				return o, fails(fmt.Sprintf("the DHCP server %s refuses the address that it has offered: %s", a.From, a.Message), "`bootes lease ls` shows who has it")
			case a.Type == dhcp.ACK:
				p.story.add(In, "ACK", fmt.Sprintf("from %s%s: %s", a.From, by(a), a), "the lease stays until it ends")
				return a, nil
			}
		case <-late.C:
			p.story.bad(None, "end", "no answer to the REQUEST")
			return o, fails(fmt.Sprintf("the DHCP server %s offers an address and does not answer the REQUEST for it", o.From))
		case <-ctx.Done():
			return o, ctx.Err()
		}
	}
}

// bootOffer is the answer by which f knows what to fetch.
func (p *player) bootOffer(ctx context.Context, f Firmware, lease Answer, all []Answer) (Answer, error) {
	a, ask, ok := f.pick(lease, all)
	switch {
	case !ok:
		return a, p.noFile(f, all)
	case ask:
		return p.asksProxy(ctx, f, a)
	}
	return a, nil
}

// pick is the offer that tells f what to boot, and whether f asks port 4011 what
// it means; ok is false if there is none.
func (f Firmware) pick(lease Answer, all []Answer) (a Answer, ask, ok bool) {
	if f.ipxe() {
		return f.pickIPXE(lease, all)
	}
	if f.pi() {
		i := slices.IndexFunc(all, Answer.forPi)
		if i < 0 {
			return a, false, false
		}
		return all[i], false, true
	}
	if lease.netboot() && lease.File != "" && f.takes(lease) {
		return lease, f.binl(lease), true
	}
	for _, a := range all {
		if !a.Proxy() || !a.netboot() || !f.takes(a) || f.http || f.plain {
			continue
		}
		control, told := discovery(a)
		here := told && control&8 != 0 && a.File != ""
		switch {
		case !f.efi && here:
			return a, false, true
		case f.efi && len(a.Vendor) > 0 && (here || menuItem(a) == nil):
			continue // dropped, see meaning
		}
		return a, true, true
	}
	if lease.File != "" && f.takes(lease) {
		return lease, false, true
	}
	if i := slices.IndexFunc(all, func(a Answer) bool { return f.http && a.File != "" && f.takes(a) }); i >= 0 {
		return all[i], false, true
	}
	return Answer{}, false, false
}

// binl reports whether UEFI takes a server's offer for one of Microsoft's BINL,
// which is asked on port 4011: it says PXEClient and has no option 43.
func (f Firmware) binl(a Answer) bool { return f.efi && !f.http && !f.plain && len(a.Vendor) == 0 }

// pickIPXE is where iPXE finds its script: a proxy's word goes first.
func (f Firmware) pickIPXE(lease Answer, all []Answer) (a Answer, ask, ok bool) {
	for _, a := range all {
		if !lease.noProxy && a.Proxy() && a.netboot() && a.File != "" {
			return a, false, true
		}
	}
	return lease, false, lease.File != "" || lease.Root != ""
}

// takes reports whether f can fetch what an answer names.
func (f Firmware) takes(a Answer) bool {
	url := strings.Contains(a.File, "://")
	if f.http {
		return url && (a.Class == "" || strings.HasPrefix(a.Class, "HTTPClient"))
	}
	return !url || strings.HasPrefix(a.File, "tftp://")
}

func (p *player) noFile(f Firmware, all []Answer) error {
	p.story.bad(None, "end", fmt.Sprintf("no server told %s what to fetch", f.Title))
	remedies := []string{"`bootes dhcp-snippet` writes what the DHCP server here must be told, if that is not Boötes"}
	if slices.ContainsFunc(all, func(a Answer) bool { return a.File != "" }) {
		remedies = append([]string{"the offers above say why their boot files do not count"}, remedies...)
	}
	return fails(fmt.Sprintf("the machine gets an address, and no server tells %s what to boot", f.Title), remedies...)
}

// asksProxy asks a boot server on port 4011.
func (p *player) asksProxy(ctx context.Context, f Firmware, a Answer) (Answer, error) {
	server := a.Next
	if !f.efi || !server.IsValid() {
		server = a.From
	}
	own := p.wire.Own()
	p.story.add(Out, "REQUEST", fmt.Sprintf("to %s, port 4011: what to fetch?", server))
	ctx, cancel := context.WithTimeout(ctx, p.Wait)
	defer cancel()
	got, err := p.wire.bootServer(ctx, server, p.client.bootRequest(f, newXid(), own, menuItem(a)))
	switch {
	case err == nil && got.File == "":
		p.story.bad(In, "ACK", fmt.Sprintf("from %s, port 4011: it names no boot file", got.From))
		return got, fails(fmt.Sprintf("the proxy %s does not name a boot file when it is asked on port 4011", server))
	case err == nil:
		p.story.add(In, "ACK", fmt.Sprintf("from %s, port 4011: %s", got.From, got))
		return got, nil
	case errors.Is(ctx.Err(), context.Canceled):
		return got, ctx.Err()
	}
	p.story.bad(None, "end", fmt.Sprintf("%s does not answer on port 4011", server))
	return got, fails(fmt.Sprintf("the proxy %s offers a boot and does not answer on UDP port 4011, where this firmware asks", server),
		"let UDP port 4011 through the firewall of that server: `bootes doctor` there shows the lines")
}
