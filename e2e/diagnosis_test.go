//go:build e2e

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bootes.dev/internal/lab"
	"bootes.dev/internal/recorder"
)

// atOnce is how many guests run together. They need a processor to start, and
// little to wait.
const atOnce = 12

// diagnosedWithin bounds the time from power-on to a diagnosis: a system has to boot
// first, and is not given up before it has not answered a ping for two minutes.
const diagnosedWithin = 8 * time.Minute

// fault is what is wrong with one machine, or on its way to the server, and what a
// person must be told of it.
type fault struct {
	name     string
	firmware lab.Firmware
	plainROM bool
	filters  []lab.Filter
	machine  []string // more, for `bootes machine set`
	stranger bool     // nobody has added it
	image    string   // default: stopsRef
	firewall string   // an nftables match and verdict for the machine's packets
	memory   int      // MiB; default: 256, enough for firmware
	cpu      string   // of QEMU's; default: its own
	resetsAt uint16   // block of the loader at which somebody presses the reset button; 0: none
	offAt    uint16   // block of the loader at which somebody switches it off; 0: none
	setUp    []string // of its firmware: arguments for QEMU

	meanwhile func(context.Context, *fixture, *guest) // goes on while it boots
	offAfter  string                                  // what is on its timeline when somebody switches it off

	kind   string
	later  bool     // that kind follows another one
	cause  string   // in the likeliest cause
	says   []string // somewhere in summary, evidence and causes
	remedy []string // somewhere in the remedies
}

// macOf is that of the n-th machine of a site.
func macOf(n int) string { return fmt.Sprintf("52:54:00:00:01:%02x", n) }

// TestDiagnosis has real firmware meet one fault per machine, and looks at what a
// person is told of each.
func TestDiagnosis(t *testing.T) {
	lab.Require(t, "nft", "ping", "dhclient", "dnsmasq", "qemu-img", "qemu-system-x86_64", lab.ARM64.Program())
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, s := range diagnosisSites {
		f := s.open(t)
		for i, x := range s.faults {
			pc := f.suffers(i+1, x)
			group.Go(func() error {
				t.Run(x.name, func(t *testing.T) { f.meet(t, pc, x.subject(i+1), x) })
				return nil
			})
		}
	}
	_ = group.Wait() // none has an error
}

// meet lets a machine meet its fault, and checks what is said.
func (f *fixture) meet(t *testing.T, pc *guest, subject string, x fault) {
	defer pc.PowerOff()
	start := time.Now()
	if err := pc.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if x.meanwhile != nil {
		ctx, cancel := context.WithCancel(t.Context())
		var beside sync.WaitGroup
		beside.Go(func() { x.meanwhile(ctx, f, pc) })
		defer beside.Wait()
		defer cancel()
	}
	if x.offAfter != "" {
		f.switchedOff(t, pc, subject, x.offAfter)
	}
	d := f.diagnosis(t, pc, subject, x)
	t.Logf("diagnosed %.0f s after power-on:\n%s", time.Since(start).Seconds(), tell(d))
	x.check(t, d)
}

// suffers makes a machine with its fault, switched off.
func (f *fixture) suffers(n int, x fault) *guest {
	f.t.Helper()
	mac := macOf(n)
	if !x.stranger {
		f.cli("machine", "add", x.name, "--mac", mac, "--image", cmp.Or(x.image, stopsRef), "--ephemeral")
		f.cli(append([]string{"machine", "set", x.name, "--address", fmt.Sprintf("10.77.0.%d", 10+n)}, x.machine...)...)
	}
	if x.firewall != "" {
		f.tool("nft", "add rule inet faults input ether saddr "+mac+" "+x.firewall)
	}
	var pc *guest
	if x.offAt > 0 {
		x.filters = append(x.filters, lab.AtBlock(x.offAt, func() { go pc.PowerOff() }))
	}
	if x.resetsAt > 0 {
		x.filters = append(x.filters, lab.AtBlock(x.resetsAt, func() { go pc.Reset(f.t.Context()) }))
	}
	more := x.setUp
	if x.cpu != "" {
		more = append(more, "-cpu", x.cpu)
	}
	pc = f.computer(lab.GuestOptions{Name: x.name, ExtraArgs: more, MAC: mac, Firmware: x.firmware, PlainROM: x.plainROM,
		Filters: x.filters, Memory: cmp.Or(x.memory, 256)})
	return pc
}

// subject is whose timeline tells of the n-th machine.
func (x fault) subject(n int) string {
	if x.stranger {
		return macOf(n)
	}
	return x.name
}

// switchedOff switches a guest off as soon as something is on its timeline.
func (f *fixture) switchedOff(t *testing.T, pc *guest, subject, after string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bootTime)
	defer cancel()
	for {
		boots, _ := f.Boots(ctx, subject)
		for _, b := range boots {
			for _, e := range b.Events {
				if strings.Contains(e.Text, after) {
					pc.PowerOff()
					return
				}
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("its timeline does not say %q; its console:\n%s", after, pc.Console().Tail(25))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// diagnosis waits for the first diagnosis of a machine's boots or, if it is to
// follow another, for that.
func (f *fixture) diagnosis(t *testing.T, pc *guest, subject string, x fault) recorder.Diagnosis {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), diagnosedWithin)
	defer cancel()
	for {
		boots, _ := f.Boots(ctx, subject)
		for _, b := range boots {
			if d := b.Diagnosis; d != nil && (d.Kind == x.kind || !x.later && d.Kind != "slow") { // here all is slow
				return *b.Diagnosis
			}
		}
		select {
		case <-ctx.Done():
			log, _ := f.CLI(t.Context(), "boot", "log", subject)
			t.Fatalf("no diagnosis; its log:\n%s\nits console:\n%s", log, pc.Console().Tail(25))
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// check compares what was said with what a person must be told.
func (x fault) check(t *testing.T, d recorder.Diagnosis) {
	t.Helper()
	if d.Kind != x.kind {
		t.Errorf("kind %q, want %q", d.Kind, x.kind)
	}
	if len(d.Evidence) == 0 || len(d.Causes) == 0 {
		t.Fatal("nothing is said of what was seen, or why")
	}
	if !strings.Contains(d.Causes[0].Text, x.cause) {
		t.Errorf("the likeliest cause does not speak of %q", x.cause)
	}
	all, remedies := tell(d), ""
	for _, c := range d.Causes {
		remedies += c.Remedy + "\n"
	}
	for _, s := range x.says {
		if !strings.Contains(all, s) {
			t.Errorf("it does not speak of %q", s)
		}
	}
	for _, r := range x.remedy {
		if !strings.Contains(remedies, r) {
			t.Errorf("no remedy is %q", r)
		}
	}
}

// tell is a diagnosis as a text.
func tell(d recorder.Diagnosis) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", d.Kind, d.Summary)
	for _, e := range d.Evidence {
		fmt.Fprintf(&b, "  - %s\n", e)
	}
	for i, c := range d.Causes {
		fmt.Fprintf(&b, "  %d. %s\n     %s\n", i+1, c.Text, c.Remedy)
	}
	return b.String()
}

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
