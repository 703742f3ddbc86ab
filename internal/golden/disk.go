package golden

import (
	"context"
	"fmt"
	"os"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/gpt"
)

// The partitions, in sectors; see the package comment.
const (
	biosStart = 2048
	biosEnd   = 4096 // exclusive
	espStart  = biosEnd
	espEnd    = 69632
	rootStart = espEnd
	tailLen   = 2048 // left free for the second GPT
)

// typeBIOSBoot is GRUB's own partition type.
const typeBIOSBoot gpt.Type = "21686148-6449-6E6F-744E-656564454649"

// ext4Features are switched off because GRUB 2.06 cannot read them; mke2fs 1.47
// would switch them on.
const ext4Features = "^metadata_csum_seed,^orphan_file"

// rootLen is the number of sectors of the root partition.
func (b *builder) rootLen() int64 { return b.Size/sectorSize - rootStart - tailLen }

// makeDisk makes the disk file with its partition table and file systems.
func (b *builder) makeDisk(ctx context.Context) error {
	if err := b.writeGPT(); err != nil {
		return err
	}
	err := command(ctx, nil, "mke2fs", "-q", "-F", "-t", "ext4", "-d", b.path("root"),
		"-L", "root", "-U", b.rootUUID.String(), "-m", "1", "-J", "size=32", "-O", ext4Features,
		// Lazily made tables would be written by every clone for itself.
		"-E", fmt.Sprintf("offset=%d,lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0", rootStart*sectorSize),
		b.disk(), fmt.Sprintf("%dk", b.rootLen()*sectorSize/1024))
	if err != nil {
		return fmt.Errorf("make root file system of %d MiB: %w", b.rootLen()*sectorSize>>20, err)
	}
	err = command(ctx, nil, "mformat", "-i", b.esp(), "-T", fmt.Sprint(espEnd-espStart),
		"-h", "16", "-s", "32", "-v", "ESP", "::")
	if err != nil {
		return fmt.Errorf("make EFI system partition: %w", err)
	}
	return nil
}

// esp is the EFI system partition as mtools name it.
func (b *builder) esp() string { return fmt.Sprintf("%s@@%d", b.disk(), espStart*sectorSize) }

func (b *builder) writeGPT() error {
	f, err := os.OpenFile(b.disk(), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("make disk: %w", err)
	}
	defer f.Close()
	if err := f.Truncate(b.Size); err != nil {
		return fmt.Errorf("make disk of %d bytes: %w", b.Size, err)
	}
	table := &gpt.Table{
		LogicalSectorSize: sectorSize, PhysicalSectorSize: sectorSize, ProtectiveMBR: true,
		Partitions: []*gpt.Partition{
			{Index: 1, Start: biosStart, End: biosEnd - 1, Type: typeBIOSBoot, Name: "BIOS boot"},
			{Index: 2, Start: espStart, End: espEnd - 1, Type: gpt.EFISystemPartition, Name: "ESP"},
			{Index: 3, Start: rootStart, End: uint64(rootStart + b.rootLen() - 1), Type: gpt.LinuxFilesystem, Name: "root"},
		},
	}
	w, err := file.New(f, false).Writable()
	if err != nil {
		return fmt.Errorf("open disk: %w", err)
	}
	if err := table.Write(w, b.Size); err != nil {
		return fmt.Errorf("write partition table: %w", err)
	}
	return nil
}
