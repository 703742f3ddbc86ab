// Package simulate plays a machine that boots from the network, against whatever
// servers there are, and tells packet by packet what it would boot, and why.
//
//	firmware  DISCOVER (60, 93, 97) ───▶ who offers what?  ──▶ loader by TFTP or HTTP: what is it?
//	iPXE      DISCOVER (77, 175)    ───▶ who offers what?  ──▶ script: read and followed
//	disk      iSCSI login with CHAP ───▶ is there something to boot on it?
//
// It is harmless. Its messages are marked (option 61), it takes no offer unless it
// is told to, so that no server keeps a lease, and a Boötes keeps nothing of it
// at all. It has no address: from the offer on it asks from this computer's own.
//
// What it sends by DHCP is what the firmware of that kind sends, after captures
// (internal/dhcp/testdata). To hear it on the same host too, messages go out
// through the kernel's IP, which loops broadcasts back, and answers are read off
// the wire, where they are seen whether or not another program has port 68.
package simulate
