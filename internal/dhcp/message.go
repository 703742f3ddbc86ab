package dhcp

import "fmt"

// MessageType is DHCP option 53 (RFC 2132, 9.6).
type MessageType uint8

const (
	Discover MessageType = 1
	Offer    MessageType = 2
	Request  MessageType = 3
	Decline  MessageType = 4
	ACK      MessageType = 5
	NAK      MessageType = 6
	Release  MessageType = 7
	Inform   MessageType = 8
)

var messageNames = [...]string{
	Discover: "DISCOVER", Offer: "OFFER", Request: "REQUEST", Decline: "DECLINE",
	ACK: "ACK", NAK: "NAK", Release: "RELEASE", Inform: "INFORM",
}

func (t MessageType) String() string {
	if t == 0 || int(t) >= len(messageNames) {
		return fmt.Sprintf("type %d", uint8(t))
	}
	return messageNames[t]
}

// fromClient reports whether t is a type that clients send.
func (t MessageType) fromClient() bool {
	switch t {
	case Discover, Request, Decline, Release, Inform:
		return true
	}
	return false
}
