package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"bootes.dev/internal/boot"
	"bootes.dev/internal/config"
	"bootes.dev/internal/inventory"
)

func TestUnknownMachinesByInterface(t *testing.T) {
	cfg := config.Default()
	cfg.Limits.Volume = 7
	cfg.Interfaces = []config.Interface{
		{Name: "a", Unknown: config.Ignore},
		{Name: "b", Unknown: config.Hold},
		{Name: "c", Unknown: config.Enrol, Enrol: config.Enrolment{Image: "debian:12", Mode: "ephemeral", Name: "ci-%"}},
	}
	got := unknownMachines(cfg)
	for name, want := range map[string]boot.Unknown{
		"a": {Limit: 7},
		"b": {Policy: boot.Hold, Limit: 7},
		"c": {Policy: boot.Enrol, Image: "debian:12", Mode: inventory.Ephemeral, Name: "ci-%", Limit: 7},
	} {
		if got[name] != want {
			t.Errorf("%s: %+v, want %+v", name, got[name], want)
		}
	}
}

func TestEnrolmentWithoutItsImageIsToldAtTheStart(t *testing.T) {
	var log bytes.Buffer
	h := house{inv: newWired(t).inv, log: slog.New(slog.NewTextHandler(&log, nil)), cfg: &config.Config{Interfaces: []config.Interface{
		{Name: "a", Unknown: config.Hold},
		{Name: "c", Unknown: config.Enrol, Enrol: config.Enrolment{Image: "debian:12"}},
	}}}
	h.checkEnrolments(t.Context())
	if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "interface=c") ||
		!strings.Contains(log.String(), `no image \"debian:12\": there are no images yet`) {
		t.Errorf("the log says:\n%s", log.String())
	}
}
