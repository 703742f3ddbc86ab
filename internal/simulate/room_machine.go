package simulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"bootes.dev/internal/dhcp"
	"bootes.dev/internal/initiator"
	"bootes.dev/internal/recorder"
)

// RoomClients are what a room's machines need of the server that they boot from.
type RoomClients struct {
	Wire       *Wire
	Firmware   Firmware
	Simulation string       // in what all can hear
	Ticket     string       // for scripts
	Servers    []netip.Addr // whom the ticket may be shown to
}

// Boot has the machines of r be clients of a server.
func (c *RoomClients) Boot(r *Room) error {
	then := c.Firmware
	r.stages = roomStages[firstOfIPXE:]
	if !c.Firmware.ipxe() {
		var err error
		if then, err = FirmwareByName(c.Firmware.then); err != nil {
			return fmt.Errorf("%s does not become iPXE: a room cannot be of it", c.Firmware.Title)
		}
		r.stages = roomStages[:]
	}
	door := make(chan struct{}, maxAtDoor)
	r.boot = func(mac net.HardwareAddr, reads *roomReader) roomMachine {
		return &roomClient{RoomClients: c, who: client{mac: mac, simulation: c.Simulation}, then: then, reads: reads, door: door}
	}
	return nil
}

// maxAtDoor is how many machines fetch their scripts or log in at one moment. Each
// would come from an address of its own; here they share one, and of one address
// servers let in only so many.
const maxAtDoor = 100

// roomClient is a machine of a room as a client.
type roomClient struct {
	*RoomClients
	who   client
	then  Firmware // iPXE
	reads *roomReader
	door  chan struct{}

	offer  Answer
	script string
	disk   *initiator.Disk
}

func (m *roomClient) step(ctx context.Context, s recorder.Stage) (err error) {
	switch s {
	case recorder.StageFirmware:
		m.offer, err = m.ask(ctx, m.Firmware, 4*time.Second) // PXE specification 2.1, 2.2.1
	case recorder.StageLoader:
		err = m.fetchLoader(ctx)
	case recorder.StageIPXE:
		m.offer, err = m.ask(ctx, m.then, time.Second)
	case recorder.StageScript:
		m.script, err = m.fetchScript(ctx)
	case recorder.StageLogin:
		m.disk, err = m.login(ctx)
	case recorder.StageRead:
		err = m.reads.read(ctx, m.disk)
	}
	return err
}

// enter waits until there is room at the server's door, for leave to make.
func (m *roomClient) enter(ctx context.Context) error {
	select {
	case m.door <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *roomClient) leave() { <-m.door }

func (m *roomClient) close() {
	if m.disk != nil {
		_ = m.disk.Session().Close()
	}
}

var (
	errNoOffer  = errors.New("no DHCP server answered")
	errNoFile   = errors.New("DHCP servers answered, and none said what to boot")
	errNoScript = errors.New("what the server says is no script")
	errForeign  = errors.New("another server than the one that gave the ticket says what to boot")
)

// roomLastWait is the longest wait for an answer.
const roomLastWait = 16 * time.Second

// ask sends DISCOVERs, later and later, until an offer says what to boot.
func (m *roomClient) ask(ctx context.Context, f Firmware, wait time.Duration) (Answer, error) {
	xid := newXid()
	answers, end := m.Wire.Expect(xid)
	defer end()
	began, silent := time.Now(), errNoOffer
	for ; ; wait = min(2*wait, roomLastWait) {
		if err := m.Wire.Broadcast(m.who.message(f, dhcp.Discover, xid, uint16(time.Since(began).Seconds()))); err != nil {
			return Answer{}, err
		}
		late := time.After(wait)
		for waiting := true; waiting; {
			select {
			case a := <-answers:
				if a, err := m.offered(ctx, f, a); err == nil {
					return a, nil
				}
				silent = errNoFile
			case <-late:
				waiting = false
			case <-ctx.Done():
				return Answer{}, silent
			}
		}
	}
}

// offered is what an offer says, or the proxy that made it on port 4011.
func (m *roomClient) offered(ctx context.Context, f Firmware, a Answer) (Answer, error) {
	if a.Type != dhcp.Offer || a.chaddr != m.who.mac.String() {
		return a, errNoOffer
	}
	if a.File == "" && a.Proxy() && a.netboot() && !f.ipxe() && !f.http {
		var err error
		if a, err = m.Wire.bootServer(ctx, cmp.Or(a.Next, a.From), m.who.bootRequest(f, newXid(), m.Wire.Own(), menuItem(a))); err != nil {
			return a, err
		}
	}
	if a.File == "" || !f.ipxe() && !f.takes(a) {
		return a, errNoFile
	}
	return a, nil
}

func (m *roomClient) fetchLoader(ctx context.Context) error {
	if strings.HasPrefix(m.offer.File, "http://") {
		_, err := httpFetch(ctx, m.Simulation, m.offer.File, maxFile)
		return err
	}
	_, err := tftpFetch(ctx, cmp.Or(m.offer.Next, m.offer.From), m.offer.File, m.Simulation, m.Firmware.tftp)
	return err
}

// fetchScript shows the ticket to nobody but the server that gave it.
func (m *roomClient) fetchScript(ctx context.Context) (string, error) {
	u, err := url.Parse(m.offer.File)
	if err != nil {
		return "", errForeign
	}
	if at, err := netip.ParseAddr(u.Hostname()); err != nil || !slices.Contains(m.Servers, at) {
		return "", errForeign
	}
	u.RawQuery = url.Values{"simulate": {m.Ticket}}.Encode()
	if err := m.enter(ctx); err != nil {
		return "", err
	}
	defer m.leave()
	got, err := httpFetch(ctx, m.Simulation, u.String(), maxScript)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(string(got.data), "#!ipxe") {
		return "", errNoScript
	}
	return string(got.data), nil
}

const maxScript = 64 << 10

// login opens the disk of the script.
func (m *roomClient) login(ctx context.Context) (*initiator.Disk, error) {
	set := map[string]string{}
	var uri, said string
	for line := range strings.Lines(m.script) {
		word := strings.Fields(line)
		switch {
		case len(word) == 3 && word[0] == "set":
			set[word[1]] = word[2]
		case len(word) > 1 && word[0] == "sanboot":
			uri = word[1]
		case len(word) > 1 && word[0] == "echo":
			said += " " + strings.Join(word[1:], " ")
		}
	}
	if uri == "" {
		return nil, fmt.Errorf("the script boots no disk, but says:%s", said)
	}
	at, err := parseTarget(uri)
	if err != nil {
		return nil, err
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.leave()
	s, err := initiator.Dial(ctx, at.portal.String(), initiator.Options{
		Initiator: set["initiator-iqn"], Target: at.name, User: set["username"], Secret: set["password"],
		ReverseUser: set["reverse-username"], ReverseSecret: set["reverse-password"], Depth: 2, FollowRedirects: true,
	})
	if err != nil {
		return nil, err
	}
	d, err := s.Disk(ctx, at.lun)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return d, nil
}
