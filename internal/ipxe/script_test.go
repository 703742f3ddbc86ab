package ipxe

import (
	"net/netip"
	"strings"
	"testing"
)

func disk() Disk {
	return Disk{
		Hostname:  "pc01",
		Initiator: "iqn.2026-01.dev.bootes:init:pc01",
		Target:    "iqn.2026-01.dev.bootes:pc01",
		Portal:    netip.MustParseAddrPort("10.77.0.1:3260"),
		User:      "pc01-4f1c",
		Secret:    "k3ywfpd2m5xq7rta",
		Label:     "debian:12, ephemeral",
	}
}

func TestBootDisk(t *testing.T) {
	got, err := BootDisk(disk())
	if err != nil {
		t.Fatal(err)
	}
	want := `#!ipxe
echo Bootes: pc01 boots debian:12, ephemeral
set initiator-iqn iqn.2026-01.dev.bootes:init:pc01
set hostname pc01
set username pc01-4f1c
set password k3ywfpd2m5xq7rta
sanboot iscsi:10.77.0.1:::0:iqn.2026-01.dev.bootes:pc01 ||
echo Bootes: the disk of pc01 could not be booted. On the server: bootes boot log pc01
sleep 20
reboot
`
	if got != want {
		t.Errorf("script:\n%s\nwant:\n%s", got, want)
	}
}

func TestBootDiskOnTheProcessor(t *testing.T) {
	d := disk()
	d.NoLongMode = "http://10.77.0.1/ipxe/52-54-00-00-00-01?report=1&lm=0"
	const want = "cpuid --ext 29 && goto boot ||\n" +
		"cpuid 0 && imgfetch --name facts http://10.77.0.1/ipxe/52-54-00-00-00-01?report=1&lm=0 && imgfree facts ||\n:boot\nset initiator-iqn "
	if got, err := BootDisk(d); err != nil || !strings.Contains(got, want) {
		t.Errorf("script:\n%s\nwant in it:\n%s", got, want)
	}
}

func TestBootDiskMutual(t *testing.T) {
	d := disk()
	d.ReverseUser, d.ReverseSecret = "target-of-pc01-4f1c", "x7ywfpd2m5xq7rtb"
	got, err := BootDisk(d)
	if err != nil {
		t.Fatal(err)
	}
	const want = "set password k3ywfpd2m5xq7rta\nset reverse-username target-of-pc01-4f1c\nset reverse-password x7ywfpd2m5xq7rtb\nsanboot "
	if !strings.Contains(got, want) {
		t.Errorf("script:\n%s\nwant in it:\n%s", got, want)
	}
	for _, v := range []string{"", "a b", "${net0/mac}"} {
		d.ReverseSecret = v
		if s, err := BootDisk(d); err == nil {
			t.Errorf("secret %q was written: %s", v, s)
		}
	}
}

func TestBootDiskRefusesWhatIPXEWouldExpand(t *testing.T) {
	for _, v := range []string{"", "a b", "${net0/mac}", "a\nshell", "x||shell", "ö"} {
		d := disk()
		d.Secret = v
		if s, err := BootDisk(d); err == nil {
			t.Errorf("secret %q was written: %s", v, s)
		}
	}
}

func TestURI(t *testing.T) {
	p := netip.MustParseAddrPort("10.0.0.1:13260")
	if got, want := URI(p, 17, "iqn.x:y"), "iscsi:10.0.0.1::13260:11:iqn.x:y"; got != want {
		t.Errorf("URI = %q, want %q", got, want)
	}
}

func TestMessageIsHarmless(t *testing.T) {
	got := Message("hello ${secret}", "a || shell\nshell")
	if strings.ContainsAny(got, "${}|") || strings.Contains(got, "\nshell") {
		t.Errorf("script runs what it should show:\n%s", got)
	}
}
