package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// LatestBoot is the newest boot of a machine, with no more than its last event,
// or of a computer that nobody has added. One of a machine that has never
// booted has no id.
type LatestBoot struct {
	Boot
	Traffic
	Transfer *Transfer `json:"transfer,omitempty" doc:"the file that it is being sent now"`
}

// Traffic is what a boot has moved.
type Traffic struct {
	ReadBytes    int64 `json:"read_bytes" doc:"from its disks, if it has a session"`
	WrittenBytes int64 `json:"written_bytes" doc:"likewise"`
	Connected    bool  `json:"connected" doc:"it has a session with a disk now"`
}

// MachineBoot is a boot of a machine, and how it goes.
type MachineBoot struct {
	Boot
	Now *Now `json:"now,omitempty" doc:"how it goes, if it has a session with its disk now, or is sent a file"`
}

// Now is how a boot goes that has a session with its disk, or is sent a file.
type Now struct {
	Traffic
	Reads    uint64        `json:"reads" doc:"commands"`
	ReadRate int64         `json:"read_rate" doc:"bytes a second, since it last paused; of a boot that does not run yet"`
	Over     time.Duration `json:"over_ns" doc:"the time that read_rate is of; 0: it is not known"`
	Quiet    time.Duration `json:"quiet_ns" doc:"since something came from it"`
	Transfer *Transfer     `json:"transfer,omitempty" doc:"the file that it is being sent now"`
}

// Transfer is a file on its way to a machine.
type Transfer struct {
	Name  string    `json:"name"`
	Proto string    `json:"proto" enum:"TFTP,HTTP"`
	Began time.Time `json:"began"`
	Done  int64     `json:"done" doc:"bytes that the machine has acknowledged"`
	Size  int64     `json:"size" doc:"bytes of the file"`
}

// Sessions is what the server asks about machines that have their disks open, or
// are sent files.
type Sessions interface {
	// Traffic is that of the boots that have sessions now, by their ids.
	Traffic() map[string]Traffic
	// Transfers are the files that are being sent to boots, by their ids; of
	// several to one boot, the largest.
	Transfers() map[string]Transfer
	// Now is how one boot goes; nil if it has no session and is sent nothing.
	Now(boot string) *Now
}

func (s *Server) bootRoutes(a huma.API) {
	op := get("list-latest-boots", "/v1/boots", "The newest boot of every machine, and of every computer that nobody has added")
	op.Description = "By machine, those that nobody has added last. Boots have at most their last event; all are at /v1/machines/{name}/boots."
	huma.Register(a, op, s.latestBoots)
}

func (s *Server) latestBoots(ctx context.Context, _ *struct{}) (*answer[[]LatestBoot], error) {
	machines, err := s.o.Machines.Machines(ctx)
	if err != nil {
		return list[LatestBoot](nil, err)
	}
	bySubject := map[string]Boot{}
	for _, b := range s.o.Boots.Latest() {
		bySubject[cmp.Or(b.Machine, b.MAC)] = b
	}
	all := make([]LatestBoot, 0, len(machines))
	for _, m := range machines {
		b := bySubject[m.Name]
		for _, mac := range m.MACs { // boots from before it was added
			if old, ok := bySubject[mac]; ok && old.Started.After(b.Started) {
				b = old
			}
			delete(bySubject, mac)
		}
		b.Machine = m.Name
		all = append(all, LatestBoot{Boot: b})
	}
	for _, b := range bySubject {
		if b.Machine == "" {
			all = append(all, LatestBoot{Boot: b})
		}
	}
	slices.SortFunc(all, func(a, b LatestBoot) int {
		if (a.Machine == "") != (b.Machine == "") {
			return cmp.Compare(b.Machine, a.Machine)
		}
		return cmp.Or(cmp.Compare(a.Machine, b.Machine), cmp.Compare(a.MAC, b.MAC))
	})
	if s.o.Sessions != nil {
		traffic, transfers := s.o.Sessions.Traffic(), s.o.Sessions.Transfers()
		for i := range all {
			all[i].Traffic = traffic[all[i].ID]
			if x, ok := transfers[all[i].ID]; ok {
				all[i].Transfer = &x
			}
			all[i].Events = orEmpty(all[i].Events)
		}
	}
	return list(all, nil)
}

// LatestBoots returns the newest boot of every machine, and of every computer
// that nobody has added.
func (c *Client) LatestBoots(ctx context.Context) (l []LatestBoot, err error) {
	return l, c.call(ctx, http.MethodGet, "/v1/boots", nil, &l)
}
