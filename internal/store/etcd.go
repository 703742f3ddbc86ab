package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

// segmentBytes is the preallocated size of one file of etcd's log. etcd's own
// default is 64 MB, and it always holds two. Smaller ones let the reserve
// cover several.
const segmentBytes = 16 << 20

// etcdFolder, inside the data folder, is for root alone: it holds secrets.
const etcdFolder = "etcd"

var setSegment = sync.OnceFunc(func() { wal.SegmentSizeBytes = segmentBytes })

// readyTimeout bounds etcd's start: replaying the log takes well under a
// second for what Boötes stores, the rest is patience with slow disks.
const readyTimeout = 60 * time.Second

func startEtcd(ctx context.Context, o Options, quiet *atomic.Bool) (*embed.Etcd, error) {
	setSegment()
	e, err := embed.StartEtcd(etcdConfig(o, quiet))
	if err != nil {
		return nil, fmt.Errorf("start the store in %q: %w", o.Dir, err)
	}
	if err := waitReady(ctx, e); err != nil {
		quiet.Store(true)
		e.Close()
		return nil, fmt.Errorf("start the store in %q: %w", o.Dir, err)
	}
	return e, nil
}

func waitReady(ctx context.Context, e *embed.Etcd) error {
	late := time.NewTimer(readyTimeout)
	defer late.Stop()
	select {
	case <-e.Server.ReadyNotify():
		return nil
	case err := <-e.Err():
		return err
	case <-e.Server.StopNotify():
		return errors.New("etcd stopped by itself")
	case <-late.C:
		return fmt.Errorf("etcd was not ready after %v", readyTimeout)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// etcdConfig is etcd's default with these differences: no network listener, a
// clock for one member (it elects itself in 50 to 100 ms), history kept by
// number of revisions, and warnings only for what an operator can feel.
func etcdConfig(o Options, quiet *atomic.Bool) *embed.Config {
	c := embed.NewConfig()
	c.Name = "bootes"
	c.Dir = filepath.Join(o.Dir, etcdFolder)
	c.TickMs, c.ElectionMs = 10, 50

	// The advertised addresses are names only: they are written into the
	// membership at the first start, so they must not change with the folder.
	name := []url.URL{{Scheme: "unix", Host: "bootes:0"}}
	c.ListenPeerUrls, c.AdvertisePeerUrls = nil, name
	c.ListenClientUrls = []url.URL{{Scheme: "unix", Path: o.Socket}}
	c.AdvertiseClientUrls = name
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.EnableGRPCGateway = false

	c.QuotaBackendBytes = o.QuotaBytes
	c.AutoCompactionMode, c.AutoCompactionRetention = "revision", "10000"
	c.MaxTxnOps = maxTxnOps
	c.MaxWalFiles, c.MaxSnapFiles = 2, 2

	c.WarningApplyDuration = time.Second
	c.WarningUnaryRequestDuration = 5 * time.Second
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zapLogger(o, quiet))
	return c
}
