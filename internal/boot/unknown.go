package boot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/ipxe"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/recorder"
)

// Policy is what becomes of machines that nobody has added.
type Policy string

// The policies. Ignore is the zero value.
const (
	Ignore Policy = ""
	Hold   Policy = "hold"  // they wait in iPXE until a person approves them
	Enrol  Policy = "enrol" // they are added by themselves
)

// Unknown is the policy of an interface, and what a machine becomes there.
type Unknown struct {
	Policy Policy
	Image  string // name:tag; may be empty with Hold
	Mode   inventory.Mode
	Name   string // pattern; see inventory.NameFor
	Limit  int64  // bytes of its disk; 0: none
}

// renewAfter is when a waiting machine asks for its address again: iPXE does not
// by itself, and the shortest lease is a minute, few are under ten.
const renewAfter = 4 * time.Minute

// stranger answers a machine that nobody has added: with no boot and a record of
// how to add it, or with what leads to the script that makes it wait or adds it.
func (s *Service) stranger(ctx context.Context, c Client, v verdict) Answer {
	ans := Answer{Reason: "unknown machine"}
	if !c.IPXE && c.Firmware == loaders.NoFirmware {
		return ans
	}
	if s.attempts.current(c.MAC.String()) == nil && c.Discover && !s.met.take(newcomers, s.now()) {
		if s.flooded.again(s.now(), time.Hour) {
			s.Log.Warn("flood of unknown machines: those that come now have no timeline and do not boot, machines that were added do. "+
				"Surely most are made up: find the port of the switch that they come from", "interface", c.Interface, "mac", c.MAC.String())
		}
		return ans
	}
	c = s.unmask(c.MAC.String(), c)
	a := s.asked(ctx, c.MAC.String(), v, c)
	if s.Unknown[c.Interface].Policy != Ignore {
		ans.Filename, ans.Reason = s.bootFile(inventory.Machine{}, c)
		return ans
	}
	if a != nil {
		remedy := s.howToAdd(ctx, c.MAC)
		if s.sayOnce(a, recorder.Event{Level: recorder.Warn, Text: "unknown machine: it gets no boot. To add it: " + remedy + resembles(v, c.MAC)}) {
			s.Log.Warn("unknown machine asks to boot", "mac", c.MAC.String(), "interface", c.Interface, "remedy", remedy)
		}
	}
	return ans
}

// resembles tells of the machine that a stranger may be.
func resembles(v verdict, mac net.HardwareAddr) string {
	m := v.like
	if m.Name == "" {
		return ""
	}
	return fmt.Sprintf(". It has the UUID or serial number of %s: if it is %s by another network card, `bootes machine set %s --mac %s`",
		m.Name, m.Name, m.Name, strings.Join(append(slices.Clone(m.MACs), mac.String()), ","))
}

// unknown returns the script of a machine that nobody has added, or the machine
// that it has been made.
func (s *Service) unknown(ctx context.Context, by Asker, v verdict) (inventory.Machine, string, error) {
	var none inventory.Machine
	a := s.attempts.scripted(by.MAC.String(), s.now())
	var u Unknown
	var asked bool
	var h inventory.Hardware
	if a != nil {
		s.attempts.with(a, func() { u, h, asked = s.Unknown[a.iface], a.hardware, a.asked })
	}
	switch {
	case a == nil && by.polls() >= 0: // the server was started anew meanwhile
		return none, ipxe.Renew(s.ownURL(nil, by)), nil
	case a == nil || u.Policy == Ignore:
		return none, ipxe.Message(
			fmt.Sprintf("Bootes does not know this machine, %s.", by.MAC),
			"To add it, type on the server:",
			"  "+s.howToAdd(ctx, by.MAC)), nil
	}
	if err := s.checkHolder(ctx, "script of "+by.MAC.String(), by, []string{by.MAC.String()}); err != nil {
		return none, "", err
	}
	if !asked {
		return none, ipxe.Ask(s.ownURL(a, by)), nil
	}
	why := ""
	if u.Policy == Enrol {
		m, err := s.enrol(ctx, a, by.MAC, h, u, v)
		if err == nil {
			return m, "", nil
		}
		why = fmt.Sprintf("not enrolled: %v", err)
		if s.sayOnce(a, recorder.Event{Level: recorder.Warn, Text: why}) {
			s.Log.Warn("unknown machine not enrolled", "mac", by.MAC.String(), "reason", err)
		}
	}
	text, err := s.hold(ctx, a, by, h, v, why)
	return none, text, err
}

