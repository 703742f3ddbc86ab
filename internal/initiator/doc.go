// Package initiator is a small iSCSI initiator (RFC 7143): error recovery
// level 0, one connection per session. Tests, benchmarks and simulations use
// it to be the client that measures, and that checks what a target says.
//
// # A session
//
// Dial logs in, by CHAP and mutual CHAP where it is told to, and follows
// redirections. After that one goroutine reads the connection all its life:
//
//	Do ────▶ encode ──┐                       ┌──▶ Do's caller
//	Start ─▶ encode ──┼─▶ batch ─▶ socket ─▶ reader
//	  ▲               │                       └──▶ Command.Done ──┐
//	  └───────────────┴───────────────────────────────────────────┘
//
// Commands have their place in a fixed table, whose index is in their task tag,
// so an I/O costs no allocation. Done runs on the reader and may start the next
// command, which is sent with all others that the same batch of responses
// brought, by one system call, before the reader waits again: so one goroutine
// keeps any depth of queue. Whoever calls Do from many goroutines gets the same
// depth with a goroutine switch per command.
//
// The reader never waits for the socket to take what it sends: what does not
// go at once is left to a writer. Else a target that waits for its answers to be
// read would wait for ever.
//
// # What is checked
//
// The order of StatSN and DataSN, that data comes in order and where it was
// asked for, digests, task tags, residual counts, and that R2Ts ask for what
// there is. A target that breaks a rule ends the session with an error that
// says which.
//
// CHAP is written here a second time, and not shared with package iscsi: two
// ends that share a mistake would agree.
package initiator
