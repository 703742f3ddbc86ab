package diagnose

import (
	"fmt"
	"strings"
	"time"

	"bootes.dev/internal/recorder"
)

// facts collects what was seen.
type facts []string

// add adds a sentence if it is so.
func (f *facts) add(so bool, format string, args ...any) {
	if so {
		*f = append(*f, fmt.Sprintf(format, args...))
	}
}

func cause(text, remedy string, args ...any) recorder.Cause {
	return recorder.Cause{Text: text, Remedy: fmt.Sprintf(remedy, args...)}
}

// common is what every diagnosis ends with.
func (c Case) common() []string {
	var f facts
	f.add(c.Conflict.Alive, "asked by ARP, its network card answers: it has power, and a link")
	f.add(c.Usual > 0, "its earlier boots were past this point after %s", since(c.Usual))
	return f
}

// since is a time as people say it.
func since(d time.Duration) string {
	switch {
	case d >= time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	case d >= time.Minute && d.Round(time.Second)%time.Minute == 0:
		return fmt.Sprintf("%dm", d.Round(time.Second)/time.Minute)
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// times is how often something happened.
func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// others counts machines.
func others(n int) string {
	if n == 1 {
		return "1 other machine"
	}
	return fmt.Sprintf("%d other machines", n)
}

// openPort is how machines are let in.
func (c Case) openPort(proto string, port uint16) string {
	return fmt.Sprintf("`bootes doctor`, as root, names the rule and its chain; if that is input of the table inet filter: nft insert rule inet filter input iifname %q %s dport %d accept, "+
		"and the same in /etc/nftables.conf, so that it is there after a restart", c.Interface, proto, port)
}

// simulate is the command that plays this machine.
func (c Case) simulate() string {
	if c.Firmware.Flag == "" {
		return fmt.Sprintf("bootes simulate --firmware ipxe --mac %s", c.MAC)
	}
	return fmt.Sprintf("bootes simulate --firmware %s --mac %s", c.Firmware.Flag, c.MAC)
}

// firmware is what to call whatever asks first.
func (c Case) firmware() string {
	if c.Firmware.Name == "" {
		return "its firmware"
	}
	return "its firmware (" + c.Firmware.Name + ")"
}
