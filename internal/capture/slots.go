package capture

import (
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// slots are memory that is shared with the kernel (packet(7), PACKET_RX_RING,
// TPACKET_V2), which puts each packet that the filter lets through into the next
// slot, with the time at which it came. By recvmsg the time is to be had only if the
// kernel stamps all packets of the host, which costs a disk's each 50 ns.
//
//	0 status │ 4 length │ 8 length here │ 12 offset of the frame │ 16 seconds │ 20 nanoseconds │ 32 address, with the packet's kind
type slots struct {
	memory []byte
	next   int
}

const (
	slotSize  = 4096
	slotCount = 256
	chunkSize = 64 << 10 // of a multiple of any computer's pages
)

func openSlots(fd int) (*slots, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2); err != nil {
		return nil, fmt.Errorf("choose the form of packets: %w", err)
	}
	const size = slotSize * slotCount
	req := unix.TpacketReq{Block_size: chunkSize, Block_nr: size / chunkSize, Frame_size: slotSize, Frame_nr: slotCount}
	if err := unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return nil, fmt.Errorf("make room for packets: %w", err)
	}
	memory, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the room for packets: %w", err)
	}
	return &slots{memory: memory}, nil
}

func (s *slots) head() *unix.Tpacket2Hdr {
	return (*unix.Tpacket2Hdr)(unsafe.Pointer(&s.memory[s.next*slotSize]))
}

// ready reports whether the next slot holds a packet.
func (s *slots) ready() bool { return atomic.LoadUint32(&s.head().Status)&unix.TP_STATUS_USER != 0 }

// take hands out the packet in the next slot, which is the kernel's again when
// f has returned.
func (s *slots) take(f func(at time.Time, outgoing bool, b []byte)) {
	h, slot := s.head(), s.memory[s.next*slotSize:][:slotSize]
	from := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&slot[unsafe.Sizeof(*h)]))
	start, end := int(h.Mac), int(h.Mac)+int(h.Snaplen)
	if end <= slotSize {
		f(time.Unix(int64(h.Sec), int64(h.Nsec)), from.Pkttype == packetOutgoing, slot[start:end])
	}
	atomic.StoreUint32(&h.Status, unix.TP_STATUS_KERNEL)
	s.next = (s.next + 1) % slotCount
}

func (s *slots) close() error { return unix.Munmap(s.memory) }
