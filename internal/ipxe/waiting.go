package ipxe

import (
	"fmt"
	"strings"
)

// slots is how many memory modules iPXE is asked for.
const slots = 8

// facts is a query by which iPXE says what it knows of its machine. Memory is
// that of the modules (SMBIOS type 17: offset 12 has the size in MiB, offset 28 a
// size that does not fit there), as the bytes are.
var facts = func() string {
	var b strings.Builder
	b.WriteString("facts=1&uuid=${uuid}&manufacturer=${manufacturer:uristring}&product=${product:uristring}" +
		"&serial=${serial:uristring}&chip=${netX/chip:uristring}&bus=${netX/busid:hexraw}")
	for i := range slots {
		fmt.Fprintf(&b, "&m%d=${smbios/%d.17.12.2:hexraw}&x%d=${smbios/%d.17.28.4:hexraw}", i, i, i, i)
	}
	return b.String()
}()

// goOn is how long a waiting machine pauses between its questions, in seconds.
const goOn = 3

// Ask returns a script that tells the server what iPXE knows of its machine and
// goes on with the script that is the answer to that, at url.
func Ask(url string) string {
	return fmt.Sprintf("#!ipxe\n:again\nchain --replace --autofree %s?%s ||\nsleep %d\ngoto again\n", url, facts, goOn)
}

// Wait returns a script that shows lines on the machine's screen, pauses and goes
// on with the script at url, as soon as there is one. Ctrl-C ends the wait: the
// machine goes on to its next boot device.
func Wait(url string, lines ...string) string {
	var b strings.Builder
	fmt.Fprintln(&b, "#!ipxe")
	for _, l := range lines {
		fmt.Fprintf(&b, "echo %s\n", printable(l))
	}
	fmt.Fprintf(&b, ":again\nsleep %d\nchain --replace --autofree %s ||\ngoto again\n", goOn, url)
	return b.String()
}

// Renew returns a script that asks for an address again, which iPXE never does by
// itself, and goes on with the script at url.
func Renew(url string) string {
	return fmt.Sprintf("#!ipxe\n:again\nifconf --configurator dhcp netX && chain --replace --autofree %s ||\nsleep %d\ngoto again\n", url, goOn)
}

// Nothing is a script that does nothing, for an answer that is not looked at.
const Nothing = "#!ipxe\n"
