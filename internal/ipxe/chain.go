package ipxe

import (
	"fmt"
	"strings"
)

// Autoexec is the script that iPXE since 1.21 looks for beside itself: it asks
// for an address and goes on with the script of the machine, which scripts and
// the MAC in iPXE's own form name. mac is the network card to use, of several;
// "" if it is not known.
func Autoexec(mac, scripts string) string {
	var b strings.Builder
	fmt.Fprintln(&b, "#!ipxe")
	if mac != "" {
		b.WriteString("set i:int32 0\n:look\nisset ${net${i}/mac} || goto any\n")
		fmt.Fprintf(&b, "iseq ${net${i}/mac} %s || goto other\n", mac)
		b.WriteString("dhcp net${i} || goto failed\ngoto script\n:other\ninc i\ngoto look\n:any\n")
	}
	b.WriteString("dhcp || goto failed\n:script\n")
	fmt.Fprintf(&b, "chain %s${netX/mac:hexhyp} ||\n:failed\n", scripts)
	b.WriteString("echo Bootes: this machine got no address, or no script. On the server: bootes boot log ${netX/mac}\n")
	b.WriteString(startOver)
	return b.String()
}

// Loop is the script that is sent in place of a loader that iPXE loads again
// and again.
func Loop(machine, loader string, times int, why string) string {
	return Message(
		fmt.Sprintf("Bootes: %s has loaded %s %d times, and would for ever:", machine, loader, times),
		why,
		"On the server: bootes boot log "+machine)
}

// Chain goes on to the machine's script, which lies at scripts and its MAC.
func Chain(scripts string) string {
	return "#!ipxe\nchain " + scripts + "${netX/mac:hexhyp} ||\n" + startOver
}
