package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"bootes.dev/internal/api"
	"bootes.dev/internal/boot"
	"bootes.dev/internal/capture"
	"bootes.dev/internal/config"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/httpboot"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/locator"
	"bootes.dev/internal/metrics"
	"bootes.dev/internal/ra"
	"bootes.dev/internal/recorder"
	"bootes.dev/internal/shelf"
	"bootes.dev/internal/storage"
	"bootes.dev/internal/store"
	"bootes.dev/internal/targets"
	"bootes.dev/internal/tftp"
	"bootes.dev/internal/trace"
)

// serve runs the server until ctx ends.
func serve(ctx context.Context, cfg *config.Config, log *slog.Logger) (err error) {
	if err := checkPrivileges(); err != nil {
		return err
	}
	if err := checkOwner(cfg.Data); err != nil {
		return err
	}
	if err := checkInterfaces(cfg); err != nil {
		return err
	}
	h := &house{cfg: cfg, log: log}
	defer func() { err = errors.Join(err, h.close()) }()
	if err := h.open(ctx); err != nil {
		return err
	}
	return h.run(ctx)
}

// house is the running server: what was opened, in the order of opening.
type house struct {
	cfg *config.Config
	log *slog.Logger

	engine   *cow.Engine
	store    *store.Store
	inv      *inventory.Inventory
	storage  *storage.Storage
	rec      *recorder.Recorder
	traces   *trace.Keeper
	loaders  *loaders.Folders
	boot     *boot.Service
	locator  *locator.Locator
	metrics  *metrics.Server
	counters *metrics.Counters
	packets  *capture.Capture
	dhcpd    *dhcp.Server
	byTFTP   *tftp.Server
	byHTTP   *httpboot.Server

	targets targets.Targets
	shelf   shelf.Shelf
	hashes  atomic.Pointer[storage.Storage] // the engine begins before there is one

	http, iscsi, api net.Listener
	scrapes          net.Listener // nil: Prometheus is served on the API's socket alone
	tftp             *net.UDPConn
	closers          []func() error
}

func (h *house) onClose(f func() error) { h.closers = append(h.closers, f) }

// close closes what open opened, in reverse order.
func (h *house) close() error {
	var errs []error
	for i := len(h.closers) - 1; i >= 0; i-- {
		errs = append(errs, h.closers[i]())
	}
	return errors.Join(errs...)
}

func (h *house) open(ctx context.Context) error {
	for _, step := range []func(context.Context) error{h.openState, h.settle, h.openLoaders, h.openServices, h.openSockets} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// run serves until ctx ends or a server fails.
func (h *house) run(ctx context.Context) error {
	mirrors, err := openMirrors(h.cfg)
	defer closeMirrors(mirrors)
	if err != nil {
		return err
	}
	target := h.targets.NewServer(iscsi.Options{Log: h.log, SlowIO: h.cfg.Log.SlowIO})
	h.byHTTP = httpboot.New(httpboot.Options{
		Script: h.script, Loader: h.loaderByHTTP, Mirrors: mirrors, Fetched: h.fetchedHTTP, Asked: h.askedHTTP, Simulated: h.boot.Simulating, Log: h.log,
	})
	h.byTFTP = &tftp.Server{Open: h.openLoader, Done: h.fetchedTFTP, SinglePort: h.cfg.TFTP.SinglePort, Log: h.log}
	h.dhcpd = dhcp.New(dhcp.Options{
		Interfaces: dhcpInterfaces(h.cfg), Policy: dhcpPolicy{h.boot, h.locator, h.counters}, Leases: leaseBook{h.inv}, Known: h.knows, Rush: pace(memory()), Warn: h.boot.NetworkWarning, Log: h.log,
	})
	control := api.New(h.apiOptions())

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return target.Serve(ctx, servedListener{h.iscsi, h.cfg}) })
	g.Go(func() error { return h.byHTTP.Serve(ctx, servedListener{h.http, h.cfg}) })
	g.Go(func() error { return h.byTFTP.Serve(ctx, h.tftp) })
	g.Go(func() error { return h.dhcpd.Run(ctx) })
	g.Go(func() error { return control.Serve(ctx, h.api) })
	if h.scrapes != nil {
		g.Go(func() error { return h.metrics.Serve(ctx, h.scrapes) })
	}
	g.Go(func() error { return h.advertiser().Run(ctx) })
	g.Go(func() error { return h.storage.Watch(ctx) })
	g.Go(func() error { return h.boot.Resume(ctx) })
	g.Go(func() error { return h.boot.CheckImages(ctx) })
	g.Go(func() error { return h.packets.Run(ctx) })
	g.Go(func() error {
		select {
		case <-h.dhcpd.Ready():
			h.log.Info("ready", "data", h.cfg.Data, "interfaces", len(h.cfg.Interfaces), "socket", h.cfg.API.Socket)
		case <-ctx.Done():
		}
		return nil
	})
	return g.Wait()
}

// advertiser spares iPXE its wait for an IPv6 router.
func (h *house) advertiser() *ra.Server {
	s := &ra.Server{Waits: h.boot.InIPXE, Log: h.log}
	for _, i := range h.cfg.Interfaces {
		s.Interfaces = append(s.Interfaces, i.Name)
	}
	return s
}
