package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// LatestBoot is the newest boot of a machine, with no more than its last event,
// or of a computer that nobody has added. One of a machine that has never
// booted has no id.
type LatestBoot struct {
	Boot
	Traffic
}

// Traffic is what a boot has moved.
type Traffic struct {
	ReadBytes    int64 `json:"read_bytes" doc:"from its disks, if it has a session"`
	WrittenBytes int64 `json:"written_bytes" doc:"likewise"`
	Connected    bool  `json:"connected" doc:"it has a session with a disk now"`
}

// Sessions is what the server asks about machines that have their disks open.
type Sessions interface {
	// Traffic is that of the boots that have sessions now, by their ids.
	Traffic() map[string]Traffic
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
		traffic := s.o.Sessions.Traffic()
		for i := range all {
			all[i].Traffic = traffic[all[i].ID]
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
