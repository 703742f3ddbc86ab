package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

type namePath struct {
	Name string `path:"name"`
}

type machineBody struct{ Body NewMachine }

type machineChange struct {
	Name string `path:"name"` // an embedded namePath stays empty: huma skips unexported fields
	Body MachineChange
}

func (s *Server) machineRoutes(a huma.API) {
	huma.Register(a, get("list-machines", "/v1/machines", "All machines"), s.listMachines)
	huma.Register(a, get("get-machine", "/v1/machines/{name}", "One machine"),
		func(ctx context.Context, in *namePath) (*answer[Machine], error) {
			return s.machine(s.o.Machines.Machine(ctx, in.Name))
		})
	huma.Register(a, operation(http.MethodPost, "add-machine", "/v1/machines", "Add a machine", http.StatusCreated),
		func(ctx context.Context, in *machineBody) (*answer[Machine], error) {
			return s.machine(s.o.Machines.AddMachine(ctx, in.Body))
		})
	huma.Register(a, operation(http.MethodPatch, "set-machine", "/v1/machines/{name}", "Change a machine", http.StatusOK),
		func(ctx context.Context, in *machineChange) (*answer[Machine], error) {
			return s.machine(s.o.Machines.SetMachine(ctx, in.Name, in.Body))
		})
	huma.Register(a, operation(http.MethodDelete, "remove-machine", "/v1/machines/{name}", "Remove a machine", http.StatusNoContent),
		func(ctx context.Context, in *namePath) (*struct{}, error) {
			return done(s.o.Machines.RemoveMachine(ctx, in.Name))
		})
	huma.Register(a, get("list-boots", "/v1/machines/{name}/boots", "The last boots of a machine, newest first"), s.listBoots)
}

func (s *Server) listMachines(ctx context.Context, _ *struct{}) (*answer[[]Machine], error) {
	machines, err := s.o.Machines.Machines(ctx)
	for i := range machines {
		machines[i].LastBoot = s.lastBoot(machines[i])
	}
	return list(machines, err)
}

func (s *Server) machine(m Machine, err error) (*answer[Machine], error) {
	if err == nil {
		m.LastBoot = s.lastBoot(m)
	}
	return reply(m, err)
}

// listBoots looks under the machine's name and under its MACs: boots from
// before it was added are there. A MAC as name finds an unknown machine.
func (s *Server) listBoots(ctx context.Context, in *namePath) (*answer[[]MachineBoot], error) {
	m, err := s.o.Machines.Machine(ctx, in.Name)
	if err == nil {
		return list(s.goOn(s.boots(m)), nil)
	}
	if boots := s.o.Boots.Boots(strings.ToLower(in.Name)); len(boots) > 0 {
		return list(s.goOn(boots), nil)
	}
	return list[MachineBoot](nil, err)
}

// goOn adds to the newest of boots how it goes.
func (s *Server) goOn(boots []Boot) []MachineBoot {
	all := make([]MachineBoot, len(boots))
	for i, b := range boots {
		all[i].Boot = b
	}
	if s.o.Sessions != nil && len(all) > 0 {
		all[0].Now = s.o.Sessions.Now(all[0].ID)
	}
	return all
}

func (s *Server) boots(m Machine) []Boot {
	boots := s.o.Boots.Boots(m.Name)
	for _, mac := range m.MACs {
		boots = append(boots, s.o.Boots.Boots(mac)...)
	}
	slices.SortStableFunc(boots, func(a, b Boot) int { return b.Started.Compare(a.Started) })
	return boots
}

func (s *Server) lastBoot(m Machine) *LastBoot {
	b, ok := s.o.Boots.Newest(m.Name)
	for _, mac := range m.MACs {
		if old, found := s.o.Boots.Newest(mac); found && (!ok || old.Started.After(b.Started)) {
			b, ok = old, true
		}
	}
	if !ok {
		return nil
	}
	last := &LastBoot{ID: b.ID, Started: b.Started, Stage: b.Stage, Outcome: b.Outcome, Time: b.Started}
	if n := len(b.Events); n > 0 {
		e := b.Events[n-1]
		last.Time, last.Level, last.Text = e.Time, e.Level, e.Text
	}
	return last
}
