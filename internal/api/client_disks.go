package api

import (
	"context"
	"net/http"
	"net/url"
)

// Tags lists all tags.
func (c *Client) Tags(ctx context.Context) (l []Tag, err error) {
	return l, c.call(ctx, http.MethodGet, "/v1/tags", nil, &l)
}

// SetTag makes or moves a tag.
func (c *Client) SetTag(ctx context.Context, ref, image string) (t Tag, err error) {
	return t, c.call(ctx, http.MethodPost, "/v1/tags", TagRequest{Ref: ref, Image: image}, &t)
}

// RemoveTag removes a tag, not its image.
func (c *Client) RemoveTag(ctx context.Context, ref string) error {
	path, err := refURL("/v1/tags/", ref)
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodDelete, path, nil, nil)
}

// History lists the layers of an image, its own first.
func (c *Client) History(ctx context.Context, ref string) (l []HistoryLine, err error) {
	path, err := imageURL(ref)
	if err != nil {
		return nil, err
	}
	return l, c.call(ctx, http.MethodGet, path+"/history", nil, &l)
}

// VerifyImage reads all of an image. What is wrong with it is no error.
func (c *Client) VerifyImage(ctx context.Context, ref string, progress func(Progress)) (v Verified, err error) {
	path, err := imageURL(ref)
	if err != nil {
		return v, err
	}
	return follow[Verified](ctx, c, c.http, path+"/verify", nil, progress)
}

// CheckImage looks into an image for what keeps machines with such a network card,
// "8086:100e", or with any, "", from booting it.
func (c *Client) CheckImage(ctx context.Context, ref, card string) (k Checked, err error) {
	path, err := imageURL(ref)
	if err != nil {
		return k, err
	}
	return k, c.call(ctx, http.MethodGet, path+"/check?card="+url.QueryEscape(card), nil, &k)
}

// FlattenImage merges the chain of an image.
func (c *Client) FlattenImage(ctx context.Context, ref string, progress func(Progress)) (i Image, err error) {
	path, err := imageURL(ref)
	if err != nil {
		return i, err
	}
	return follow[Image](ctx, c, c.http, path+"/flatten", nil, progress)
}

// FlattenVolume merges the chain of a volume.
func (c *Client) FlattenVolume(ctx context.Context, id string, progress func(Progress)) (Volume, error) {
	return follow[Volume](ctx, c, c.http, volumeURL(id)+"/flatten", nil, progress)
}

// Snapshot takes a snapshot of a volume.
func (c *Client) Snapshot(ctx context.Context, id, name string) (s Snapshot, err error) {
	return s, c.call(ctx, http.MethodPost, volumeURL(id)+"/snapshots", map[string]string{"name": name}, &s)
}

// RemoveSnapshot removes a snapshot of a volume.
func (c *Client) RemoveSnapshot(ctx context.Context, id, name string) error {
	return c.call(ctx, http.MethodDelete, volumeURL(id)+"/snapshots/"+url.PathEscape(name), nil, nil)
}

// Rollback takes a volume back to a snapshot.
func (c *Client) Rollback(ctx context.Context, id, snapshot string) (u Undone, err error) {
	return u, c.call(ctx, http.MethodPost, volumeURL(id)+"/rollback", map[string]string{"snapshot": snapshot}, &u)
}

// ResetVolume takes a volume back to its image.
func (c *Client) ResetVolume(ctx context.Context, id string) (u Undone, err error) {
	return u, c.call(ctx, http.MethodPost, volumeURL(id)+"/reset", nil, &u)
}

// CloneVolume makes a machine's disk of a volume or a snapshot of it.
func (c *Client) CloneVolume(ctx context.Context, d Disk, machine string) (v Volume, err error) {
	body := map[string]string{"machine": machine}
	if d.Snapshot != "" {
		body["snapshot"] = d.Snapshot
	}
	return v, c.call(ctx, http.MethodPost, volumeURL(d.Volume)+"/clone", body, &v)
}

// ResizeVolume changes the size of a volume. Only with shrink it may become
// smaller.
func (c *Client) ResizeVolume(ctx context.Context, id string, size int64, shrink bool) (v Volume, err error) {
	body := map[string]any{"size": size, "shrink": shrink}
	return v, c.call(ctx, http.MethodPost, volumeURL(id)+"/resize", body, &v)
}

// Diff compares a volume with its image.
func (c *Client) Diff(ctx context.Context, d Disk) (diff Diff, err error) {
	q := ""
	if d.Snapshot != "" {
		q = "?" + url.Values{"snapshot": {d.Snapshot}}.Encode()
	}
	return diff, c.call(ctx, http.MethodGet, volumeURL(d.Volume)+"/diff"+q, nil, &diff)
}

// ForceRemoveVolume removes a volume even if its machine uses it.
func (c *Client) ForceRemoveVolume(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, volumeURL(id)+"?force=true", nil, nil)
}

// Commit makes an image of a volume.
func (c *Client) Commit(ctx context.Context, id string, req Commit) (n NewImage, err error) {
	return n, c.call(ctx, http.MethodPost, volumeURL(id)+"/commit", req, &n)
}

// StartUpdate lets a machine boot a writable copy of an image.
func (c *Client) StartUpdate(ctx context.Context, machine, image string) (u Update, err error) {
	return u, c.call(ctx, http.MethodPost, machineURL(machine)+"/update", UpdateRequest{Image: image}, &u)
}

// CancelUpdate throws the writable copy away.
func (c *Client) CancelUpdate(ctx context.Context, machine string) (u Update, err error) {
	return u, c.call(ctx, http.MethodDelete, machineURL(machine)+"/update", nil, &u)
}

// Publish makes an image of the writable copy.
func (c *Client) Publish(ctx context.Context, machine string, req Publish) (n NewImage, err error) {
	return n, c.call(ctx, http.MethodPost, machineURL(machine)+"/publish", req, &n)
}

// Space asks where the bytes are.
func (c *Client) Space(ctx context.Context) (s Space, err error) {
	return s, c.call(ctx, http.MethodGet, "/v1/space", nil, &s)
}
