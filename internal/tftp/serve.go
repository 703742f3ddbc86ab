package tftp

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	defaultTransfers = 8192
	defaultBlockCap  = 1468
	defaultWindowCap = 64
	// maxRequest is a request's longest form: RFC 2347 allows 512 bytes.
	maxRequest = 512
	stallTime  = 2 * time.Second
	// defaultPorts are for transfers: a client that asks again from the same port
	// gets another one of ours, so that late packets are not taken for new ones.
	defaultPorts = 8
)

// Serve answers requests that arrive on c until ctx ends, then ends the
// transfers under way. It may be called for several sockets at once. c stays
// open; Serve returns an error only if c breaks.
func (s *Server) Serve(ctx context.Context, c *net.UDPConn) error {
	asked, err := newUDPSocket(c, true)
	if err != nil {
		return fmt.Errorf("prepare TFTP socket: %w", err)
	}
	local := c.LocalAddr().(*net.UDPAddr)
	return s.serve(ctx, asked, func() (socket, error) {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: local.IP})
		if err != nil {
			return nil, err
		}
		return newUDPSocket(c, false)
	})
}

// serve takes requests from one socket and opens others for the transfers.
func (s *Server) serve(ctx context.Context, asked socket, open func() (socket, error)) error {
	d := newDesk(s)
	s.opens(d)
	defer s.closes(d)
	all := []*port{newPort(d, asked)}
	all[0].asked = true
	d.ports = all
	if !s.SinglePort {
		for range or(s.ports, defaultPorts) {
			c, err := open()
			if err != nil {
				return fmt.Errorf("open port for transfers: %w", err)
			}
			defer c.Close()
			all = append(all, newPort(d, c))
		}
		d.ports = all[1:]
	}
	return d.run(ctx, all)
}

// run runs ports and openers until ctx ends or the first port fails.
func (d *desk) run(ctx context.Context, all []*port) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running, working sync.WaitGroup
	for range openers {
		working.Go(func() { d.work(ctx) })
	}
	for _, p := range all[1:] {
		running.Go(func() { _ = p.run() }) // fails only with its socket, which is ours
	}
	stop := context.AfterFunc(ctx, all[0].stop)
	err := all[0].run()
	stop()
	cancel()
	for _, p := range all[1:] {
		p.stop()
	}
	running.Wait()
	d.open.Wait()
	close(d.jobs)
	working.Wait()
	if err != nil {
		return fmt.Errorf("read TFTP request: %w", err)
	}
	return nil
}
