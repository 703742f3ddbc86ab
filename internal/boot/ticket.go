package boot

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"bootes.dev/internal/inventory"
)

// Bounds on simulations.
const (
	ticketTime = 10 * time.Minute
	maxTickets = 64
	maxSeats   = 4096 // of one ticket
	maxRemarks = 64   // of one ticket: the first ones tell
)

// Simulation lets clients be served as some machines are, without a trace.
type Simulation struct {
	ID      string // by which they name it where all can hear it
	Ticket  string // by which they get scripts, and so what opens disks: a secret
	Expires time.Time
	Seats   []Seat
}

// Seat is a simulated machine.
type Seat struct {
	MAC     net.HardwareAddr
	Machine inventory.Machine // without a name: nobody has added it
}

// ticket is what is known of a simulation. Nothing of it is ever written.
type ticket struct {
	secret  string
	expires time.Time
	timer   *time.Timer
	seats   map[string]*seat // by MAC
	remarks []string
	ended   bool
}

// seat is a simulated machine, and the boot that it would have.
type seat struct {
	ticket *ticket
	mac    string
	given  inventory.Machine // a machine that there is only here; without a name: whoever has the MAC
	iface  string            // where it asked by DHCP
	addr   netip.Addr        // that it was offered there; zero: none
	boot   inventory.Boot    // made when the script is asked for
	disk   inventory.Volume  // of the boot; without an ID: a clone that would be made of its image
}

// tickets are in memory only. The zero value has none.
type tickets struct {
	mu    sync.Mutex
	all   map[string]*ticket // by the ID of the simulation
	users map[string]*seat   // by CHAP name
}

// ErrTickets: there are too many simulations.
var ErrTickets = fmt.Errorf("%d simulations are under way: wait for one of them to end", maxTickets)

// Simulate makes a ticket for the machines with some MACs or, if image is not
// empty, for machines that there are only in this simulation, and that boot it.
func (s *Service) Simulate(ctx context.Context, macs []net.HardwareAddr, image string) (Simulation, error) {
	if len(macs) == 0 || len(macs) > maxSeats {
		return Simulation{}, &inventory.InvalidError{What: "number of simulated machines", Value: fmt.Sprint(len(macs)), Want: fmt.Sprintf("1 to %d", maxSeats)}
	}
	if image != "" {
		img, err := s.Inventory.Resolve(ctx, image)
		if err == nil {
			err = img.Bootable()
		}
		if err != nil {
			return Simulation{}, err
		}
	}
	sim := Simulation{ID: strings.ToLower(rand.Text()[:12]), Ticket: strings.ToLower(rand.Text()), Expires: s.now().Add(ticketTime)}
	t := &ticket{secret: sim.Ticket, expires: sim.Expires, seats: map[string]*seat{}}
	for i, mac := range macs {
		at := &seat{ticket: t, mac: mac.String()}
		m, err := s.Inventory.MachineByMAC(ctx, mac.String())
		if err != nil && !notFound(err) {
			return Simulation{}, err
		}
		if image != "" {
			m = inventory.Machine{Name: fmt.Sprintf("simulated-%d", i+1), MACs: []string{mac.String()}, Image: image, Mode: inventory.Ephemeral}
			at.given = m
		}
		t.seats[at.mac] = at
		sim.Seats = append(sim.Seats, Seat{mac, m})
	}
	return sim, s.begin(sim.ID, t)
}

// begin has a ticket count, for its time.
func (s *Service) begin(id string, t *ticket) error {
	t.timer = time.AfterFunc(ticketTime, func() { _ = s.EndSimulation(id) }) // unless it has ended before
	err := s.tickets.add(id, t)
	if err != nil {
		t.timer.Stop()
	}
	return err
}

// EndSimulation ends a simulation with its sessions.
func (s *Service) EndSimulation(id string) error {
	users, err := s.tickets.end(id)
	for _, user := range users {
		s.SimulationEnded(s.simulateTarget(user))
	}
	return err
}

// Remarks are what the server did with the packets of a simulation, and why.
func (s *Service) Remarks(id string) ([]string, error) {
	s.tickets.mu.Lock()
	defer s.tickets.mu.Unlock()
	t := s.tickets.all[id]
	if t == nil {
		return nil, noTicket(id)
	}
	return append([]string{}, t.remarks...), nil
}

