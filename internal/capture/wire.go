package capture

// Numbers of the protocols.
const (
	etherLen         = 14
	etherARP         = 0x0806
	etherIPv4        = 0x0800
	etherIPv6        = 0x86dd
	ipv4Len          = 20
	protoICMP        = 1
	protoTCP         = 6
	protoUDP         = 17
	icmpLen          = 8
	icmpUnreachable  = 3
	icmpTimeExceeded = 11
	nextHopByHop     = 0
	nextICMPv6       = 58
	arpLen           = 28
	tcpLen           = 20
	udpLen           = 8

	portDHCPServer = 67
	portDHCPClient = 68
	portPXE        = 4011

	packetOutgoing = 4 // PACKET_OUTGOING of linux/if_packet.h

	tftpLen   = 4
	tftpRRQ   = 1
	tftpWRQ   = 2
	tftpDATA  = 3
	tftpACK   = 4
	tftpERROR = 5
	tftpOACK  = 6   // RFC 2347
	tftpEach  = 256 // of the blocks in between each so many-th is kept

	pduLen = 48
)

// pduHead is what is fixed in the first four bytes of an iSCSI message
// (RFC 7143, 11).
type pduHead struct{ mask, value uint32 }

// textHeads begin the keys of iSCSI's logins and texts (RFC 7143, 13). Initiators send
// the text of a message by itself, after its header.
var textHeads = []string{
	"Auth", "CHAP", "Data", "Defa", "Erro", "Firs", "Head", "Imme", "Init", "MaxB", "MaxC", "MaxO", "MaxR", "Send", "Sess", "Targ", "Task", "iSCS",
}

var pduHeads = []pduHead{
	{0xff30ffff, 0x43000000}, // login request, of version 0
	{0xff30ffff, 0x23000000}, // login response
	{0xbffcffff, 0x06800000}, // logout request
	{0xffff00ff, 0x26800000}, // logout response
	{0xbf3fffff, 0x04000000}, // text request
	{0xff3fffff, 0x24000000}, // text response
	{0xffff00ff, 0x3f800000}, // reject
	{0xffffffff, 0x32800000}, // asynchronous message
}
