package targets

import (
	"testing"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/iscsi"
)

func TestAddUnits(t *testing.T) {
	read := func(n, bytes uint64, sum time.Duration) (l iscsi.Latency) {
		l.Count, l.Bytes, l.Sum = n, bytes, sum
		return l
	}
	disk, data := iscsi.UnitIO{Name: "pc1-v", Limits: iscsi.Limits{IOPS: 3}}, iscsi.UnitIO{Name: "data"}
	disk.Ops[iscsi.OpRead], disk.Ops[iscsi.OpFlush] = read(9, 4096, time.Second), read(1, 0, time.Second)
	data.Ops[iscsi.OpWrite] = read(5, 512, time.Millisecond)
	var p diagnose.Pace
	addUnits(&p, []iscsi.UnitIO{data, disk, {Name: "identity"}})
	want := diagnose.Pace{Commands: 15, Read: 4096, Served: 2*time.Second + time.Millisecond, Volume: "pc1-v", IOPS: 3}
	if p != want {
		t.Errorf("%+v, want %+v", p, want)
	}
	if p := new(Targets).Pace("pc1-1"); p != (diagnose.Pace{}) {
		t.Errorf("before there is a server: %+v", p)
	}
}
