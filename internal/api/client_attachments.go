package api

import (
	"context"
	"fmt"
	"net/http"
)

// CreateVolume makes a blank volume that machines can be given.
func (c *Client) CreateVolume(ctx context.Context, n NewVolume) (v Volume, err error) {
	return v, c.call(ctx, http.MethodPost, "/v1/volumes", n, &v)
}

// Attach gives a machine a volume or an image beside its own disk.
func (c *Client) Attach(ctx context.Context, machine string, r AttachRequest) (a Attached, err error) {
	return a, c.call(ctx, http.MethodPost, machineURL(machine)+"/disks", r, &a)
}

// Detach takes what a machine has at a LUN away; with force also from one that
// runs and may be writing to it.
func (c *Client) Detach(ctx context.Context, machine string, lun uint8, force bool) (a Attached, err error) {
	return a, c.call(ctx, http.MethodDelete, fmt.Sprintf("%s/disks/%d?force=%t", machineURL(machine), lun, force), nil, &a)
}
