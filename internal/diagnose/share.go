package diagnose

import (
	"fmt"
	"net/netip"
	"slices"
)

// Share is a folder of another computer that /etc/fstab mounts at the start.
type Share struct {
	Line   string     // "line 3 of p3:/etc/fstab"
	Spec   string     // "10.0.0.9:/home", "//nas/home"
	At     string     // "/home"
	Host   string     // "10.0.0.9", "nas"
	Server netip.Addr // zero: a name that neither the disk's /etc/hosts has nor a DNS server was asked for
	Told   netip.Addr // the DNS server that the machine is told, if it was asked
	Port   uint16     // of TCP; 0: another than the usual one
	Waits  bool       // the start waits for it
	Answer Answer
}

// Answer is what came of asking whether a share's server is there.
type Answer int

// The answers.
const (
	NotAsked Answer = iota
	Answers
	Refuses // the computer is there, and nothing listens
	Silent
	Nameless // the DNS server does not know its name
	DNSSilent
)

// PortNFS and PortSMB are where shares are served (IANA).
const (
	PortNFS = 2049
	PortSMB = 445
)

func (s Share) service() string {
	if s.Port == PortSMB {
		return "SMB"
	}
	return "NFS"
}

// Note is what is said of a share that nobody has asked for.
func (s Share) Note() string {
	return fmt.Sprintf("%s mounts %s from %s; not looked whether that is there", s.Line, s.At, s.Spec)
}

// Finding is what is wrong with a share, if that was seen.
func (s Share) Finding() (f Finding, wrong bool) {
	f = Finding{Name: FindingShare, Stops: Run, Elsewhere: true}
	text := fmt.Sprintf("%s mounts %s from %s, and", s.Line, s.At, s.Spec)
	switch s.Answer {
	case Silent:
		f.Text = fmt.Sprintf("%s %s does not answer this server at tcp/%d: it is not there, or a firewall is in the way", text, s.Server, s.Port)
		f.Remedy = fmt.Sprintf("switch %s on, or put its right address into that line, then start this machine again", s.Server)
	case Refuses:
		f.Text = fmt.Sprintf("%s at %s nothing listens on tcp/%d: the computer is there, and serves no %s", text, s.Server, s.Port, s.service())
		f.Remedy = fmt.Sprintf("start the %s server on %s, or put the right address into that line, then start this machine again", s.service(), s.Server)
	case Nameless:
		f.Text = fmt.Sprintf("%s the DNS server %s, which this machine is told, has no address of %s", text, s.Told, s.Host)
		f.Remedy = fmt.Sprintf("give that name to %s, or put the address of %s into that line, then start this machine again", s.Told, s.Host)
	case DNSSilent:
		f.Text = fmt.Sprintf("%s the DNS server %s, which this machine is told (dns: in the config), does not answer this server: nobody can look %s up", text, s.Told, s.Host)
		f.Remedy = fmt.Sprintf("switch %s on, or put the right DNS server into dns: in the config and restart this server; then start this machine again", s.Told)
	default:
		return f, false
	}
	if s.Waits {
		f.Remedy += "; with the options nofail,x-systemd.automount in that line no start waits for it"
	} else {
		f.Text += " (the start does not wait for it)"
	}
	return f, true
}

// shares are the folders of other computers that nothing is wrong with, as far as is
// known.
func (d Contents) shares() (f facts) {
	for _, s := range d.Shares {
		f.add(s.Answer == Answers, "%s mounts %s from %s, which answers this server at tcp/%d", s.Line, s.At, s.Spec, s.Port)
		f.add(s.Answer == NotAsked, "%s", s.Note())
	}
	return f
}

// has reports whether there is a finding of that name.
func (d Contents) has(names ...string) bool {
	return slices.ContainsFunc(d.Findings, func(f Finding) bool { return slices.Contains(names, f.Name) })
}
