// Package guestfs lists folders and reads files in the file systems of a
// guest's disk, read-only: ext2, ext3, ext4, and FAT with 12, 16 or 32 bits.
//
// # Which partition
//
// A path may begin with a partition's number: "p2:/etc/hosts". Otherwise it is
// looked up in
//
//  1. the first partition whose file system holds a folder /etc,
//  2. or else the largest with ext2, ext3 or ext4,
//  3. or else the largest with a file system that can be read.
//
// A disk without a partition table is taken as one file system. Symbolic links
// are followed inside the file system that they are in, also absolute ones:
// nothing is mounted. A file in the root folder whose name begins like a
// partition is written with a slash: "/p2:x".
//
// # What a running guest leaves
//
// The disk of a running machine, and a snapshot of it, is as after a power
// cut: what the guest has not written yet is not there, and what only the
// journal holds is not seen, because journals are not replayed. Place.Unclean
// tells.
//
// # Why no library
//
// Guests write these disks, and whoever owns a guest may make them hostile. A
// reader inside the server must not be led into an endless loop, a deep
// recursion or an allocation of any size that a disk asks for: in Go the latter
// two end the process and cannot be recovered from. go-diskfs 1.9.4 reads whole
// extent trees, directories and FATs into memory, without bounds or an end to
// their loops, and panics at the first hole of a sparse file.
// go-ext4-filesystem, which Trivy uses, keeps a map of every block of an open
// file, 1 GB for a file of 64 GiB, and visits what an extent tree says, 340
// children of 340 children. debugfs and mtools want a file, and a layer of a
// copy-on-write chain is none: they would need a copy of the whole partition
// for each file that is read, or FUSE.
//
// So these readers are our own, and small because they only read: they look up
// one block at a time, in constant memory, check the checksums of metadata
// where there are any, and end with their context. debugfs, mke2fs and mtools
// are what the tests compare them with.
package guestfs
