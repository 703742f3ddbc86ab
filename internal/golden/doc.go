// Package golden builds golden images: raw disks with a Debian system that boots
// from iSCSI on any PC, under BIOS and under UEFI.
//
//	sector 0      GRUB's boot.img and the protective MBR
//	       1      GPT
//	    2048      BIOS boot partition, 1 MiB: GRUB's core image
//	    4096      EFI system partition, 32 MiB: \EFI\BOOT\BOOTX64.EFI
//	   69632      root file system, ext4, to the end but for 1 MiB
//	              GPT, second copy
//
// Both GRUBs find the root file system by its UUID, whatever the firmware calls
// the disk. All partitions are written by offset into a plain file: no loop
// device, no mount of the image, nothing that an interrupted build could leave
// behind in the kernel.
//
// The system inside expects that its disk may go away for minutes and come back
// (see files/usr/lib/bootes/iscsistart and files/etc/systemd/system/iscsid.service),
// and becomes another machine in each clone (see
// files/etc/initramfs-tools/scripts/local-bottom/bootes-identity).
package golden
