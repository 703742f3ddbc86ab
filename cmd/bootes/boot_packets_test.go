package main

import (
	"encoding/json"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/recorder"
)

// Packets are told of where they belong in time; the first one, which has begun
// the boot, below the first stage.
func TestBootLogPackets(t *testing.T) {
	w := newWorld()
	t.Setenv("BOOTES_SOCKET", serveWorld(t, w))
	start := now.Add(-time.Minute)
	w.Add(api.Event{Time: start, Boot: "b1", Machine: "pc01", MAC: "52:54:00:00:00:01", Stage: recorder.StageFirmware, Text: "DISCOVER"})
	w.Add(api.Event{Time: start.Add(time.Second), Boot: "b1", Machine: "pc01", MAC: "52:54:00:00:00:01", Stage: recorder.StageRunning, Outcome: recorder.OutcomeRunning, Text: "first write"})
	out, errs, code := bootes(t, "boot", "log", "pc01", "--packets")
	const want = `boot b1 of pc01, 2026-01-02 11:59:00 (60 s ago): it ran from 11:59:01, 1.0 s after its start, and was last heard of at 11:59:01
  firmware  1.0 s
    +0.000s  > DHCP DISCOVER
    +0.000s  DISCOVER
    +0.001s  < DHCP OFFER
  running
    +1.000s  first write
    +2.000s  > HTTP ? GET
`
	if code != 0 || errs != "" || out != want {
		t.Errorf("code %d, %s\ngot\n%s\nwant\n%s", code, errs, out, want)
	}
	out, _, _ = bootes(t, "boot", "log", "pc01", "--packets", "-o", "json")
	var boots []bootWithPackets
	if err := json.Unmarshal([]byte(out), &boots); err != nil || len(boots) != 1 || boots[0].ID != "b1" || len(boots[0].Packets) != 3 || !boots[0].Packets[0].FromMachine {
		t.Errorf("%v: %s", err, out)
	}
}

func TestBootLogWithoutPackets(t *testing.T) {
	w := newWorld()
	t.Setenv("BOOTES_SOCKET", serveWorld(t, w))
	w.Add(api.Event{Time: now, MAC: "52:54:00:00:00:99", Text: "is unknown"})
	out, _, code := bootes(t, "boot", "log", "52:54:00:00:00:99", "--packets")
	const want = `boot of 52:54:00:00:00:99, 2026-01-02 12:00:00 (just now): under way for 0 ms
    +0.000s  is unknown
  (no packets of it are kept)
`
	if code != 0 || out != want {
		t.Errorf("code %d\ngot\n%s\nwant\n%s", code, out, want)
	}
}
