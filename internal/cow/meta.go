package cow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow/vfs"
	"github.com/google/uuid"
)

// FormatVersion is the number of the on-disk format, docs/FORMAT.md. A data
// folder of another one is refused.
const FormatVersion = 2

// A meta file is one line "bootes-cow 2 CRC", 2 being the format's version and
// CRC the crc32c of the rest in eight hex digits, and then one JSON object.
const (
	metaMagic = "bootes-cow"
	metaLimit = 1 << 20
)

// layerMeta describes a sealed layer.
type layerMeta struct {
	ID      string    `json:"id"`
	Parent  string    `json:"parent,omitempty"`
	Clip    int64     `json:"clip,omitempty"` // bytes of the parent that show through
	Size    int64     `json:"size"`
	Own     int64     `json:"own"`            // bytes of the blocks that are here
	Keep    bool      `json:"keep,omitempty"` // it has a name outside
	Digest  string    `json:"digest,omitempty"`
	Origin  string    `json:"origin,omitempty"`
	Created time.Time `json:"created"`
}

// volumeMeta describes a volume. Its slices are never changed in place.
type volumeMeta struct {
	ID           string         `json:"id"`
	Base         string         `json:"base,omitempty"`
	Clip         int64          `json:"clip,omitempty"` // bytes of the base that show through
	Size         int64          `json:"size"`
	Overlay      string         `json:"overlay,omitempty"`
	Volatile     bool           `json:"volatile,omitempty"`
	WriteThrough bool           `json:"writeThrough,omitempty"`
	Limit        int64          `json:"limit,omitempty"`
	Created      time.Time      `json:"created"`
	Boot         bootID         `json:"boot"` // of its making
	Snapshots    []snapshotMeta `json:"snapshots,omitempty"`
}

// snapshotMeta is a named state of a volume.
type snapshotMeta struct {
	Name    string    `json:"name"`
	Layer   string    `json:"layer"`
	Created time.Time `json:"created"`
}

// engineMeta is the data folder's own.
type engineMeta struct {
	Boot bootID `json:"boot"` // settled last
}

func encodeMeta(v any) ([]byte, error) {
	body, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return nil, err
	}
	body = append(body, '\n')
	return fmt.Appendf(nil, "%s %d %08x\n%s", metaMagic, FormatVersion, crc32.Checksum(body, castagnoli), body), nil
}

func decodeMeta(p []byte, v any) error {
	line, body, _ := bytes.Cut(p, []byte("\n"))
	f := bytes.Split(line, []byte(" "))
	if len(f) != 3 || string(f[0]) != metaMagic {
		return fmt.Errorf("no meta file: %w", block.ErrCorrupt)
	}
	if string(f[1]) != strconv.Itoa(FormatVersion) {
		return fmt.Errorf("it is in format %.20s, and this program knows format %d only: %w", f[1], FormatVersion, ErrVersion)
	}
	sum, err := strconv.ParseUint(string(f[2]), 16, 32)
	if err != nil || uint32(sum) != crc32.Checksum(body, castagnoli) {
		return fmt.Errorf("meta file has a wrong sum: %w", block.ErrCorrupt)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("meta file: %w: %w", err, block.ErrCorrupt)
	}
	return nil
}

var errBadMeta = fmt.Errorf("meta makes no sense: %w", block.ErrCorrupt)

// check refuses what no engine writes, so that the rest need not.
func (m *layerMeta) check(id string) error {
	if m.ID != id || !isUUID(m.ID) || checkSize(m.Size) != nil || m.Own < 0 || !clips(m.Parent, m.Clip, m.Size) {
		return errBadMeta
	}
	return nil
}

func (m *volumeMeta) check(id string) error {
	ok := m.ID == id && checkID(id) == nil && checkSize(m.Size) == nil && m.Limit >= 0 &&
		clips(m.Base, m.Clip, m.Size) && (m.Overlay == "" || isUUID(m.Overlay))
	for _, s := range m.Snapshots {
		ok = ok && checkID(s.Name) == nil && isUUID(s.Layer)
	}
	if !ok {
		return errBadMeta
	}
	return nil
}

// clips checks a reference to the layer below.
func clips(below string, clip, size int64) bool {
	if below == "" {
		return clip == 0
	}
	return isUUID(below) && clip >= 0 && clip <= size
}

func isUUID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }

var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// checkID keeps names to what is one harmless file name everywhere.
func checkID(id string) error {
	if !idPattern.MatchString(id) {
		return fmt.Errorf("id %q: letters, digits, dot, dash and underscore only, at most 128", id)
	}
	return nil
}

// MaxSize is the most bytes that a disk may have: 4 PiB.
const MaxSize = maxBlocks * BlockSize

func checkSize(size int64) error {
	if size <= 0 || size > MaxSize || size%block.SectorSize != 0 {
		return fmt.Errorf("size %d: %w", size, block.ErrUnaligned)
	}
	return nil
}

func readMeta(fs vfs.FS, name string, v any) error {
	p, err := vfs.ReadFile(fs, name, metaLimit)
	if err != nil {
		return err
	}
	if err := decodeMeta(p, v); err != nil {
		return fmt.Errorf("read %q: %w", name, err)
	}
	return nil
}

// writeMeta replaces a meta file as a whole: it is the old or the new one
// whatever happens, and never torn. Unless sync, which of them a power cut
// leaves is open. An error marked unsettled says that it is open now.
func writeMeta(fs vfs.FS, name string, v any, sync bool) error {
	p, err := encodeMeta(v)
	if err != nil {
		return err
	}
	tmp := name + ".tmp"
	if err := fs.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := fs.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return noSpace(err)
	}
	_, err = f.WriteAt(p, 0)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = renameError(fs.Rename(tmp, name))
	}
	if err != nil {
		_ = fs.Remove(tmp) // or the next one does
		return noSpace(err)
	}
	if !sync {
		return nil
	}
	if err := fs.SyncDir(path.Dir(name)); err != nil {
		return unsettled(err)
	}
	return nil
}

// CheckFormat reports why this program cannot open the data folder dir: an
// error that wraps ErrVersion, if it is in another format. It reads one file;
// a folder without it is new.
func CheckFormat(dir string) error {
	text, err := os.ReadFile(path.Join(dir, "boot"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := decodeMeta(text, &engineMeta{}); err != nil {
		return fmt.Errorf("read %q: %w", path.Join(dir, "boot"), err)
	}
	return nil
}
