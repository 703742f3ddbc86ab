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
	Server netip.Addr // zero: a name that the disk's /etc/hosts does not have
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
