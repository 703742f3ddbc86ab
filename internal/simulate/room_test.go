package simulate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bootes.dev/internal/recorder"
	"bootes.dev/internal/trace"
)

// fakeMachine takes a second for each stage, and fails in one.
type fakeMachine struct {
	*fakeRoom
	mac string
	r   *roomReader
}

type fakeRoom struct {
	fails map[string]recorder.Stage // by MAC
	disk  roomDisk
	open  atomic.Int32
}

func (m fakeMachine) step(ctx context.Context, s recorder.Stage) error {
	if m.fails[m.mac] == s {
		if s == recorder.StageLogin {
			<-ctx.Done() // nobody answers
			return fmt.Errorf("log in to %s: %w", m.mac, ctx.Err())
		}
		return fmt.Errorf("%s: %w", m.mac, errors.New("refused"))
	}
	if s == recorder.StageRead {
		return m.r.read(ctx, m.disk)
	}
	if !sleep(ctx, time.Second) {
		return ctx.Err()
	}
	return nil
}

func (m fakeMachine) close() { m.open.Add(-1) }

func (f *fakeRoom) room(n int, stages ...recorder.Stage) *Room {
	r := &Room{
		Trace: &trace.Trace{Reads: []trace.Read{{Length: 4096}, {At: 10 * time.Second, Offset: 8192, Length: 512}}}, stages: stages,
		boot: func(mac net.HardwareAddr, r *roomReader) roomMachine {
			f.open.Add(1)
			return fakeMachine{f, mac.String(), r}
		},
	}
	for i := range n {
		r.MACs = append(r.MACs, net.HardwareAddr{6, 0, 0, 0, 0, byte(i)})
	}
	return r
}

// memory is a disk that takes 100 ms for a READ.
type memory struct {
	size  int64
	err   error
	turns atomic.Int64 // READs until its content changes
}

func (m *memory) Size() int64 { return m.size }
func (m *memory) ReadAt(ctx context.Context, p []byte, off int64) error {
	if !sleep(ctx, 100*time.Millisecond) {
		return ctx.Err()
	}
	for i := range p {
		p[i] = byte(off >> 9)
	}
	if m.turns.Add(-1) == 0 {
		p[0]++
	}
	return m.err
}

func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeRoom{disk: &memory{size: 1 << 20}, fails: map[string]recorder.Stage{
			"06:00:00:00:00:01": recorder.StageScript, "06:00:00:00:00:02": recorder.StageScript, "06:00:00:00:00:05": recorder.StageLogin,
		}}
		r := f.room(10, roomStages[:]...)
		r.Spread, r.Paced, r.Patience = 10*time.Second, true, 20*time.Second
		var seen []RoomProgress
		r.Progress = func(p RoomProgress) { seen = append(seen, p) }
		out, err := r.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// The last one is switched on after 9 s, goes through five stages, and reads
		// for 10.1 s.
		if out.Machines != 10 || out.Booted != 7 || out.Took() != 24100*time.Millisecond || out.Bytes != 7*4608 {
			t.Errorf("%+v", out)
		}
		want := []RoomFailure{
			{Stage: recorder.StageScript, Text: "refused", Machines: 2, Example: "06:00:00:00:00:01"},
			{Stage: recorder.StageLogin, Text: "not done within 20s", Machines: 1, Example: "06:00:00:00:00:05"},
		}
		if !slices.EqualFunc(out.Failures, want, func(a, b RoomFailure) bool { b.Example = a.Example; return a == b }) {
			t.Errorf("%+v", out.Failures)
		}
		var counts []int64
		for _, s := range out.Stages {
			counts = append(counts, s.Count)
		}
		if !slices.Equal(counts, []int64{10, 10, 10, 8, 7, 7}) {
			t.Errorf("%d", counts)
		}
		if s := out.Stages[0]; s.Stage != recorder.StageFirmware || s.P50US < 960_000 || s.MaxUS != 1_000_000 {
			t.Errorf("%+v", s)
		}
		if s := out.Stages[5]; s.Stage != recorder.StageRead || s.MaxUS != 10_100_000 || out.Boot.MaxUS != 15_100_000 || out.Boot.Count != 7 {
			t.Errorf("%+v, %+v", s, out.Boot)
		}
		if out.Reads.Count != 14 || out.Reads.MaxUS != 100_000 {
			t.Errorf("%+v", out.Reads)
		}
		last := seen[len(seen)-1]
		if p := seen[2]; p.In[recorder.StageFirmware] != 1 || p.Total != 10*4608 || last.Done != 7 || last.Failed+last.In[recorder.StageLogin] != 3 {
			t.Errorf("%+v … %+v", p, last)
		}
		if n := f.open.Load(); n != 0 {
			t.Errorf("%d machines are not closed", n)
		}
	})
}

func TestRoomFullPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeRoom{disk: &memory{size: 1 << 20}}
		out, err := f.room(3, roomStages[firstOfIPXE:]...).Run(t.Context())
		if err != nil || out.Booted != 3 || out.Took() != 3200*time.Millisecond || len(out.Stages) != 4 || out.Stages[0].Stage != recorder.StageIPXE {
			t.Errorf("%+v, %v", out, err)
		}
	})
}

func TestRoomReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, d := range map[string]*memory{
			"the disk has 8192 bytes, and what was recorded reads up to 8704: it is another image's": {size: 8192},
			"READ failed: broken": {size: 1 << 20, err: fmt.Errorf("move 512 bytes at 0: %w", errors.New("broken"))},
		} {
			out, err := (&fakeRoom{disk: d}).room(2, recorder.StageRead).Run(t.Context())
			if err != nil || len(out.Failures) != 1 || out.Failures[0].Text != want || out.Failures[0].Machines != 2 || out.Failures[0].Stage != recorder.StageRead {
				t.Errorf("%+v, %v, want %s", out.Failures, err, want)
			}
		}
		d := &memory{size: 1 << 20}
		d.turns.Store(4)
		out, err := (&fakeRoom{disk: d}).room(3, recorder.StageRead).Run(t.Context())
		if err != nil || out.Booted == 3 || len(out.Failures) != 1 || out.Failures[0].Text != "its data are not what another machine read in the same place" {
			t.Errorf("%+v, %v", out, err)
		}
	})
}

func TestRoomErrors(t *testing.T) {
	f := &fakeRoom{disk: new(memory)}
	for n, want := range map[int]string{
		0: "a room of 0 machines: from 1 to 4096 are possible", MaxRoom + 1: "a room of 4097 machines: from 1 to 4096 are possible",
	} {
		if _, err := f.room(n).Run(t.Context()); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for want, x := range map[string]trace.Read{
		"READ 1 of what was recorded, of 67108865 bytes at 0, cannot be done again": {Length: maxRoomRead + 1},
		"READ 1 of what was recorded, of 0 bytes at 512, cannot be done again":      {Offset: 512},
	} {
		r := f.room(1)
		r.Trace.Reads = []trace.Read{x}
		if _, err := r.Run(t.Context()); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.room(3, roomStages[:]...).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	var r RoomReport
	for i := range maxFailures + 5 {
		r.fail(recorder.StageLogin, fmt.Errorf("fault %d", i), "06:00:00:00:00:01")
	}
	if last := r.Failures[len(r.Failures)-1]; len(r.Failures) != maxFailures+1 || last.Text != "other faults" || last.Machines != 5 {
		t.Errorf("%d: %+v", len(r.Failures), last)
	}
	if got := plain(&alike{"READ failed", fmt.Errorf("one: %w", errors.New("two"))}); got != "READ failed: two" {
		t.Error(got)
	}
	if !strings.HasSuffix((&alike{"a", errors.New("b")}).Error(), "a: b") {
		t.Error("alike")
	}
}
