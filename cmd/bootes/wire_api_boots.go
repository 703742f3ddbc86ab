package main

import "bootes.dev/internal/api"

// openSessions are those of machines that have their disks open.
type openSessions struct{ *house }

func (o openSessions) Traffic() map[string]api.Traffic {
	return o.sessions.traffic(o.targets.sessions())
}
