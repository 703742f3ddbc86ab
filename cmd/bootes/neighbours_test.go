package main

import (
	"bytes"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestTooManyNeighbours(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	if warnNeighbours(log, 700, 1024); out.Len() > 0 {
		t.Errorf("700 of 1024: %s", &out)
	}
	warnNeighbours(log, 1000, 1024)
	want := "the kernel of this server remembers 1024 neighbours at most, which is too few for 1000 machines that boot at once: " +
		"sysctl -w net.ipv4.neigh.default.gc_thresh3=4096, and the same in /etc/sysctl.d"
	if !strings.Contains(out.String(), want) {
		t.Errorf("1000 of 1024: %s", &out)
	}
}

// TestNeighboursOfSysctl: with what dist/ has for /etc/sysctl.d, 10,000 machines
// are not too many.
func TestNeighboursOfSysctl(t *testing.T) {
	text, err := os.ReadFile("../../dist/bootes-sysctl.conf")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^net\.ipv4\.neigh\.default\.gc_thresh3 = (\d+)$`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("no limit in %s", text)
	}
	limit, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if warnNeighbours(slog.New(slog.NewTextHandler(&out, nil)), 10000, limit); out.Len() > 0 {
		t.Errorf("10000 of %d: %s", limit, &out)
	}
}
