package api

import (
	"context"
	"time"
)

func (f *fake) VolumeIO(_ context.Context, id string, over time.Duration) (VolumeIO, error) {
	return VolumeIO{Volume: id, Since: &born, Ops: []OpIO{{Op: "read", IOPS: 2}}}, f.call("io", id, over)
}
