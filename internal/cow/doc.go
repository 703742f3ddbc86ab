// Package cow is the local copy-on-write engine: sealed layers and writable
// volumes in plain sparse files.
//
//	volume   data ▒▒··▒·  overlay, from its first write on
//	          │           map: here / zero / ask below
//	          │           journal: what the map has learned since
//	layer    data ▒▒▒▒··  sealed, map
//	layer    data ▒▒▒▒▒▒  sealed, map
//
// Block X of a disk lies at offset X of every data file that has it, so the
// host's file system does the allocating and all clones share the page cache
// of their layers. Which file has a block is said by maps of 4 KiB grain, never
// by holes. A chain of layers is resolved once, when opened, into one map that
// all its volumes share.
//
// A clone is one small file. A snapshot seals the overlay: its folder is renamed
// and is a layer from then on. A commit is a snapshot that is kept. Layers go
// when nothing needs them any more; long chains are merged in the background.
//
// Two crashes, two promises. If the process dies, every acknowledged write is
// there: a first touch of a block writes the data, then a record in the
// journal, both plain writes, and is then acknowledged; such unstable records
// count as long as the kernel's boot_id is the same. If the machine dies,
// everything that a Flush has acknowledged is there: Flush notes how far the
// journal has come, syncs the data, and then appends and syncs a commit record
// for that far. If little was written, it goes into the journal itself, with
// its record, by one sync, and is put in its place again after a power cut. A
// sync that failed is final until the volume is reopened.
//
// The files are specified in docs/FORMAT.md. All file work goes through
// package vfs; package crashfs is a file system for tests that dies at will.
package cow
