package dhcp

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// packetOf is as much of a message as the queues look at.
func packetOf(mac net.HardwareAddr, t MessageType) []byte {
	b := make([]byte, headerLen+8)
	copy(b[giaddr:], []byte{10, 77, 0, 9})
	copy(b[28:], mac)
	copy(b[headerLen+4:], []byte{optMessageType, 1, byte(t)})
	return b
}

// TestFlood: whatever strangers send, nothing of a known machine is dropped, the
// REQUESTs of the strangers that have an offer come before new DISCOVERs, and the
// log names the flood once.
func TestFlood(t *testing.T) {
	var log bytes.Buffer
	known := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	s := New(Options{Known: func(mac net.HardwareAddr) bool { return bytes.Equal(mac, known) }})
	q, l := s.newQueues(), &link{config: InterfaceConfig{Name: "eth1"}}
	p := &port{link: l}
	send := func(mac net.HardwareAddr, t MessageType) {
		q.put(job{port: p, in: datagram{data: packetOf(mac, t)}})
	}
	waiting := func() (n int) {
		for _, c := range q.all {
			n += len(c)
		}
		return n
	}
	const many = 20000
	for i := range many {
		send(net.HardwareAddr{2, 1, 0, 0, byte(i >> 8), byte(i)}, Discover)
	}
	if n := waiting(); n != workers*crowded || l.flood.count != many-n {
		t.Errorf("of %d DISCOVERs %d wait, %d were dropped", many, n, l.flood.count)
	}
	for i := range many {
		send(net.HardwareAddr{2, 1, 0, 0, byte(i >> 8), byte(i)}, Request)
	}
	if n := waiting(); n != workers*queued {
		t.Errorf("with REQUESTs %d messages wait, want %d", n, workers*queued)
	}
	dropped := l.flood.count
	for _, m := range []MessageType{Discover, Request} {
		send(known, m)
	}
	if l.flood.count != dropped {
		t.Error("a known machine's message was dropped")
	}

	now := time.Now()
	logger := slog.New(slog.NewTextHandler(&log, nil))
	news := ""
	for i := range 5 {
		news += l.flood.tell(logger, "eth1", now.Add(time.Duration(i)*time.Second))
	}
	if want := "a flood of DHCP messages of 1000 or more clients: some of this machine's may be lost, and it may have to ask again"; news != want {
		t.Errorf("boots are told %q", news)
	}
	text := log.String()
	for _, want := range []string{
		`msg="flood of DHCP messages: machines that were added are answered first, others as far as there is time; look where they come from"`,
		"interface=eth1", `clients="1000 or more"`, "relay=10.77.0.9",
	} {
		if strings.Count(text, want) != 1 {
			t.Errorf("no single %s in\n%s", want, text)
		}
	}
	l.flood.tell(logger, "eth1", now.Add(time.Minute))
	if !strings.Contains(log.String(), `msg="the flood of DHCP messages is over"`) || l.flood.count != 0 {
		t.Errorf("afterwards:\n%s", log.String())
	}
	log.Reset()
	for i := range floodSize - 1 {
		l.flood.dropped(packetOf(net.HardwareAddr{2, 1, 0, 0, 0, byte(i)}, Discover))
	}
	l.flood.tell(logger, "eth1", time.Now())
	if log.Len() > 0 {
		t.Errorf("a hitch is called a flood:\n%s", log.String())
	}
}

// TestClientsMessagesStayInOrder: one client's go to one worker.
func TestClientsMessagesStayInOrder(t *testing.T) {
	s := New(Options{})
	q, p := s.newQueues(), &port{link: &link{}}
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	for i := range queued {
		b := packetOf(mac, Request)
		b[4] = byte(i)
		q.put(job{port: p, in: datagram{data: b}})
	}
	var wg sync.WaitGroup
	for _, c := range q.all {
		wg.Go(func() {
			for i := 0; len(c) > 0; i++ {
				if j := <-c; int(j.in.data[4]) != i {
					t.Errorf("message %d came as number %d", j.in.data[4], i)
				}
			}
		})
	}
	wg.Wait()
	q.put(job{port: p, in: datagram{data: []byte{1, 2, 3}}}) // too short to have a sender
}
