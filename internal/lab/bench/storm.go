package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"bootes.dev/internal/goals"
	"bootes.dev/internal/lab"
	"bootes.dev/internal/lab/load"
)

// storm has more and more machines boot at once, each from its own clone of
// the golden image, as far as their reads go: a recorded boot is replayed as
// fast as it is answered. The target is the engine, SCSI and iSCSI of Boötes
// without what leads a machine to its disk.
func (b *bench) storm(ctx context.Context, dir string) (err error) {
	n, err := lab.NewNet(lab.NetOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	host, err := n.NewHost(mac, clientAddr)
	if err != nil {
		return err
	}
	s, err := b.clones(ctx, n, host, filepath.Join(dir, "clones"))
	if err != nil {
		return err
	}
	reads, err := load.BootReads()
	if err != nil {
		return err
	}
	t := goals.New(b.Out, "machines at once", "time", "READs a second", "data", "p50", "p99", "slowest READ", "CPU of the target per READ", "client busy", "time per machine", "p99 per machine", "")
	for _, count := range b.Storm {
		var j load.Job
		for i := range count {
			j.Replay = append(j.Replay, cloneEndpoint(s.endpoint.Portal, i))
		}
		r, err := b.put(ctx, s, j)
		if err != nil {
			return err
		}
		f := r.Replay
		if f.Ops < int64(len(reads)*count) {
			return fmt.Errorf("replay boots: %d of %d READs", f.Ops, len(reads)*count)
		}
		t.Row(true, "", fmt.Sprint(count), fmt.Sprintf("%.2f s", r.Seconds), fmt.Sprintf("%.0f", float64(f.Ops)/r.Seconds),
			fmt.Sprintf("%.0f MB/s", float64(f.Bytes)/r.Seconds/1e6), goals.Short(f.P50), goals.Short(f.P99), goals.Short(f.Max),
			(r.Server / time.Duration(f.Ops)).Round(10*time.Nanosecond).String(), fmt.Sprintf("%.0f %%", r.Client.Seconds()/r.Seconds*100),
			fmt.Sprintf("%.0f ms", r.Seconds/float64(count)*1000), goals.Short(f.P99/time.Duration(count)))
	}
	return nil
}

// clones starts the target of a storm.
func (b *bench) clones(ctx context.Context, n *lab.Net, host *lab.Host, dir string) (*side, error) {
	portal := fmt.Sprintf("%s:3260", n.Server().Addr())
	text, err := json.Marshal(Clones{Dir: dir, Image: b.image, Count: b.Storm[len(b.Storm)-1], Listen: portal})
	if err != nil {
		return nil, err
	}
	p, err := n.Start(lab.Program{Path: b.Lab, Args: []string{"clones", string(text)}, Log: "clones.log"})
	if err != nil {
		return nil, err
	}
	s := &side{name: "the clones", client: host, pid: p.Pid(), endpoint: load.Endpoint{Portal: portal}}
	return s, ready(ctx, host, p, portal)
}

// ready waits until a target listens.
func ready(ctx context.Context, host *lab.Host, p *lab.Process, portal string) error {
	for {
		err := host.Do(func() error {
			conn, err := net.DialTimeout("tcp", portal, time.Second)
			if err == nil {
				_ = conn.Close()
			}
			return err
		})
		if err == nil {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-p.Done():
			log, _ := os.ReadFile(p.Log)
			return fmt.Errorf("target ended: %w: %s", p.Err(), log)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
