package diagnose

import (
	"fmt"
	"strings"

	"bootes.dev/internal/recorder"
)

// atScript chooses among what happens between the script and the disk.
func atScript(c Case) string {
	if c.Login.Refusals > 0 || c.Login.Open != "" {
		return LoginRefused
	}
	return NoLogin
}

// Unfinished reports whether a login that failed by reason was refused by nobody:
// the initiator went away.
func Unfinished(reason string) bool {
	return strings.Contains(reason, "in the middle of the login") || strings.Contains(reason, "login took too long")
}

func noLogin(c Case) report {
	s := c.Script
	var f facts
	f.add(true, "its script names the disk at %s", s.Portal)
	f.add(s.Portaled, "that is what portal: of %s in the config says", c.Interface)
	f.add(s.Portaled && !s.Ours, "%s is no address of this server", s.Portal.Addr())
	seen, firewall, sure := c.closed(door{"tcp", c.Ports.ISCSI, c.Knocks.ISCSI, 0, 0})
	f.add(s.Connected == 0 && (s.Ours || !s.Portaled), "%s", seen)
	f.add(c.Login.Broken != "", "it began to log in, and did not end that: %s", c.Login.Broken)
	f.add(s.Connected > 0 && c.Login.Broken == "", "it connected %s and never asked to log in", times(s.Connected))
	r := report{
		summary:  fmt.Sprintf("iPXE has its script, and for %s has not opened its disk at %s", since(c.Silent), s.Portal),
		evidence: f,
	}
	if s.Portaled {
		text := "machines do not reach the address that portal: names"
		if !s.Ours {
			text = fmt.Sprintf("portal: names %s, where this server is not", s.Portal.Addr())
		}
		r.causes = append(r.causes, cause(text, "write an address of this server that machines reach into portal: of %s in the config, or take it out, and restart the server", c.Interface))
		if !s.Ours {
			return r.and(cause("that address is passed on to this server by something that drops it", "let tcp/%d through there, to an address of this server", s.Portal.Port()))
		}
	}
	f.add(c.Loader.lossy(), "%s", c.wasLossy())
	r.evidence = f
	if c.Loader.lossy() {
		r = r.and(c.badLink())
	}
	if s.Connected > 0 || c.Login.Broken != "" {
		return r.and(cause("large packets do not get through, or something between speaks in the server's place", "ping -M do -s 1472 %s from here; `bootes boot pcap %s` shows the connection", c.address(), c.Subject))
	}
	if r = r.and(firewall...); sure {
		return r
	}
	return r.and(cause("its iPXE has no iSCSI, or somebody pressed Ctrl-B", "look at its screen: it says what iPXE thinks of the disk; `%s` tries the same login", c.simulate()))
}

func (r report) and(more ...recorder.Cause) report {
	r.causes = append(r.causes, more...)
	return r
}

func loginRefused(c Case) report {
	l := c.Login
	if l.Open != "" {
		return report{
			summary:  "its disk cannot be opened: " + l.Open,
			evidence: []string{"it logged in rightly: it is its volume " + c.Disk.Volume + " that cannot be opened"},
			causes:   []recorder.Cause{cause("the volume, or the image under it, is damaged or gone", "bootes image verify %s; `bootes volume show %s` says what it stands on", c.Disk.Image, c.Disk.Volume)},
		}
	}
	text, remedy := split(l.Refused)
	var f facts
	f.add(true, "it was refused %s", times(l.Refusals))
	r := report{summary: "it may not open its disk: " + text, evidence: f}
	if remedy != "" {
		return r.and(recorder.Cause{Text: text, Remedy: remedy})
	}
	return r.and(c.refusalCause(text))
}

// refusalCause explains the refusals that name no remedy of their own.
func (c Case) refusalCause(reason string) recorder.Cause {
	for _, known := range []struct{ part, text, remedy string }{
		{newerBoot, "another computer boots as this machine, or it was switched off and on: two with one MAC address fence each other",
			"`bootes boot log MACHINE` shows which cards asked; give each computer a machine of its own (bootes machine add)"},
		{"wrong CHAP secret", "it has the secret of another boot, or one that was typed wrongly",
			"switch it off and on; for a secret that was typed in: bootes machine credentials MACHINE --new"},
		{"no account", "its credentials are not, or no longer, good here",
			"switch it off and on; for credentials that were typed in: bootes machine credentials MACHINE --new"},
		{"did not offer CHAP", "its initiator knows no secret", "give it the credentials that `bootes machine credentials MACHINE --new` prints"},
		{"it has another secret for that", "this server is not the one whose script it has: another answers in its place, or the secret was typed wrongly",
			"`bootes dhcp-status` shows who else is there; for a secret that was typed in: bootes machine credentials MACHINE --new"},
		{"mutual CHAP", "it wants this server to prove itself, and there is no secret for that", "write `auth: {mutual: true}` into the config, restart the server, and switch the machine off and on"},
		{"it never asked for its script", "the disk of that boot is gone", "switch it off and on"},
	} {
		if strings.Contains(reason, known.part) {
			return recorder.Cause{Text: known.text, Remedy: strings.ReplaceAll(known.remedy, "MACHINE", c.Subject)}
		}
	}
	return cause(reason, "`%s` tries the same login; `bootes boot pcap %s` shows its packets", c.simulate(), c.Subject)
}
