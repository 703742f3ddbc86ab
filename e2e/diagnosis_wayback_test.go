//go:build e2e && full

package e2e

import (
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/lab"
	"bootes.dev/internal/recorder"
)

// TestWayBack moves a tag to an image whose kernel panics: the loop that follows
// names the version that ran, and the command that it says takes the machine back.
func TestWayBack(t *testing.T) {
	lab.Require(t, "debugfs")
	f := newFixture(t, serverMode)
	f.importSystem("debian:13", hasRoot, panics)
	f.cli("image", "tag", "debian:stable", imageRef)
	pc := f.guest("pc1", macOf(1), api.Ephemeral, lab.BIOS)
	f.cli("machine", "set", "pc1", "--image", "debian:stable")
	boot(t, pc)
	time.Sleep(recorder.ShortRun) // else it has not run
	pc.PowerOff()

	f.cli("image", "tag", "debian:stable", "debian:13")
	if err := pc.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	x := fault{kind: "crash-loop", cause: "the image debian:13 does not run on it, and debian:12 did",
		says:   []string{"it is in a loop", "they booted debian:stable, which is debian:13", "the last image that ran on it was debian:12"},
		remedy: []string{"bootes image tag debian:stable debian:12", "bootes machine set pc1 --image debian:12"}}
	d := f.diagnosis(t, pc, "pc1", x)
	t.Logf("\n%s", tell(d))
	x.check(t, d)
	command, _, ok := strings.Cut(strings.TrimPrefix(d.Causes[0].Remedy, "bootes "), " takes all machines")
	if !ok {
		t.Fatalf("no command to type in %q", d.Causes[0].Remedy)
	}
	f.cli(strings.Fields(command)...)
	pc.PowerOff()
	boot(t, pc)
}
