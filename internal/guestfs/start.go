package guestfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"bootes.dev/internal/block"
	"bootes.dev/internal/diskimage"
)

// Start is what a disk has for firmware to start from.
type Start struct {
	Blank     bool // its first sectors are all zeros
	Signature bool // 55 AA at the end of the first sector
	Code      bool // and code at its beginning
	GPT       bool
	ESP       bool     // an EFI system partition
	EFI       []string // names in its \EFI\BOOT; empty, not nil, if that is not there; nil: there is no ESP, or it cannot be read
}

// startSectors are those of a boot sector, a GPT's header and its entries.
const startSectors = 34

// LookStart reads the beginning of a disk of size bytes.
func LookStart(ctx context.Context, dev io.ReaderAt, size int64) (s Start, err error) {
	defer guard(&err)
	if size < startSectors*block.SectorSize {
		return s, fmt.Errorf("look at the beginning of a disk of %d bytes: %w", size, ErrUnsupported)
	}
	head := make([]byte, startSectors*block.SectorSize)
	if err := (&disk{ctx, dev, size}).fill(head, 0); err != nil {
		return s, err
	}
	s.Blank = len(bytes.Trim(head, "\x00")) == 0
	s.Signature = head[510] == 0x55 && head[511] == 0xaa
	s.Code = s.Signature && len(bytes.Trim(head[:440], "\x00")) > 0
	s.GPT = string(head[512:520]) == "EFI PART"
	parts, err := diskimage.Partitions(dev, size)
	for _, p := range parts {
		if strings.HasPrefix(p.Type, "EFI") {
			s.ESP = true
			s.EFI, err = efiFiles(ctx, dev, size, p.Number)
			break
		}
	}
	return s, err
}

// efiFiles are the names in \EFI\BOOT of a partition.
func efiFiles(ctx context.Context, dev io.ReaderAt, size int64, partition int) ([]string, error) {
	l, err := List(ctx, dev, size, fmt.Sprintf("p%d:/EFI/BOOT", partition))
	if errors.Is(err, fs.ErrNotExist) {
		return []string{}, nil
	}
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, e := range l.Entries {
		names = append(names, strings.ToUpper(e.Name))
	}
	return names, nil
}
