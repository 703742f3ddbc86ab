package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Status asks who answers.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.call(ctx, http.MethodGet, "/v1/status", nil, &s)
}

// Images lists all images.
func (c *Client) Images(ctx context.Context) (l []Image, err error) {
	return l, c.call(ctx, http.MethodGet, "/v1/images", nil, &l)
}

// Image returns one image by its name:tag.
func (c *Client) Image(ctx context.Context, ref string) (i Image, err error) {
	path, err := imageURL(ref)
	if err != nil {
		return i, err
	}
	return i, c.call(ctx, http.MethodGet, path, nil, &i)
}

// RemoveImage removes an image.
func (c *Client) RemoveImage(ctx context.Context, ref string) error {
	path, err := imageURL(ref)
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodDelete, path, nil, nil)
}

func imageURL(ref string) (string, error) { return refURL("/v1/images/", ref) }

func refURL(root, ref string) (string, error) {
	name, tag, ok := strings.Cut(ref, ":")
	if !ok || name == "" || tag == "" {
		return "", Errorf(Invalid, "%q is no image: write name:tag, such as debian:12", ref)
	}
	return root + url.PathEscape(name) + "/" + url.PathEscape(tag), nil
}

// Machines lists all machines.
func (c *Client) Machines(ctx context.Context) (l []Machine, err error) {
	return l, c.call(ctx, http.MethodGet, "/v1/machines", nil, &l)
}

// Machine returns one machine.
func (c *Client) Machine(ctx context.Context, name string) (m Machine, err error) {
	return m, c.call(ctx, http.MethodGet, machineURL(name), nil, &m)
}

// AddMachine adds a machine.
func (c *Client) AddMachine(ctx context.Context, n NewMachine) (m Machine, err error) {
	return m, c.call(ctx, http.MethodPost, "/v1/machines", n, &m)
}

// SetMachine changes a machine.
func (c *Client) SetMachine(ctx context.Context, name string, ch MachineChange) (m Machine, err error) {
	return m, c.call(ctx, http.MethodPatch, machineURL(name), ch, &m)
}

// RemoveMachine removes a machine.
func (c *Client) RemoveMachine(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, machineURL(name), nil, nil)
}

// Boots returns the last boots of a machine, or of an unknown one by its MAC,
// newest first.
func (c *Client) Boots(ctx context.Context, name string) (l []MachineBoot, err error) {
	return l, c.call(ctx, http.MethodGet, machineURL(name)+"/boots", nil, &l)
}

func machineURL(name string) string { return "/v1/machines/" + url.PathEscape(name) }

// Volumes lists all volumes.
func (c *Client) Volumes(ctx context.Context) (l VolumeList, err error) {
	return l, c.call(ctx, http.MethodGet, "/v1/volumes", nil, &l)
}

// Volume returns one volume.
func (c *Client) Volume(ctx context.Context, id string) (v Volume, err error) {
	return v, c.call(ctx, http.MethodGet, volumeURL(id), nil, &v)
}

// SetVolume changes a volume.
func (c *Client) SetVolume(ctx context.Context, id string, ch VolumeChange) (v Volume, err error) {
	return v, c.call(ctx, http.MethodPatch, volumeURL(id), ch, &v)
}

// RemoveVolume removes a volume.
func (c *Client) RemoveVolume(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, volumeURL(id), nil, nil)
}

func volumeURL(id string) string { return "/v1/volumes/" + url.PathEscape(id) }

// Watch calls each with every boot event from now on; ready, if not nil, once
// it watches. It returns each's error, the context's, or how the server went.
func (c *Client) Watch(ctx context.Context, ready func(), each func(Event) error) error {
	resp, err := c.send(ctx, c.http, http.MethodGet, "/v1/events", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if ready != nil {
		ready()
	}
	d := json.NewDecoder(bufio.NewReader(resp.Body))
	for {
		var e Event
		if err := d.Decode(&e); err != nil {
			if errors.Is(err, io.EOF) && ctx.Err() == nil {
				err = errStopped
			}
			return c.broken(ctx, err)
		}
		if err := each(e); err != nil {
			return err
		}
	}
}

var errStopped = errors.New("it was stopped")