// enrol adds a machine that asks for its script.
func (s *Service) enrol(ctx context.Context, a *attempt, mac net.HardwareAddr, h inventory.Hardware, u Unknown, v verdict) (inventory.Machine, error) {
	var none inventory.Machine
	if v.like.Name != "" {
		return none, fmt.Errorf("it may be %s by another network card", v.like.Name)
	}
	image, err := s.Inventory.Resolve(ctx, u.Image)
	if err == nil {
		err = image.Bootable()
	}
	if err != nil {
		return none, err
	}
	if !s.enrolled.take(enrolling, s.now()) {
		return none, fmt.Errorf("%.0f machines were enrolled within the hour, more than people unpack", enrolling.atOnce)
	}
	m, err := s.addStranger(ctx, mac, h, u)
	if err != nil {
		s.enrolled.giveBack() // it asks again in seconds, and others want their turn
		return none, err
	}
	s.say(a, recorder.Event{Text: fmt.Sprintf("enrolled as machine %s, which boots %s", m.Name, m.Image)})
	s.Log.Info("machine enrolled", "machine", m.Name, "mac", mac.String(), "hardware", describe(h))
	return m, nil
}

func (s *Service) addStranger(ctx context.Context, mac net.HardwareAddr, h inventory.Hardware, u Unknown) (inventory.Machine, error) {
	name, err := s.Inventory.NameFor(ctx, cmp.Or(u.Name, inventory.DefaultPattern), mac.String(), h)
	if err != nil {
		return inventory.Machine{}, err
	}
	return s.Inventory.AddMachine(ctx, inventory.Machine{
		Name: name, MACs: []string{mac.String()}, Image: u.Image, Mode: u.Mode, Limit: u.Limit, Hardware: h,
	})
}

// hold returns the script by which a machine waits for approval.
func (s *Service) hold(ctx context.Context, a *attempt, by Asker, h inventory.Hardware, v verdict, why string) (string, error) {
	var iface string
	var late bool
	s.attempts.with(a, func() { iface, late = a.iface, s.now().Sub(a.addressed) > renewAfter })
	if late {
		return ipxe.Renew(s.ownURL(a, by)), nil
	}
	poll := max(by.polls(), 0)
	url := fmt.Sprintf("%s?poll=%d", s.ownURL(a, by), poll+1)
	_, err := s.Inventory.Wait(ctx, inventory.Waiting{MAC: by.MAC.String(), Interface: iface, Hardware: h, Like: v.like.Name})
	if errors.Is(err, inventory.ErrWaitingFull) {
		if s.full.again(s.now(), time.Hour) {
			s.Log.Warn("too many unknown machines wait for approval: others are not listed", "waiting", inventory.MaxWaiting, "mac", by.MAC.String())
		}
		return ipxe.Wait(url, fmt.Sprintf("Bootes: %v. This one, %s, is not in the list.", err, by.MAC)), nil
	}
	if err != nil {
		return "", err
	}
	s.attempts.with(a, func() { a.seen.Script.Waiting = true })
	remedy := s.howToApprove(ctx, by.MAC, s.Unknown[iface])
	if s.sayOnce(a, recorder.Event{Level: recorder.Warn, Text: "it waits for approval: " + remedy + resembles(v, by.MAC)}) {
		s.Log.Warn("unknown machine waits for approval", "mac", by.MAC.String(), "interface", iface, "hardware", describe(h), "remedy", remedy)
	}
	if poll%20 != 0 { // once a minute on the screen
		return ipxe.Wait(url), nil
	}
	lines := []string{"Bootes: waiting for approval", "  MAC " + by.MAC.String()}
	for _, l := range []struct{ label, text string }{{"", describe(h)}, {"perhaps ", v.like.Name}, {"", why}} {
		if l.text != "" {
			lines = append(lines, "  "+l.label+l.text)
		}
	}
	return ipxe.Wait(url, append(lines, "On the server: "+remedy)...), nil
}

// howToApprove is the command that approves the machine with a MAC.
func (s *Service) howToApprove(ctx context.Context, mac net.HardwareAddr, u Unknown) string {
	command := fmt.Sprintf("bootes machine approve %s --name NAME", mac)
	if u.Image != "" {
		return command
	}
	if images, err := s.Inventory.Images(ctx); err == nil && len(images) > 0 {
		return command + " --image " + images[0].Ref()
	}
	return "bootes image build debian:12; " + command + " --image debian:12"
}

// polls is how often a waiting machine has asked already; -1 if it does not wait.
func (by Asker) polls() int {
	n, err := strconv.Atoi(by.Facts.Get("poll"))
	if err != nil || n < 0 || n > 1e9 {
		return -1
	}
	return n
}

// ownURL is where by asks for its script.
func (s *Service) ownURL(a *attempt, by Asker) string {
	c := Client{MAC: by.MAC, Server: by.Local}
	if a != nil {
		s.attempts.with(a, func() { c.Interface = a.iface })
	}
	return s.scriptURL(c)
}
