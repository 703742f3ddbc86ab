//go:build e2e && full

package e2e

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bootes.dev/internal/lab"
)

// faultsOfPace do not stop their machines.
var faultsOfPace = []fault{
	{name: "far", image: imageRef, memory: systemMemory, plainROM: true, filters: []lab.Filter{&lab.LongWay{Delay: 100 * time.Millisecond}},
		kind: "slow", cause: "the way to it is long", says: []string{"a packet to it and back takes 2", "at stage read"}, remedy: []string{"ping 10.77.0."}},
	{name: "narrow", image: imageRef, memory: systemMemory, filters: []lab.Filter{&lab.NarrowLink{BytesPerSecond: 24 << 10, Queue: 10 * time.Second}},
		kind: "slow", cause: "a link on the way is narrow", says: []string{"something was on its way to it"}},
	{name: "throttled", image: imageRef, memory: systemMemory, meanwhile: throttle,
		kind: "slow", cause: "3 commands a second (--iops)", remedy: []string{"bootes volume set throttled-", " --iops none"}},
	{name: "circles", image: imageRef, memory: systemMemory, meanwhile: watchdog,
		kind: "crash-loop", says: []string{"it was started 3 times within", "a watchdog resets it", "it had read a kernel, by its size"}},
}

// throttle has the machine's volume be slow as soon as there is one.
func throttle(ctx context.Context, f *fixture, pc *guest) {
	for ctx.Err() == nil {
		if _, err := f.CLI(ctx, "volume", "set", pc.Name(), "--iops", "3"); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// watchdog resets the machine some seconds after each start of its kernel.
func watchdog(ctx context.Context, _ *fixture, pc *guest) {
	for ctx.Err() == nil {
		if _, err := pc.Console().Expect(ctx, "Linux version"); err != nil {
			return
		}
		time.Sleep(4 * time.Second)
		if pc.Reset(ctx) != nil {
			return
		}
	}
}

// TestDiagnosisOfPace: what a person is told of machines that are slow, or go round
// in circles, and have not stopped.
func TestDiagnosisOfPace(t *testing.T) {
	lab.Require(t, "qemu-system-x86_64", "mmdebstrap")
	f := newFixture(t, serverMode)
	var group errgroup.Group
	for i, x := range faultsOfPace {
		pc := f.suffers(i+1, x)
		group.Go(func() error {
			t.Run(x.name, func(t *testing.T) { f.meet(t, pc, x.name, x) })
			return nil
		})
	}
	_ = group.Wait() // none has an error
}
