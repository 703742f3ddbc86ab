package ipxe

import (
	"strings"
	"testing"
)

func TestChain(t *testing.T) {
	const want = "#!ipxe\nchain http://10.0.0.1/ipxe/${netX/mac:hexhyp} ||\nsleep 20\nreboot\n"
	if got := Chain("http://10.0.0.1/ipxe/"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAutoexec(t *testing.T) {
	const want = `#!ipxe
set i:int32 0
:look
isset ${net${i}/mac} || goto any
iseq ${net${i}/mac} 52:54:00:00:00:01 || goto other
dhcp net${i} || goto failed
goto script
:other
inc i
goto look
:any
dhcp || goto failed
:script
chain http://10.77.0.1/ipxe/${netX/mac:hexhyp} ||
:failed
echo Bootes: this machine got no address, or no script. On the server: bootes boot log ${netX/mac}
sleep 20
reboot
`
	if got := Autoexec("52:54:00:00:00:01", "http://10.77.0.1/ipxe/"); got != want {
		t.Errorf("script:\n%s\nwant:\n%s", got, want)
	}
	if got := Autoexec("", "http://10.77.0.1/ipxe/"); !strings.HasPrefix(got, "#!ipxe\ndhcp || goto failed\n:script\n") {
		t.Errorf("for an unknown machine:\n%s", got)
	}
}

func TestLoop(t *testing.T) {
	const want = `#!ipxe
echo Bootes: pc01 has loaded undionly.kpxe 2 times, and would for ever:
echo it is iPXE without iSCSI
echo On the server: bootes boot log pc01
sleep 20
reboot
`
	if got := Loop("pc01", "undionly.kpxe", 2, "it is iPXE without iSCSI"); got != want {
		t.Errorf("script:\n%s\nwant:\n%s", got, want)
	}
}
