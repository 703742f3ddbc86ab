package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/api"
)

// Packets returns, for a file, whose packets were asked for.
func (w *world) Packets(spans []api.Span) []byte {
	if spans[0].MAC == "52:54:00:00:00:02" {
		return nil
	}
	return []byte("of " + spans[0].MAC)
}

func (w *world) PacketLines(spans []api.Span) []api.PacketLine {
	if spans[0].From.IsZero() {
		return nil
	}
	from := spans[0].From.Add(time.Second) // the boot's first event
	return []api.PacketLine{
		{Time: from.Add(-time.Millisecond), FromMachine: true, Text: "DHCP DISCOVER"}, {Time: from.Add(time.Millisecond), Text: "DHCP OFFER"},
		{Time: from.Add(2 * time.Second), FromMachine: true, Text: "HTTP \x1b GET"},
	}
}

func TestBootPcap(t *testing.T) {
	w := newWorld()
	t.Setenv("BOOTES_SOCKET", serveWorld(t, w))
	w.Add(api.Event{Time: now, Boot: "b1", Machine: "pc01", MAC: "52:54:00:00:00:11", Text: "DISCOVER"})
	for _, tt := range []struct {
		args, out, errs string
		code            int
	}{
		{"boot pcap pc01", "of 52:54:00:00:00:01", "", 0},
		{"boot pcap pc01 --boot b1", "of 52:54:00:00:00:11", "", 0},
		{"boot pcap 52-54-00-00-00-99", "of 52:54:00:00:00:99", "", 0},
		{"boot pcap pc01 --boot b2", "", `bootes: "pc01" has no boot "b2"; it has b1 (2026-01-02 12:00:00)` + "\n", exitNotFound},
		{"boot pcap kiosk", "", `bootes: no packets of "kiosk" are kept: either it has sent none that concern a boot, on no interface that is served, or there was no room for them` + "\n", exitNotFound},
		{"boot pcap nobody", "", `bootes: no machine "nobody"` + "\n", exitNotFound},
		{"boot pcap pc01 -o json", "", "bootes: pcap writes a file for Wireshark, not JSON: leave -o json out\n", exitUsage},
	} {
		out, errs, code := bootes(t, strings.Fields(tt.args)...)
		if out != tt.out || errs != tt.errs || code != tt.code {
			t.Errorf("%s: code %d\n%s%s", tt.args, code, out, errs)
		}
	}
}

func TestPacketsAreNotForTerminals(t *testing.T) {
	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	var errs strings.Builder
	a := &app{in: os.Stdin, out: tty, errs: &errs}
	const want = "bootes: packets are binary, which a terminal does not take: write them to a file with > pc01.pcap, or look at them with | tshark -r -\n"
	if code := a.run(t.Context(), []string{"boot", "pcap", "pc01"}); code != exitUsage || errs.String() != want {
		t.Errorf("code %d: %s", code, errs.String())
	}
}
