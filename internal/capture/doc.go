// Package capture keeps the last packets of each machine, so that they can be
// looked at after a boot that failed: what was asked, what was answered, and
// what never came.
//
// A packet socket on every served interface hears both directions. A filter in
// the kernel drops everything but these, of which no more is kept than said:
//
//	ARP            of machines that have asked for anything else
//	DHCP           all of it: ports 67, 68 and 4011, whoever sends it
//	DHCPv6         of machines that were added, to servers: port 547
//	TFTP           requests, option acknowledgements, errors; of blocks the first,
//	               the last and each 256th, without their data
//	HTTP           to us: requests; from us: the headers of responses
//	iSCSI          login, logout, text, reject and asynchronous messages
//	TCP            SYN, FIN and RST of both
//	ICMP           unreachable and time exceeded, of any of this
//
// Nothing secret is kept: scripts hold a boot's CHAP secrets, so the bodies of
// responses are cut off, and the proof in a login (CHAP_R), from which a weak secret
// could be guessed, is written over. Nothing of what disks hold is kept either.
//
// Packets are filed under the MAC address of the machine, of relayed ones too.
// What is kept is bounded for each machine, for strangers and in all, in memory
// and on disk; when room is short strangers go first, then who has been silent
// for longest. Clients that say that they are simulated leave nothing.
package capture
