// Package diskcheck looks into a disk for what keeps a machine from booting it:
// the boot loader, GRUB's configuration, the kernel and the initramfs that this
// starts by default, the root file system, /sbin/init and /etc/fstab.
//
// It follows a boot as the machine does, step by step, and says what is missing,
// empty or cut off, and in which file and line. Where it cannot follow (no GRUB, a
// system that is not Linux, file systems that package guestfs does not read, paths
// that a script works out) it says nothing: a finding is something seen.
//
// Disks are their machines', and may be hostile. All reads are bounded in size and
// number and end with their context; text that comes from a disk is quoted.
package diskcheck
