// Package iscsi is the iSCSI target (RFC 7143): error recovery level 0, one
// connection per session, several sessions per target.
//
// # A connection
//
// One goroutine reads a connection all its life: first the login, which is
// bounded in time and memory and needs CHAP, then the commands.
//
//	          ┌──────── reader ────────┐      ┌─── workers, ≤ 16 ───┐
//	socket ──▶│ framer ▶ CmdSN ▶ Decode├─────▶│ WRITE FLUSH UNMAP   │
//	          │   hot READ: inline     │ jobs │ cold READ           │
//	          └──────────┬─────────────┘      └──────────┬──────────┘
//	                     └──────────▶ outbox ◀───────────┘
//	                                    └─▶ one writev per batch ─▶ socket
//
// READs run on the reader while the disk answers from memory, which saves two
// goroutine switches per I/O; one slow READ sends the next ones to the workers.
// Long ones are not read at all where the disk can pin their data: the kernel
// sends it from its page cache, behind the header (sendfile).
// WRITE, FLUSH and UNMAP never run on the reader: the kernel's dirty throttling
// would hold back NOP replies until the initiator gives the session up.
// Responses gather in the outbox while more requests are already buffered;
// whoever finds nobody writing writes for all.
//
// # Write data
//
// Data is written in pieces of at most one burst as it arrives, so a WRITE of
// any length holds at most one burst of memory and one on its way to the disk.
// Pieces are taken from a budget that all sessions share. An R2T waits for
// the budget; a command with unsolicited data that finds none gets BUSY. A
// session that holds nothing is always given one piece, so each can go on
// whatever the others do. Under pressure the command window shrinks.
//
// # Who holds a target
//
// A target has one owner at a time (Grant.Owner). Sessions of one owner
// coexist; a login of another owner, once authenticated and admitted, ends the
// former's sessions and waits for the last of their I/O before the units are
// opened for it. Whoever fails to authenticate changes nothing. Server.Vacate
// takes a target from everybody, for as long as its volume must be alone. A
// login that is to be served elsewhere is redirected once it has authenticated:
// strangers are not told where disks are.
//
// # Waiting
//
// A command may wait for older ones (ORDERED and HEAD OF QUEUE, see order), for
// the limits of its disk (throttle), for a worker, for the disk, and for the
// initiator to send data or to take it. trace adds up each; what takes longer
// than Options.SlowIO is told to Events, and every command is counted in its
// unit's histograms. On a unit without limits that gets SIMPLE commands all this
// is two looks at counters and two at a clock per command.
//
// # Guessing
//
// Who fails to authenticate is answered later each time, see guesses; who knows
// the secret is not slowed.
//
// # Unit attentions
//
// Server.Notify tells the sessions of an owner what has become of a logical
// unit: that it has grown, that it is nearly full. What one session does to the
// others by its commands is scsi's: each session is a scsi.Nexus.
//
// # iPXE
//
// iPXE draws a random ISID, never logs out, and closes the connection on Async
// Message, Reject and NOP-In pings. It takes StatSN and ExpCmdSN from every
// PDU, so every PDU carries them. It takes a failed command for a failed disk,
// so it is told no unit attention. It does not run while a boot loader shows
// its menu, not even its TCP: sessions that log in as it does (no immediate
// data) have neither keep-alive nor pings, and last until their owner is fenced.
//
// # The end
//
// When the server stops, initiators that take Async Messages are asked to log
// out and given a moment for it; the others are cut. Silent ones are pinged, and
// those that do not answer pings are cut.
//
// # Locks
//
// In the order in which they may be taken: target.busy, Server.mu,
// session.mu, order.mu, throttle.mu, outbox.mu, budget.mu. Those of package scsi
// come after session.mu.
package iscsi
