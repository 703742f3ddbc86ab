package api

import (
	"context"
	"time"
)

func (f *fake) VolumeIO(_ context.Context, id string, over time.Duration) (VolumeIO, error) {
	return VolumeIO{Volume: id, Since: &born, Ops: []OpIO{{Op: "read", IOPS: 2}}}, f.call("io", id, over)
}

func (f *fake) Trace(_ context.Context, ref string) (Trace, error) {
	return Trace{Image: ref, Machine: "pc01", Began: born, Size: 4 << 30, Bytes: 512, Reads: []TraceRead{{AtUS: 7, Offset: 4096, Length: 512}}}, f.fault()
}
