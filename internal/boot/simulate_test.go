package boot

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
)

func (h *house) simulate(image string, macs ...string) Simulation {
	h.t.Helper()
	var all []net.HardwareAddr
	for _, mac := range macs {
		all = append(all, parseMAC(mac))
	}
	sim, err := h.Simulate(h.t.Context(), all, image)
	if err != nil {
		h.t.Fatal(err)
	}
	return sim
}

func (h *house) simulatedAsk(mac, id string, fw loaders.Firmware, ipxe bool) Answer {
	return h.DHCP(h.t.Context(), Client{
		MAC: parseMAC(mac), Interface: "br0", Server: server, Firmware: fw, IPXE: ipxe, Discover: true, Simulated: true, Simulation: id,
	})
}

func (h *house) simulatedScript(mac, ticket string) (string, error) {
	return h.Script(h.t.Context(), Asker{MAC: parseMAC(mac), Remote: server, Local: server, Facts: map[string][]string{"simulate": {ticket}}})
}

// value is what a script sets a setting to.
func value(text, setting string) string {
	_, rest, _ := strings.Cut(text, "set "+setting+" ")
	v, _, _ := strings.Cut(rest, "\n")
	return v
}

func TestSimulatedMachineIsAnsweredAndLeavesNoTrace(t *testing.T) {
	h := newHouse(t)
	sim := h.simulate("", mac1, mac2)
	if len(sim.Seats) != 2 || sim.Seats[0].Machine.Name != "pc1" || !sim.Expires.Equal(h.clock.Add(ticketTime)) {
		t.Errorf("%+v", sim)
	}
	c := h.simulatedAsk(mac1, sim.ID, loaders.EFI64, false)
	if c != (Answer{Machine: "pc1", Hostname: "pc1", Known: true, Filename: "snponly.efi"}) {
		t.Errorf("as firmware: %+v", c)
	}
	if a := h.simulatedAsk(mac1, "", loaders.BIOS, true); a.Filename != "http://10.77.0.1/ipxe/52-54-00-00-00-01" {
		t.Errorf("as iPXE, without a ticket: %+v", a)
	}
	if a := h.simulatedAsk(mac1, "", loaders.EFIARM64, false); !strings.HasPrefix(a.Reason, "no loader for its firmware") {
		t.Errorf("%+v", a)
	}
	if a := h.simulatedAsk("52:54:00:00:00:99", "", loaders.BIOS, false); a.Known || a.Reason != "unknown machine: it gets no boot. To add it: bootes machine add NAME --mac 52:54:00:00:00:99 --image debian:12" {
		t.Errorf("a stranger: %+v", a)
	}
	for mac, label := range map[string]string{mac1: "debian:12, persistent", mac2: "debian:12, ephemeral"} {
		text, err := h.simulatedScript(mac, sim.Ticket)
		if err != nil || !strings.Contains(text, label) || !strings.Contains(text, "sanboot iscsi:10.77.0.1:::0:"+prefix+":simulate:") {
			t.Errorf("%v:\n%s", err, text)
		}
		if again, _ := h.simulatedScript(mac, sim.Ticket); again != text {
			t.Errorf("another script the second time:\n%s", again)
		}
	}
	if _, err := h.simulatedScript(mac1, sim.ID); !errors.Is(err, ErrForbidden) {
		t.Errorf("what all can hear is taken for the ticket: %v", err)
	}
	if _, err := h.simulatedScript(mac1, "other"); !errors.Is(err, ErrForbidden) || !strings.Contains(err.Error(), "no simulation has that ticket for that machine, or it has ended") {
		t.Errorf("a ticket that there is not: %v", err)
	}
	for _, subject := range []string{"pc1", "pc2", mac1, "52:54:00:00:00:99"} {
		if b := h.Recorder.Boots(subject); len(b) > 0 || h.attempts.current(subject) != nil {
			t.Errorf("%s has a timeline: %+v", subject, b)
		}
	}
	if b, err := h.Inventory.Boots(t.Context(), "pc1"); err != nil || len(b) > 0 {
		t.Errorf("boots: %+v, %v", b, err)
	}
	if v, err := h.Inventory.Volumes(t.Context()); err != nil || len(v) > 0 {
		t.Errorf("volumes: %+v, %v", v, err)
	}
}

