package api

import (
	"context"
	"io"
	"net/http"
	"net/url"
)

// Packets returns the last packets of a machine, or of an unknown one by its MAC, as
// a pcap file: of one boot by its id, or with "" all that are kept.
func (c *Client) Packets(ctx context.Context, name, boot string) ([]byte, error) {
	path := machineURL(name) + "/packets"
	if boot != "" {
		path += "?" + url.Values{"boot": {boot}}.Encode()
	}
	resp, err := c.send(ctx, c.http, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, c.broken(ctx, err)
	}
	return b, nil
}
