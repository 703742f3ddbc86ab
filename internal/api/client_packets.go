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
	resp, err := c.send(ctx, c.http, http.MethodGet, packetsURL(name, "", boot), nil)
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

// PacketLines is Packets in words.
func (c *Client) PacketLines(ctx context.Context, name, boot string) (l []PacketLine, err error) {
	return l, c.call(ctx, http.MethodGet, packetsURL(name, "/lines", boot), nil, &l)
}

func packetsURL(name, what, boot string) string {
	path := machineURL(name) + "/packets" + what
	if boot == "" {
		return path
	}
	return path + "?" + url.Values{"boot": {boot}}.Encode()
}
