// Package lab is a private world for tests, the demo and benchmarks: a network
// that no real machine can see, programs that run in it, and computers without
// disks that boot from it.
//
//	  Net: one network namespace, nothing in it reaches the outside
//	┌────────────────────────────────────────────────────────────────┐
//	│   br0 10.77.0.1/24 ── programs under test (Net.Start, Net.Do)  │
//	│    │           │                                               │
//	│   tap         Wire: filters that drop, delay, rewrite frames   │
//	│    │           │                                               │
//	│  Guest       Guest        QEMU, SeaBIOS or OVMF, one NIC       │
//	└────┼───────────┼───────────────────────────────────────────────┘
//	  Console     Console        the serial port: Expect and Send
//
// Whatever a Net starts ends with it. Children are told by the kernel to die
// with the thread that holds the namespace, so a panic, a SIGINT or a SIGKILL of
// the parent leaves no process, tap or bridge behind; at worst the empty name of
// the namespace stays, which the next Net removes.
//
// The lab needs root, and the programs that Require names.
package lab