// A ticket that ends while a script is made leaves no credentials behind.
func TestSimulationEndsMeanwhile(t *testing.T) {
	h := newHouse(t)
	sim := h.simulate("", mac1)
	at, err := h.tickets.admitted(sim.Ticket, parseMAC(mac1), h.now())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.EndSimulation(sim.ID); err != nil {
		t.Fatal(err)
	}
	_, _, err = h.simulatePlan(t.Context(), at, sim.Seats[0].Machine)
	if !errors.Is(err, errNoTicket) || len(h.tickets.users) != 0 {
		t.Errorf("%v, and %d CHAP names", err, len(h.tickets.users))
	}
}

// Who plays a machine that boots just now, or has no right to its script, shows
// nothing of how that boot fares.
func TestOthersAreNoSignOfLife(t *testing.T) {
	h := newHouse(t)
	h.discover(mac1, loaders.EFI64, false)
	h.discover(mac1, loaders.EFI64, true)
	a := h.attempts.current("pc1")
	life := a.watch.life
	sim := h.simulate("", mac1)
	for _, ticket := range []string{sim.Ticket, "other"} {
		if _, err := h.simulatedScript(mac1, ticket); (err == nil) != (ticket == sim.Ticket) {
			t.Error(err)
		}
	}
	if n := a.seen.Script.Refusals; n != 0 {
		t.Errorf("%d refusals of its script, which it has not asked for", n)
	}
	if _, err := h.Script(t.Context(), Asker{MAC: parseMAC(mac1), Remote: addr2, Local: server}); !errors.Is(err, ErrForbidden) {
		t.Error(err)
	}
	if !a.watch.life.Equal(life) {
		t.Error("others are taken for it")
	}
	if h.script(mac1, addr1); a.watch.life.Equal(life) {
		t.Error("it is not heard itself")
	}
}

func TestSimulatedLogin(t *testing.T) {
	h := newHouse(t)
	sim := h.simulate("", mac1)
	text, err := h.simulatedScript(mac1, sim.Ticket)
	if err != nil {
		t.Fatal(err)
	}
	user := value(text, "username")
	if secret, ok := h.Secret(t.Context(), user); !ok || secret != value(text, "password") {
		t.Errorf("secret of %q: %q, %v", user, secret, ok)
	}
	if name, secret, ok := h.Prove(t.Context(), user); !ok || name != value(text, "reverse-username") || secret != value(text, "reverse-password") {
		t.Errorf("proof: %q, %q, %v", name, secret, ok)
	}
	in := Initiator{Name: prefix + ":init:pc1", Target: prefix + ":" + user, Remote: server}
	ad, err := h.Admit(t.Context(), in, user)
	if err != nil || !Simulated(ad.Boot.ID) || ad.Look == nil || ad.Look.ID != "" || ad.Look.Image != "debian:12" {
		t.Fatalf("%+v, %v", ad, err)
	}
	if l := h.Visible(t.Context(), in, user); l != nil {
		t.Errorf("it sees %v", l)
	}
	for _, bad := range []struct {
		Initiator
		want string
	}{
		{Initiator{Name: in.Name, Target: prefix + ":pc1"}, "these are credentials of a simulation of pc1, for " + in.Target + " only"},
		{Initiator{Name: "iqn.other", Target: in.Target}, "iqn.other is not the initiator name of pc1"},
	} {
		var no *Denied
		if _, err := h.Admit(t.Context(), bad.Initiator, user); !errors.As(err, &no) || err.Error() != bad.want {
			t.Errorf("%v", err)
		}
	}
	h.LoginRefused(in, user, "wrong secret")
	h.SimulatedSent(Client{MAC: parseMAC(mac1), Simulated: true, Simulation: sim.ID}, addr1, "OFFER 10.77.0.100")
	want := []string{"script made: debian:12, a new persistent volume, of which this shows the image", "login refused: wrong secret", "OFFER 10.77.0.100"}
	if got, err := h.Remarks(sim.ID); err != nil || strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("remarks %q, %v", got, err)
	}
	if err := h.EndSimulation(sim.ID); err != nil {
		t.Fatal(err)
	}
	if _, ok := h.Secret(t.Context(), user); ok {
		t.Error("credentials outlive their ticket")
	}
	var gone *inventory.NotFoundError
	if _, err := h.Remarks(sim.ID); !errors.As(err, &gone) || !errors.As(h.EndSimulation(sim.ID), &gone) {
		t.Errorf("a ticket that has ended: %v", err)
	}
}

