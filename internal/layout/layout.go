// Package layout looks at what firmware looks for at the beginning of a disk: boot
// signature, boot code, partition table and the EFI system partition.
package layout

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/diskimage"
	"bootes.dev/internal/guestfs"
)

const (
	sector    = 512
	codeLen   = 440  // of an MBR; behind it are the disk's signature and the table
	first     = 2048 // sectors that are looked at for a blank disk: where partitions begin as a rule
	signature = 0xaa55
)

// espTypes are what package diskimage calls an EFI system partition, of a GPT and
// of an MBR.
var espTypes = map[string]bool{"EFI System": true, "EFI (FAT-12/16/32)": true}

var gptMark = []byte("EFI PART") // UEFI 2.10, table 5.5

// Read looks at a disk of size bytes.
func Read(ctx context.Context, r io.ReaderAt, size int64) (l diagnose.Layout, err error) {
	head := make([]byte, min(size, first*sector))
	if len(head) < 2*sector {
		return l, fmt.Errorf("look at a disk of %d bytes: it is too small to boot from", size)
	}
	if _, err := r.ReadAt(head, 0); err != nil {
		return l, fmt.Errorf("read the beginning of the disk: %w", err)
	}
	l.Seen, l.Blank = true, len(bytes.Trim(head, "\x00")) == 0
	l.Signature = binary.LittleEndian.Uint16(head[sector-2:]) == signature
	l.Code = len(bytes.Trim(head[:codeLen], "\x00")) > 0
	l.GPT = bytes.HasPrefix(head[sector:], gptMark)
	if !l.Signature {
		return l, nil
	}
	parts, err := diskimage.Partitions(r, size)
	if err != nil {
		return l, fmt.Errorf("read the partition table: %w", err)
	}
	for _, p := range parts {
		if espTypes[p.Type] {
			l.ESP = true
			l.EFI = defaults(ctx, r, size, p.Number)
			break
		}
	}
	return l, nil
}

// defaults are the files in \EFI\BOOT of a partition, nil if its file system
// cannot be read.
func defaults(ctx context.Context, r io.ReaderAt, size int64, partition int) []string {
	if _, err := guestfs.List(ctx, r, size, fmt.Sprintf("p%d:/", partition)); err != nil {
		return nil
	}
	names := []string{}
	list, err := guestfs.List(ctx, r, size, fmt.Sprintf("p%d:/EFI/BOOT", partition))
	if err != nil {
		return names
	}
	for _, f := range list.Entries {
		names = append(names, f.Name)
	}
	return names
}
