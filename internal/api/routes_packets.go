package api

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// PacketLine is one packet in words.
type PacketLine struct {
	Time        time.Time `json:"time"`
	FromMachine bool      `json:"from_machine" doc:"false: to the machine, or to all"`
	Text        string    `json:"text"`
}

// Span is the packets of one network card within a time. A zero end is open.
type Span struct {
	MAC      string
	From, To time.Time
}

// spanSlack is by how much a boot's packets may be earlier than its first event.
const spanSlack = time.Second

type packetsQuery struct {
	Name string `path:"name"`
	Boot string `query:"boot" doc:"id of a boot; default: all that is kept"`
}

type packetsAnswer struct {
	Type string `header:"Content-Type"`
	Body []byte
}

func (s *Server) packetRoutes(a huma.API) {
	op := get("get-packets", "/v1/machines/{name}/packets", "The last packets of a machine, as a pcap file")
	op.Description = "Name may be a MAC address. Scripts and data of disks are not among them."
	huma.Register(a, op, s.packetFile)
	huma.Register(a, get("list-packets", "/v1/machines/{name}/packets/lines", "The last packets of a machine, in words"), s.packetLines)
}

func (s *Server) packetFile(ctx context.Context, in *packetsQuery) (*packetsAnswer, error) {
	spans, err := s.spans(ctx, in)
	if err != nil {
		return nil, problem(err)
	}
	file := s.o.Packets.Packets(spans)
	if file == nil {
		return nil, problem(Errorf(NotFound, "no packets of %q are kept: either it has sent none that concern a boot, on no interface that is served, or there was no room for them", in.Name))
	}
	return &packetsAnswer{Type: "application/vnd.tcpdump.pcap", Body: file}, nil
}

func (s *Server) packetLines(ctx context.Context, in *packetsQuery) (*answer[[]PacketLine], error) {
	spans, err := s.spans(ctx, in)
	if err != nil {
		return nil, problem(err)
	}
	return list(s.o.Packets.PacketLines(spans), nil)
}

// spans tells which packets are asked for.
func (s *Server) spans(ctx context.Context, in *packetsQuery) ([]Span, error) {
	macs, boots, err := s.seen(ctx, in.Name)
	if err != nil || in.Boot == "" {
		return allSpans(macs, boots), err
	}
	spans := bootSpans(in.Boot, macs, boots)
	if spans == nil {
		err = noBoot(in.Name, in.Boot, boots)
	}
	return spans, err
}

// seen returns the network cards and the boots of a machine, or of a stranger by
// its MAC.
func (s *Server) seen(ctx context.Context, name string) (macs []string, boots []Boot, err error) {
	m, err := s.o.Machines.Machine(ctx, name)
	if err == nil {
		return m.MACs, s.boots(m), nil
	}
	hw, notMAC := net.ParseMAC(name)
	if notMAC != nil {
		return nil, nil, err
	}
	return []string{hw.String()}, s.o.Boots.Boots(hw.String()), nil
}

// allSpans is everything of a machine's cards, and the boots that it has made
// through others: docks travel.
func allSpans(macs []string, boots []Boot) (spans []Span) {
	for _, mac := range macs {
		spans = append(spans, Span{MAC: mac})
	}
	for i, b := range boots {
		spans = append(spans, bootSpan(b.MAC, boots, i))
	}
	return spans
}

// bootSpans is one boot, by the cards of its machine; nil: there is no such boot.
func bootSpans(id string, macs []string, boots []Boot) (spans []Span) {
	for i, b := range boots {
		if b.ID != id {
			continue
		}
		for _, mac := range append([]string{b.MAC}, macs...) {
			spans = append(spans, bootSpan(mac, boots, i))
		}
		return spans
	}
	return nil
}

// bootSpan lasts from one boot to the next. The newest is first.
func bootSpan(mac string, boots []Boot, i int) Span {
	span := Span{MAC: mac, From: boots[i].Started.Add(-spanSlack)}
	if i > 0 {
		span.To = boots[i-1].Started.Add(-spanSlack)
	}
	return span
}

func noBoot(name, id string, boots []Boot) error {
	if len(boots) == 0 {
		return Errorf(NotFound, "no boot of %q is on record", name)
	}
	var has []string
	for _, b := range boots {
		has = append(has, fmt.Sprintf("%s (%s)", b.ID, b.Started.Format(time.DateTime)))
	}
	return Errorf(NotFound, "%q has no boot %q; it has %s", name, id, strings.Join(has, ", "))
}
