// Package doctor looks at this computer and its networks for what will keep
// machines from booting, before or while a server runs, and says what to do.
//
// Every check is two steps: a look at the system, which gives plain facts, and a
// judgement of them, which gives findings. It changes nothing, and sends
// nothing but the DISCOVERs of dhcp.Probe, and a question to DNS servers of the config.
package doctor

import (
	"context"
	"slices"
	"time"

	"bootes.dev/internal/config"
)

// Status is how bad a finding is.
type Status string

// The statuses, the harmless first.
const (
	OK   Status = "ok"
	Warn Status = "warn" // some machines may not boot, or not for ever
	Fail Status = "fail" // machines will not boot
)

// Finding is one thing that was looked at.
type Finding struct {
	Check  string `json:"check"` // the group that it is shown in, such as "interface eth0"
	Status Status `json:"status"`
	Text   string `json:"text"`             // what was found
	Remedy string `json:"remedy,omitempty"` // what to type or to do
}

// Server is the bootes server that runs on this computer.
type Server struct {
	Version string
	PID     int
}

// Options for Run.
type Options struct {
	Config    *config.Config // as the server would run with
	ConfigErr error          // why the file could not be used; Config is the default then
	Only      string         // look at this interface alone; "": at those of the config, else at all
	Server    *Server        // nil: none answers
	Unheard   error          // why it may be there and does not answer; nil: it is not there
	Version   string         // of this program
}

// Listen is how long other DHCP servers are listened for: dnsmasq offers an
// address after up to 3 s.
const Listen = 5 * time.Second

// Run makes all checks, in the order in which their findings are to be read.
// It takes as long as Listen; everything else is done meanwhile.
func Run(ctx context.Context, o Options) []Finding {
	links := o.links()
	heard := listen(ctx, links)
	names := o.lookAtDNS(ctx)
	all := slices.Concat(
		judgeConfig(o.Config, o.ConfigErr),
		judgeServer(o.Server, o.Unheard, o.Version),
	)
	for _, l := range links {
		all = append(all, judgeLink(l)...)
	}
	all = slices.Concat(all,
		judgePorts(lookAtPorts(o, links)),
		judgeFirewall(lookAtFirewall(ctx), o.wanted(links)),
		judgeRivals(<-heard),
		judgeDNS(names),
		checkLoaders(o.Config.Loaders),
		checkDisk(o.Config),
		judgeHost(lookAtHost()),
	)
	return all
}

// Worst is the worst status of all.
func Worst(all []Finding) Status {
	worst := OK
	for _, f := range all {
		if f.Status == Fail || worst == OK {
			worst = f.Status
		}
	}
	return worst
}

// group makes findings of one check.
type group struct {
	check string
	all   []Finding
}

func (g *group) ok(text string)           { g.add(OK, text, "") }
func (g *group) warn(text, remedy string) { g.add(Warn, text, remedy) }
func (g *group) fail(text, remedy string) { g.add(Fail, text, remedy) }

func (g *group) add(s Status, text, remedy string) {
	g.all = append(g.all, Finding{Check: g.check, Status: s, Text: text, Remedy: remedy})
}