// Simulates reports whether a simulation that has not ended has a machine with a
// MAC: it is answered like those that were added.
func (s *Service) Simulates(mac net.HardwareAddr) bool {
	s.tickets.mu.Lock()
	defer s.tickets.mu.Unlock()
	for _, t := range s.tickets.all {
		if t.seats[mac.String()] != nil && s.now().Before(t.expires) {
			return true
		}
	}
	return false
}

// Simulating reports whether there is a simulation with that ID, which all can hear.
func (s *Service) Simulating(id string) bool {
	s.tickets.mu.Lock()
	defer s.tickets.mu.Unlock()
	t := s.tickets.all[id]
	return t != nil && s.now().Before(t.expires)
}

// SimulatedBy reports whether there is a simulation with that ID, of a machine with
// that MAC among others.
func (s *Service) SimulatedBy(id string, mac net.HardwareAddr) bool {
	_, err := s.tickets.seat(id, mac, s.now())
	return err == nil
}

// HasTicket reports whether a simulation has that ticket.
func (s *Service) HasTicket(secret string) bool { return s.Simulating(s.tickets.of(secret)) }

func noTicket(id string) error { return &inventory.NotFoundError{Kind: "simulation", Name: id} }

func (ts *tickets) add(id string, t *ticket) error {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if len(ts.all) >= maxTickets {
		return ErrTickets
	}
	if ts.all == nil {
		ts.all, ts.users = map[string]*ticket{}, map[string]*seat{}
	}
	ts.all[id] = t
	return nil
}

// end forgets a ticket, and returns the CHAP names that it had.
func (ts *tickets) end(id string) (users []string, err error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.all[id]
	if t == nil {
		return nil, noTicket(id)
	}
	t.timer.Stop()
	t.ended = true
	delete(ts.all, id)
	for _, at := range t.seats {
		if user := at.boot.User; user != "" {
			delete(ts.users, user)
			users = append(users, user)
		}
	}
	return users, nil
}

// close stops the timers.
func (ts *tickets) close() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, t := range ts.all {
		t.timer.Stop()
	}
}

var errNoTicket = errors.New("no simulation has that ticket for that machine, or it has ended")

// seat finds who simulates the machine with a MAC.
func (ts *tickets) seat(id string, mac net.HardwareAddr, now time.Time) (*seat, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.all[id]
	if t == nil || !now.Before(t.expires) || t.seats[mac.String()] == nil {
		return nil, errNoTicket
	}
	return t.seats[mac.String()], nil
}

// admitted finds who simulates the machine with a MAC, by a ticket.
func (ts *tickets) admitted(secret string, mac net.HardwareAddr, now time.Time) (*seat, error) {
	return ts.seat(ts.of(secret), mac, now)
}

// of is the ID of the simulation that has a ticket; "": none has.
func (ts *tickets) of(secret string) (id string) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for at, t := range ts.all {
		if subtle.ConstantTimeCompare([]byte(t.secret), []byte(secret)) == 1 {
			id = at
		}
	}
	return id
}

// user finds the simulated machine that has a CHAP name.
func (ts *tickets) user(name string, now time.Time) (at seat, ok bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	found := ts.users[name]
	if found == nil || !now.Before(found.ticket.expires) {
		return seat{}, false
	}
	return *found, true
}

// asks notes where a simulated machine, if it has a ticket, asked by DHCP.
func (ts *tickets) asks(at *seat, iface string) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if at != nil {
		at.iface = iface
	}
}

// offered notes the address that a simulated machine was offered.
func (ts *tickets) offered(at *seat, addr netip.Addr) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if addr.IsValid() && !addr.IsUnspecified() {
		at.addr = addr
	}
}

func (ts *tickets) interfaceOf(at *seat) string {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return at.iface
}

// remark notes what became of a packet of a simulation.
func (ts *tickets) remark(at *seat, text string) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := at.ticket; len(t.remarks) < maxRemarks && !slices.Contains(t.remarks, text) { // clients repeat themselves
		t.remarks = append(t.remarks, text)
	}
}
