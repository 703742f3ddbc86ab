package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"bootes.dev/internal/api"
	"bootes.dev/internal/boot"
	"bootes.dev/internal/capture"
	"bootes.dev/internal/config"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/diskspace"
	"bootes.dev/internal/httpboot"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/metrics"
	"bootes.dev/internal/netif"
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

// checkInterfaces refuses interfaces that do not exist or have no address.
func checkInterfaces(cfg *config.Config) error {
	if len(cfg.Interfaces) == 0 {
		return withCode(exitUsage, fmt.Errorf("%s names no interface: under interfaces: write the ones to serve; this computer has: %s",
			cfg.File, strings.Join(netif.Names(), ", ")))
	}
	var faults []error
	for _, i := range cfg.Interfaces {
		at := fmt.Sprintf("%s:%d:%d", cfg.File, i.Line, i.Column)
		n, err := netif.ByName(i.Name)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", at, err))
			continue
		}
		if _, ok := n.IPv4(); !ok {
			faults = append(faults, fmt.Errorf("%s: interface %q has no IPv4 address: give it one, for machines to boot from: ip addr add ADDRESS/LENGTH dev %s", at, i.Name, i.Name))
			continue
		}
		if err := checkNetwork(i, n); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", at, err))
		}
	}
	return withCode(exitNotFound, errors.Join(faults...))
}

// checkNetwork refuses a range for the interface's own network that lies in
// none of its networks: its clients could not reach us.
func checkNetwork(i config.Interface, n netif.Interface) error {
	if len(i.Ranges) == 0 {
		return nil
	}
	for _, a := range n.Addrs {
		if i.Prefix.IsValid() && i.Prefix.Contains(a.Addr()) {
			return nil
		}
		if !i.Prefix.IsValid() && a.Contains(i.Ranges[0].First) {
			return checkRanges(i, a.Masked())
		}
	}
	in := "the network of " + i.Ranges[0].String()
	if i.Prefix.IsValid() {
		in = i.Prefix.String()
	}
	return fmt.Errorf("interface %q has no address in %s: give it one, or move the range under subnets: with its prefix: if a relay is in front of it", i.Name, in)
}

func checkRanges(i config.Interface, p netip.Prefix) error {
	for _, r := range i.Ranges {
		if !p.Contains(r.First) || !p.Contains(r.Last) {
			return fmt.Errorf("range %s is not all in %s, the network of interface %q: write a range inside it, or prefix: if the network is larger", r, p, i.Name)
		}
	}
	return nil
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
	loaders  *boot.Folders
	boot     *boot.Service
	locator  *locator
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

// openState opens all that is kept in the data folder. The engine is first: its
// lock is what keeps two servers from one folder.
func (h *house) openState(ctx context.Context) (err error) {
	if err := makeData(h.cfg.Data); err != nil {
		return err
	}
	on, err := diskspace.Of(h.cfg.Data)
	if err != nil {
		return fmt.Errorf("look at the data folder: %w", err)
	}
	minFree := h.cfg.Limits.MinFree.Of(on.Capacity)
	h.engine, err = cow.Open(h.cfg.Data, cow.Options{Log: h.log, MinFree: minFree, Hashed: h.hashed})
	if errors.Is(err, cow.ErrInUse) {
		return withCode(exitRefused, fmt.Errorf("%w: stop that server first, or set another data: in %s", err, h.cfg.File))
	}
	if err != nil {
		return err
	}
	h.onClose(h.engine.Close)
	h.store, err = store.Open(ctx, store.Options{Dir: filepath.Join(h.cfg.Data, "store"), Log: h.log})
	if err != nil {
		return err
	}
	h.onClose(h.store.Close)
	h.inv = inventory.New(h.store)
	h.rec, err = recorder.Open(filepath.Join(h.cfg.Data, "recorder"), h.log)
	if err != nil {
		return err
	}
	h.onClose(h.rec.Close)
	h.counters = metrics.NewCounters()
	h.rec.Observe(tally{h.counters})
	if h.traces, err = trace.Open(filepath.Join(h.cfg.Data, "traces"), h.log); err != nil {
		return err
	}
	h.onClose(h.traces.Close)
	h.storage = storage.New(storage.Options{
		Engine: h.engine, Inventory: h.inv, Dir: h.cfg.Data, MinFree: minFree, Log: h.log,
		Sessions: &h.targets, WarnAt: h.cfg.Limits.Warn, Warn: h.targets.Warn,
	})
	h.hashes.Store(h.storage)
	return nil
}

// settle brings records and disks into step after a crash, and says what it
// found.
func (h *house) settle(ctx context.Context) error {
	found, err := h.storage.Reconcile(ctx)
	for _, f := range found {
		level := slog.LevelInfo
		if f.Problem {
			level = slog.LevelError
		}
		h.log.Log(ctx, level, f.Text, "bytes", f.Bytes)
	}
	h.checkEnrolments(ctx)
	h.checkNeighbours(ctx)
	h.sweepTraces(ctx)
	return errors.Join(err, h.inv.IndexIdentities(ctx))
}

func (h *house) openServices(context.Context) (err error) {
	addresses := map[string]boot.Addresses{}
	for _, i := range h.cfg.Interfaces {
		addresses[i.Name] = boot.Addresses{HTTP: i.HTTP, Portal: i.Portal}
	}
	h.locator = newLocator(h.inv)
	h.boot = boot.New(boot.Options{
		Inventory: h.inv, Disks: h.storage, Recorder: h.rec, Locate: h.locator.locate, Log: h.log, Loaders: h.loaders,
		IQNPrefix: h.cfg.IQNPrefix, HTTPPort: uint16(h.cfg.Ports.HTTP), ISCSIPort: uint16(h.cfg.Ports.ISCSI),
		Addresses: addresses, Targets: &h.targets, OneWayCHAP: !h.cfg.Auth.Mutual, Unknown: unknownMachines(h.cfg),
		SimulationEnded: h.targets.EndSimulation,
		Moved:           h.targets.Moved, Others: h.rivals, Knocks: h.knocks, TFTPPort: uint16(h.cfg.Ports.TFTP), Data: h.cfg.Data,
	})
	h.onClose(func() error { h.boot.Close(); return nil })
	h.targets.Join(targets.Options{
		Boot: h.boot, Inventory: h.inv, Storage: h.storage, Shelf: &h.shelf, Traces: h.traces, WarnAt: h.cfg.Limits.Warn, Log: h.log,
	})
	h.metrics = h.newMetrics()
	if h.packets, err = h.openPackets(); err != nil {
		return err
	}
	h.onClose(h.packets.Close)
	return nil
}

func (h *house) openSockets(context.Context) (err error) {
	if h.http, err = h.listenMachines(h.cfg.Ports.HTTP, "ports.http"); err != nil {
		return err
	}
	if h.iscsi, err = h.listenMachines(h.cfg.Ports.ISCSI, "ports.iscsi"); err != nil {
		return err
	}
	if h.tftp, err = listenUDP(h.cfg.Ports.TFTP, "ports.tftp"); err != nil {
		return err
	}
	h.onClose(ignoreClosed(h.tftp.Close))
	if h.cfg.Metrics.IsValid() {
		if h.scrapes, err = listenTCP(h.cfg.Metrics, "metrics"); err != nil {
			return err
		}
		h.onClose(ignoreClosed(h.scrapes.Close))
	}
	h.api, err = api.Listen(h.cfg.API.Socket, h.cfg.API.Group)
	switch {
	case errors.Is(err, api.ErrInUse):
		return err
	case err != nil: // what api: in the config says cannot be
		return withCode(exitUsage, err)
	}
	h.onClose(ignoreClosed(h.api.Close))
	return nil
}

// listenMachines listens for what machines read much from.
func (h *house) listenMachines(port int, key string) (net.Listener, error) {
	l, err := listenTCP(anyAddress(port), key)
	if err != nil {
		return nil, err
	}
	h.onClose(ignoreClosed(l.Close))
	near, instead := netif.Unpaced(l)
	if instead != "" {
		h.log.Info("send to machines nearby without BBR, which paces", "port", port, "congestion_control", instead)
	}
	return near, nil
}

func anyAddress(port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port))
}

