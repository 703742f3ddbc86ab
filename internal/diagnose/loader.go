package diagnose

import (
	"fmt"
	"path"
	"time"

	"bootes.dev/internal/recorder"
)

const (
	// loopReturns is how often firmware comes back from its loader before that is a
	// loop: it tries one that it has refused again by its next entry.
	loopReturns = 2
	// refusal is the time that firmware takes to refuse a file and to go on: EDK2
	// under emulation, 40 ms.
	refusal = time.Second
)

// atLoader chooses among what happens between the loader and iPXE.
func atLoader(c Case) string {
	l := c.Loader
	switch {
	case l.Failed.Times > 0:
		return l.Failed.kind()
	case l.For != "" && c.Firmware.Runs != "" && l.For != c.Firmware.Runs:
		return WrongArchitecture
	case l.Returns >= loopReturns:
		return LoaderLoop
	}
	return LoaderSilent
}

func (c Case) fetched() (f facts) {
	l := c.Loader
	f.add(l.Name != "", "%s was sent by %s, %s", l.Name, l.Proto, times(l.Times))
	f.add(l.Told != "" && l.Told != l.Name, "it had been told to boot %s", l.Told)
	fits := l.For != "" && l.For == c.Firmware.Runs
	f.add(fits, "%s is for its firmware, %s", l.Name, c.Firmware.Name)
	f.add(!fits && l.For != "", "%s is a program for %s", l.Name, l.For)
	f.add(!fits && c.Firmware.Name != "", "its firmware is %s", c.Firmware.Name)
	f.add(l.Stuck > 0, "before, it answered small packets, and none of %d bytes", l.Stuck)
	f.add(l.Pinned, "a person has chosen %s for this machine", l.Told)
	f.add(l.Second != "", "it asked for %s, which is not there", l.Second)
	f.add(l.Returns == 1, "its firmware asked for an address again %s after it had the file: that ended, or was not started", since(l.Back))
	f.add(l.Returns > 1, "its firmware asked for an address again %s, at the soonest %s after it had the file: that ended, or was not started", times(l.Returns), since(l.Back))
	f.add(l.Returns == 0, "nothing came from it since")
	return f
}

func wrongArchitecture(c Case) report {
	l := c.Loader
	pinned := cause(fmt.Sprintf("its loader was chosen by hand, and is for %s", l.For), "bootes machine set %s --loader auto", c.Subject)
	named := cause("another DHCP server names that file to it, and not by its architecture (option 93)",
		"have that server name the file by option 93; `bootes dhcp-snippet dnsmasq` (kea, isc, windows, mikrotik, pfsense) prints how")
	r := report{
		summary:  fmt.Sprintf("it was given %s, a program for %s, and its firmware is %s", l.Name, l.For, c.Firmware.Name),
		evidence: c.fetched(),
		causes:   []recorder.Cause{named},
	}
	if l.Pinned {
		r.causes = []recorder.Cause{pinned}
	}
	return r
}

func loaderLoop(c Case) report {
	l := c.Loader
	if x := l.Chained; x.Times > 0 {
		return report{
			summary:  fmt.Sprintf("iPXE loads %s again and again, and never its script", x.Name),
			evidence: append(c.asked(c.IPXE, "iPXE"), fmt.Sprintf("it had loaded it %s when it was sent a text for its screen in its place", times(x.Times))),
			causes:   []recorder.Cause{{Text: x.Why, Remedy: x.Remedy}},
		}
	}
	r := report{
		summary:  fmt.Sprintf("it has fetched %s %s, and iPXE never asked for an address", l.Name, times(l.Times)),
		evidence: c.fetched(),
	}
	if c.Firmware.UEFI && l.Back < refusal {
		return r.and(c.silentCauses()...)
	}
	return r.and(
		cause("the loader starts and takes the machine down with it, or a watchdog restarts that", "try another build: `bootes machine set %s --loader FILE`, FILE from `bootes loaders`; its screen shows how far it comes", c.Subject),
		c.heldBack())
}

func loaderSilent(c Case) report {
	r := report{
		summary:  fmt.Sprintf("%s was fetched, then silence for %s", c.Loader.Name, since(c.Silent)),
		evidence: c.fetched(),
		causes:   c.silentCauses(),
	}
	if c.Loader.Returns > 0 {
		r.summary = fmt.Sprintf("%s was fetched, and iPXE was not heard of for %s: the firmware went on to something else", c.Loader.Name, since(c.Silent))
	}
	return r
}

// silentCauses are why nothing is heard of a loader that was fetched. Firmware
// that asks again has come back from it: it was not the network.
func (c Case) silentCauses() []recorder.Cause {
	l, lost := c.Loader, c.heldBack()
	hangs := cause("iPXE runs, and its driver does not get on with this card", "try another build: `bootes machine set %s --loader FILE`, FILE from `bootes loaders`; its screen shows iPXE's version and no address", c.Subject)
	switch {
	case l.Stuck > 0:
		return []recorder.Cause{c.stuck(), c.secureBoot(), hangs}
	case path.Base(l.Name) == "autoexec.ipxe":
		return []recorder.Cause{lost, cause("iPXE found no network, or no DHCP server answered it", "look at its screen; `bootes dhcp-status` shows who answers there")}
	case l.Second != "":
		return []recorder.Cause{cause("the shim did not get its second stage, "+l.Second, "take all files of one release of iPXE, and put them into one folder of loaders: in the config; `bootes loaders` shows what is there")}
	case !c.Firmware.UEFI:
		return []recorder.Cause{lost, cause("it did not start, or its driver does not get on with this card",
			"try another build: `bootes machine set %s --loader ipxe.pxe` drives the card itself, undionly.kpxe drives it through the ROM; its screen shows how far it came", c.Subject)}
	case l.Returns > 0 && l.Back < refusal: // too soon for iPXE to have run
		return []recorder.Cause{c.secureBoot(), cause(fmt.Sprintf("the file %s is damaged on this server: it was sent whole", l.Name),
			"compare it with the one that it was copied from (of Debian's package: dpkg --verify ipxe); `bootes loaders` shows where it lies")}
	case l.Returns > 0:
		return []recorder.Cause{c.secureBoot(), hangs}
	}
	return []recorder.Cause{c.secureBoot(), lost, hangs}
}

// heldBack is an iPXE that nobody hears.
func (c Case) heldBack() recorder.Cause {
	return cause("iPXE runs, and the port of the switch forwards nothing yet: spanning tree holds a port back for 30 s after its link came up, and the link goes down when iPXE takes the card over",
		"set the port to portfast (an edge port) on the switch; iPXE's screen then says \"No configuration methods succeeded\"")
}

// secureBoot is the commonest reason, as a cause of its own: what the screen
// says tells it from the others.
func (c Case) secureBoot() recorder.Cause {
	const screen = "; its screen then says \"Security Violation\", \"Access Denied\" or the like"
	l := c.Loader
	switch {
	case l.Signed && l.Told != l.Name:
		return cause("Secure Boot is on, and the shim does not trust what "+path.Base(l.Name)+" is signed with", "take both from one release of iPXE"+screen)
	case l.Signed:
		return cause("Secure Boot is on, and the firmware does not trust what the shim is signed with",
			"allow Microsoft's third-party certificate in the machine's firmware set-up, or switch Secure Boot off"+screen)
	}
	return cause("Secure Boot is on, and the firmware refused the unsigned loader",
		"switch Secure Boot off in the machine's firmware set-up, or put the files of iPXE's signed release into a folder of loaders: in the config (the image's own loader must be signed, too)"+screen)
}
