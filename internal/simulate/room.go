package simulate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bootes.dev/internal/recorder"
	"bootes.dev/internal/trace"
)

// MaxRoom is how many machines a room may have: no ticket is for more.
const MaxRoom = 4096

// roomStages are what each machine of a room goes through, in order. One that is
// iPXE from the start begins with the third.
var roomStages = [...]recorder.Stage{
	recorder.StageFirmware, recorder.StageLoader, recorder.StageIPXE, recorder.StageScript, recorder.StageLogin, recorder.StageRead,
}

const firstOfIPXE = 2

// RoomStages are the stages of a room's machines, in order.
func RoomStages() []recorder.Stage { return slices.Clone(roomStages[:]) }

// Room is many machines that are switched on together, and what they read when
// they boot.
type Room struct {
	MACs   []net.HardwareAddr
	Spread time.Duration // over which they are switched on, one after the other; 0: at once
	Trace  *trace.Trace  // what each reads
	Paced  bool          // no READ comes before its time in Trace; else as soon as the one before is answered

	// Patience is how long a machine may be in one stage, and in the last one how
	// long it waits for the answer to a READ.
	Patience time.Duration
	// Progress is told from time to time how far the room is; nil: nobody is.
	Progress func(RoomProgress)

	stages []recorder.Stage
	// boot makes one of the machines, which reads with r.
	boot func(mac net.HardwareAddr, r *roomReader) roomMachine
}

// roomMachine is one of a room's machines.
type roomMachine interface {
	// step takes the machine through a stage, which follows the one before.
	step(ctx context.Context, s recorder.Stage) error
	// close ends what the steps have left open.
	close()
}

// RoomProgress is how far a room is.
type RoomProgress struct {
	In     map[recorder.Stage]int // machines in each stage
	Done   int
	Failed int
	Bytes  int64 // read so far
	Total  int64 // that all would read
}

// maxRoomRead is longer than any READ of a system that boots.
const maxRoomRead = 64 << 20

// roomLook is the time between two looks at how far a room is.
const roomLook = 250 * time.Millisecond

// DefaultPatience of a room.
const DefaultPatience = 2 * time.Minute

// roomRun is a room while its machines boot.
type roomRun struct {
	*Room
	began   time.Time
	machine []member
	reads   *roomReader
}

// member is a machine of a room, and how it fares.
type member struct {
	stage atomic.Int32 // index of the room's stages, or their number: done, -1: not switched on
	err   error        // of the stage, once it is over
	fault atomic.Bool  // the same, for those who look meanwhile

	took  [len(roomStages)]time.Duration // by stage
	began time.Time
	ended time.Time
}

// Run switches the machines on and waits until each has booted or failed.
func (r *Room) Run(ctx context.Context) (RoomReport, error) {
	if n := len(r.MACs); n == 0 || n > MaxRoom {
		return RoomReport{}, fmt.Errorf("a room of %d machines: from 1 to %d are possible", n, MaxRoom)
	}
	for i, x := range r.Trace.Reads {
		if x.Offset < 0 || x.Length <= 0 || x.Length > maxRoomRead {
			return RoomReport{}, fmt.Errorf("READ %d of what was recorded, of %d bytes at %d, cannot be done again", i+1, x.Length, x.Offset)
		}
	}
	if r.Patience == 0 {
		r.Patience = DefaultPatience
	}
	run := &roomRun{Room: r, began: time.Now(), machine: make([]member, len(r.MACs)), reads: newRoomReader(r)}
	look, looked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(looked)
		run.look(look)
	}()
	var group sync.WaitGroup
	for n := range run.machine {
		run.machine[n].stage.Store(-1)
		group.Go(func() { run.one(ctx, n) })
	}
	group.Wait()
	close(look)
	<-looked
	if err := ctx.Err(); err != nil {
		return RoomReport{}, err
	}
	return run.report(), nil
}

// one switches machine n on, when its time has come, and takes it through all
// stages.
func (r *roomRun) one(ctx context.Context, n int) {
	m := &r.machine[n]
	if !sleep(ctx, r.Spread*time.Duration(n)/time.Duration(len(r.machine))) {
		return
	}
	m.began = time.Now()
	m.stage.Store(0)
	if m.err = r.steps(ctx, n, m); m.err != nil {
		m.fault.Store(true)
	}
	m.ended = time.Now()
}

func (r *roomRun) steps(ctx context.Context, n int, m *member) (err error) {
	machine := r.boot(r.MACs[n], r.reads)
	defer machine.close()
	for i, stage := range r.stages {
		m.stage.Store(int32(i))
		began := time.Now()
		step := func(ctx context.Context) error { return machine.step(ctx, stage) }
		if stage == recorder.StageRead {
			err = step(ctx)
		} else {
			err = patiently(ctx, r.Patience, step)
		}
		if err != nil {
			return err
		}
		m.took[i] = time.Since(began)
	}
	m.stage.Store(int32(len(r.stages)))
	return nil
}

// patiently runs do and says so when it took too long.
func patiently(ctx context.Context, patience time.Duration, do func(context.Context) error) error {
	step, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := do(step)
	if errors.Is(err, context.DeadlineExceeded) && step.Err() != nil {
		return fmt.Errorf("not done within %v", patience)
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// look tells how far the room is until stop is closed.
func (r *roomRun) look(stop <-chan struct{}) {
	if r.Progress == nil {
		return
	}
	t := time.NewTicker(roomLook)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			r.Progress(r.progress())
		case <-stop:
			return
		}
	}
}

func (r *roomRun) progress() RoomProgress {
	p := RoomProgress{In: map[recorder.Stage]int{}, Bytes: r.reads.bytes.Load(), Total: r.Trace.Bytes() * int64(len(r.machine))}
	for i := range r.machine {
		m := &r.machine[i]
		switch at := int(m.stage.Load()); {
		case m.fault.Load():
			p.Failed++
		case at == len(r.stages):
			p.Done++
		case at >= 0:
			p.In[r.stages[at]]++
		}
	}
	return p
}