func listenTCP(at netip.AddrPort, key string) (net.Listener, error) {
	network := "tcp"
	if at.Addr().Is4() {
		network = "tcp4" // not [::], which is what Go makes of 0.0.0.0
	}
	l, err := net.ListenTCP(network, net.TCPAddrFromAddrPort(at))
	if err != nil {
		return nil, portError("tcp", at, key, err)
	}
	return l, nil
}

func listenUDP(port int, key string) (*net.UDPConn, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: port})
	if err != nil {
		return nil, portError("udp", anyAddress(port), key, err)
	}
	return c, nil
}

func portError(network string, at netip.AddrPort, key string, err error) error {
	err = netif.BindError(network, at, err)
	if taken := (*netif.TakenError)(nil); errors.As(err, &taken) {
		return fmt.Errorf("%w: stop that program, or set another %s in the config", err, key)
	}
	return fmt.Errorf("open %s port %d (%s in the config): %w", network, at.Port(), key, err)
}

func ignoreClosed(f func() error) func() error {
	return func() error {
		if err := f(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
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
		Script: h.script, Loader: h.loaderByHTTP, Mirrors: mirrors, Fetched: h.fetchedHTTP, Asked: h.askedHTTP, Log: h.log,
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

func (h *house) script(ctx context.Context, r httpboot.ScriptRequest) (string, error) {
	text, err := h.boot.Script(ctx, boot.Asker{MAC: r.MAC, Remote: r.Remote.Addr(), Local: r.Local.Addr(), Facts: r.Facts})
	switch {
	case errors.Is(err, boot.ErrForbidden):
		h.counters.Script("forbidden")
		return "", fmt.Errorf("%w: %w", httpboot.ErrForbidden, err)
	case err != nil:
		h.counters.Script("failed")
	default:
		h.counters.Script("made")
	}
	return text, err
}

func (h *house) fetchedHTTP(name string, remote netip.AddrPort, n int64, took time.Duration) {
	h.counters.Transfer("http", "sent", n, took)
	h.boot.LoaderFetched(context.Background(), boot.Fetched{Name: name, Proto: "HTTP", Remote: remote.Addr(), Bytes: n, Took: took})
}

func (h *house) askedHTTP(r httpboot.Asked) {
	h.boot.HTTPAsked(context.Background(), boot.Asked{Method: r.Method, Path: r.Path, Status: r.Status, Remote: r.Remote.Addr()})
}

func (h *house) fetchedTFTP(t tftp.Transfer) {
	if errors.Is(t.Err, tftp.ErrLastACK) { // many ROMs start what they have and never acknowledge its end
		t.Err = nil
	}
	h.counters.Transfer("tftp", transferOutcome(t), t.Bytes, t.Duration)
	if t.Simulated {
		return
	}
	h.boot.LoaderFetched(context.Background(), boot.Fetched{
		Name: t.Name, Proto: "TFTP", Remote: t.Client.Addr(), Bytes: t.Bytes, Took: t.Duration, Aborted: t.Aborted, Err: t.Err,
		Answered: t.Answered, Restarted: errors.Is(t.Err, tftp.ErrRestarted), Block: t.Block, Resent: t.Resent,
	})
}
