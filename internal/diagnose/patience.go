package diagnose

import (
	"time"

	"bootes.dev/internal/recorder"
)

// allowance bounds how long a machine may be silent at a stage.
type allowance struct {
	unknown time.Duration // as long as nothing is known of its earlier boots
	least   time.Duration
	most    time.Duration
}

// allowances by stage. A ROM repeats its DISCOVER after up to 32 s (PXE 2.1,
// 2.2.4), boot loaders and kernels compute for a while without a read.
var allowances = map[recorder.Stage]allowance{
	recorder.StageFirmware: {45 * time.Second, 40 * time.Second, 2 * time.Minute},
	recorder.StageLoader:   {45 * time.Second, 20 * time.Second, 2 * time.Minute},
	recorder.StageIPXE:     {45 * time.Second, 20 * time.Second, 2 * time.Minute},
	recorder.StageScript:   {45 * time.Second, 20 * time.Second, 2 * time.Minute},
	recorder.StageLogin:    {45 * time.Second, 20 * time.Second, 2 * time.Minute},
	recorder.StageRead:     {2 * time.Minute, 45 * time.Second, 10 * time.Minute},
	recorder.StageKernel:   {2 * time.Minute, time.Minute, 10 * time.Minute},
	recorder.StageRunning:  {2 * time.Minute, time.Minute, 10 * time.Minute}, // of a system that is gone
}

// learnt is how many earlier boots must be known before they count.
const learnt = 3

// Patience is how long a machine may be silent at a stage before its boot has
// stopped: three times what is usual there, and never less than the slowest of
// its boots took, and half as much again. 0: for ever.
func Patience(st recorder.Stage, u recorder.Usual) time.Duration {
	a := allowances[st]
	if u.Boots < learnt {
		return a.unknown
	}
	return min(max(3*u.Median, u.Slowest*3/2, a.least), a.most)
}
