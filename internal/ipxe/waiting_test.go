package ipxe

import (
	"strings"
	"testing"
)

const where = "http://10.77.0.1/ipxe/52-54-00-00-00-99"

func TestAsk(t *testing.T) {
	got := Ask(where)
	for _, want := range []string{
		"#!ipxe\n:again\nchain --replace --autofree " + where + "?facts=1&uuid=${uuid}&manufacturer=${manufacturer:uristring}&",
		"&serial=${serial:uristring}&", "&m0=${smbios/0.17.12.2:hexraw}&x0=${smbios/0.17.28.4:hexraw}&m1=${smbios/1.17.12.2:hexraw}&",
		"&x7=${smbios/7.17.28.4:hexraw} ||\nsleep 3\ngoto again\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("script:\n%s\nwant in it:\n%s", got, want)
		}
	}
}

func TestWait(t *testing.T) {
	got := Wait(where+"?poll=2", "waits ${secret}", "a || shell\nshell")
	const want = "#!ipxe\necho waits ??secret?\necho a ?? shell?shell\n:again\nsleep 3\nchain --replace --autofree " + where + "?poll=2 ||\ngoto again\n"
	if got != want {
		t.Errorf("script:\n%s\nwant:\n%s", got, want)
	}
}

func TestRenew(t *testing.T) {
	const want = "#!ipxe\n:again\nifconf --configurator dhcp netX && chain --replace --autofree " + where + " ||\nsleep 3\ngoto again\n"
	if got := Renew(where); got != want {
		t.Errorf("script:\n%s\nwant:\n%s", got, want)
	}
}

func TestReport(t *testing.T) {
	d := disk()
	d.Report = where
	got, err := BootDisk(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\nimgfetch --name facts " + where + "?report=1&facts=1&uuid=${uuid}&", " && imgfree facts ||\nset initiator-iqn "} {
		if !strings.Contains(got, want) {
			t.Errorf("script:\n%s\nwant in it:\n%s", got, want)
		}
	}
}