// TestSimulatedFrom: the rule is tried for the machine's address, not for that of
// who plays it.
func TestSimulatedFrom(t *testing.T) {
	h := newHouse(t)
	sim := h.simulate("", mac1)
	text, err := h.simulatedScript(mac1, sim.Ticket)
	if err != nil {
		t.Fatal(err)
	}
	user := value(text, "username")
	login := func(from string) error {
		h.rule(inventory.Access{From: []netip.Prefix{netip.MustParsePrefix(from)}})
		_, err := h.Admit(t.Context(), Initiator{Name: prefix + ":init:pc1", Target: prefix + ":" + user, Remote: server}, user)
		return err
	}
	if err := login("192.168.0.0/16"); err != nil {
		t.Errorf("of an unknown address: %v", err)
	}
	const untried = `the rule "from" of pc1 was not tried: this server has offered it no address, and nobody here knows which it will have`
	if got, err := h.Remarks(sim.ID); err != nil || got[len(got)-1] != untried {
		t.Errorf("remarks %q, %v", got, err)
	}
	c := Client{MAC: parseMAC(mac1), Simulated: true, Simulation: sim.ID}
	h.SimulatedSent(c, addr1, "OFFER")
	h.SimulatedSent(c, netip.Addr{}, "what to boot")
	if err := login(addr1.String() + "/32"); err != nil {
		t.Error(err)
	}
	var no *Denied
	want := addr1.String() + ` is not in what the rule "from" of pc1 names, 192.168.0.0/16: ` + "`bootes machine set pc1 --from 192.168.0.0/16," + addr1.String() + "` lets it in"
	if err := login("192.168.0.0/16"); !errors.As(err, &no) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestTicketsEnd(t *testing.T) {
	h := newHouse(t)
	var ended []string
	h.SimulationEnded = func(target string) { ended = append(ended, target) }
	first := h.simulate("", mac1)
	for range maxTickets - 1 {
		h.simulate("", mac1)
	}
	if _, err := h.Simulate(t.Context(), []net.HardwareAddr{parseMAC(mac1)}, ""); !errors.Is(err, ErrTickets) || err.Error() != "64 simulations are under way: wait for one of them to end" {
		t.Errorf("one too many: %v", err)
	}
	text, err := h.simulatedScript(mac1, first.Ticket)
	if err != nil {
		t.Fatal(err)
	}
	if !h.Simulating(first.ID) || h.Simulating("") || h.Simulating("other") || !h.HasTicket(first.Ticket) || h.HasTicket("") || h.HasTicket(first.ID) {
		t.Error("what names the simulation")
	}
	if !h.SimulatedBy(first.ID, parseMAC(mac1)) || h.SimulatedBy(first.ID, parseMAC(mac2)) || h.SimulatedBy("other", parseMAC(mac1)) {
		t.Error("whom that simulation has")
	}
	if !h.Simulates(parseMAC(mac1)) || h.Simulates(parseMAC(mac2)) {
		t.Error("whom the simulation has")
	}
	h.later(ticketTime)
	if h.Simulates(parseMAC(mac1)) || h.Simulating(first.ID) || h.HasTicket(first.Ticket) || h.SimulatedBy(first.ID, parseMAC(mac1)) {
		t.Error("a simulation that has ended has machines")
	}
	if _, ok := h.Secret(t.Context(), value(text, "username")); ok {
		t.Error("credentials outlive their time")
	}
	if _, err := h.simulatedScript(mac1, first.Ticket); !errors.Is(err, ErrForbidden) {
		t.Errorf("a script after the ticket's time: %v", err)
	}
	if err := h.EndSimulation(first.ID); err != nil || len(ended) != 1 || ended[0] != prefix+":"+value(text, "username") {
		t.Errorf("ended %q, %v", ended, err)
	}
	h.simulate("", mac1)
}

// A client that dies does not end its simulation: its time does.
func TestSimulationEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan string, 1)
		s := New(Options{SimulationEnded: func(target string) { ended <- target }, IQNPrefix: prefix})
		defer s.Close()
		at := &seat{boot: inventory.Boot{User: "simulate:x"}}
		tk := &ticket{seats: map[string]*seat{mac1: at}}
		if err := s.begin("id", tk); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if target := <-ended; target != prefix+":simulate:x" || time.Since(begun) != ticketTime {
			t.Errorf("%s ended after %s", target, time.Since(begun))
		}
	})
}

