package api

import (
	"io"
	"os"
	"time"
)

// Disk names a disk to read: an image, or a volume as it is now or as a
// snapshot has it.
type Disk struct {
	Image    string // name:tag of an image, or a tag
	Volume   string // id
	Snapshot string // of the volume; empty: as it is now
}

// Formats of disk image files.
var Formats = []string{"raw", "qcow2", "vhd", "vhdx", "vmdk"}

// ExportRequest is the body of POST …/export.
type ExportRequest struct {
	Snapshot string `json:"snapshot,omitempty" doc:"of a volume; default: the disk as it is now"`
	Format   string `json:"format,omitempty" enum:"raw,qcow2,vhd,vhdx,vmdk" default:"raw"`
	Target   string `json:"target" minLength:"1" doc:"what the client calls the file whose descriptor comes with the request"`
}

// Export is a disk to write to a file.
type Export struct {
	Disk   Disk
	Format string   // one of Formats
	File   *os.File // an empty regular file, open for reading and writing
	Path   string   // of File, for other programs of this computer
	Target string   // what the client will call File
}

// Exported is a disk image file that was written.
type Exported struct {
	File   string `json:"file" doc:"as the client calls it"`
	Format string `json:"format"`
	Size   int64  `json:"size" doc:"of the disk, in bytes"`
}

// SinceImage in place of a snapshot's name means the image that the volume
// was cloned from. No snapshot has this name.
const SinceImage = "image"

// BackupRequest is the body of POST /v1/volumes/{id}/backup.
type BackupRequest struct {
	Snapshot string `json:"snapshot,omitempty" doc:"default: the disk as it is now"`
	Since    string `json:"since,omitempty" doc:"a snapshot, or the word image: only the difference to it; default: everything"`
	Target   string `json:"target" minLength:"1" doc:"what the client calls the file or pipe whose descriptor comes with the request"`
}

// Backup is a volume to write as a stream.
type Backup struct {
	Disk  Disk
	Since string    // snapshot's name, SinceImage, or empty: everything
	To    io.Writer // ends with the task's context
}

// BackedUp is a backup that was written.
type BackedUp struct {
	Volume   string `json:"volume" doc:"id"`
	Machine  string `json:"machine"`
	Snapshot string `json:"snapshot,omitempty" doc:"none: the disk as it was then"`
	Since    string `json:"since,omitempty" doc:"none: everything"`
	Target   string `json:"target" doc:"as the client calls it"`
	Written  int64  `json:"written" doc:"bytes"`
}

// RestoreRequest is the body of POST /v1/machines/{name}/restore.
type RestoreRequest struct {
	Source string `json:"source" minLength:"1" doc:"what the client calls the file or pipe whose descriptor comes with the request"`
	Force  bool   `json:"force,omitempty" doc:"also over a disk that the machine has: what was written since its last snapshot is lost"`
}

// Restore is a backup to make a machine's disk of, or a data volume's content.
type Restore struct {
	Machine string
	Force   bool
	From    io.Reader // ends with the task's context
}

// Restored is a disk that came out of a backup.
type Restored struct {
	Volume Volume `json:"volume"`
	Lost   int64  `json:"lost" doc:"bytes of blocks that were thrown away: what the disk that it had held beyond its last snapshot or image"`
	Read   int64  `json:"read" doc:"bytes of the backup"`
}

// FileRef names a file on a disk.
type FileRef struct {
	Disk Disk
	Path string // may begin with a partition, such as p1:/EFI
}

// Types of a file.
const (
	TypeFile    = "file"
	TypeDir     = "dir"
	TypeSymlink = "symlink"
	TypeOther   = "other"
)

// Place is the file system in which a path was found.
type Place struct {
	Partition int    `json:"partition" doc:"its number; 0: the disk has no partitions"`
	System    string `json:"system" doc:"kind of file system, such as ext4"`
	Unclean   bool   `json:"unclean" doc:"it was in use, or not closed in good order: what only its journal holds is not seen"`
}

// Listing is what a folder holds, or a single file.
type Listing struct {
	Place
	Files []FileEntry `json:"files" doc:"sorted by name"`
}

// Content is an open file.
type Content struct {
	Place
	FileEntry
	io.ReadCloser
}

// FileEntry is a file on a disk.
type FileEntry struct {
	Name     string    `json:"name"`
	Type     string    `json:"type" enum:"file,dir,symlink,other"`
	Size     int64     `json:"size" doc:"bytes"`
	Mode     uint32    `json:"mode" doc:"permission bits with those of setuid, setgid and sticky, as in Unix"`
	Modified time.Time `json:"modified"`
	Target   string    `json:"target,omitempty" doc:"of a symlink"`
	Error    string    `json:"error,omitempty" doc:"why the rest is not known"`
}