func TestSimulatedStrangers(t *testing.T) {
	h := newHouse(t)
	h.Unknown = map[string]Unknown{"br0": {Policy: Hold, Image: "debian:12"}, "br1": {Policy: Enrol, Image: "debian:12"}}
	const mac = "52:54:00:00:00:99"
	sim := h.simulate("", mac)
	for iface, want := range map[string]string{
		"br0": "echo it would wait for approval\necho On the server: bootes machine approve 52:54:00:00:00:99 --name NAME\n",
		"br1": "echo it would be enrolled, and boot debian:12\n",
		"br2": "echo Bootes does not know this machine, 52:54:00:00:00:99\n",
	} {
		h.DHCP(t.Context(), Client{MAC: parseMAC(mac), Interface: iface, Server: server, Firmware: loaders.BIOS, IPXE: true, Simulated: true, Simulation: sim.ID})
		if text, err := h.simulatedScript(mac, sim.Ticket); err != nil || !strings.Contains(text, want) {
			t.Errorf("%s: %v\n%s", iface, err, text)
		}
	}
	if w, err := h.Inventory.AllWaiting(t.Context()); err != nil || len(w) > 0 {
		t.Errorf("waiting: %+v, %v", w, err)
	}
	if m, err := h.Inventory.Machines(t.Context()); err != nil || len(m) != 2 {
		t.Errorf("machines: %+v, %v", m, err)
	}
}

func TestSimulatedRoom(t *testing.T) {
	h := newHouse(t)
	sim := h.simulate("debian:12", mac1, "52:54:00:00:00:99")
	if m := sim.Seats[1].Machine; m.Name != "simulated-2" || m.Image != "debian:12" {
		t.Errorf("%+v", m)
	}
	if a := h.simulatedAsk("52:54:00:00:00:99", sim.ID, loaders.BIOS, true); !a.Known || a.Machine != "simulated-2" || a.Filename == "" {
		t.Errorf("%+v", a)
	}
	text, err := h.simulatedScript("52:54:00:00:00:99", sim.Ticket)
	if err != nil || value(text, "hostname") != "simulated-2" {
		t.Errorf("%v\n%s", err, text)
	}
	var bad *inventory.InvalidError
	if _, err := h.Simulate(t.Context(), nil, ""); !errors.As(err, &bad) {
		t.Errorf("none: %v", err)
	}
	var missing *inventory.NotFoundError
	if _, err := h.Simulate(t.Context(), []net.HardwareAddr{parseMAC(mac1)}, "no:1"); !errors.As(err, &missing) {
		t.Errorf("no image: %v", err)
	}
}
