package cow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path"
	"regexp"
	"strconv"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow/vfs"
)

// A meta file is one line "bootes-cow 1 CRC", CRC being the crc32c of the rest
// in eight hex digits, and then one JSON object.
const (
	metaMagic = "bootes-cow"
	metaLimit = 64 << 10
)

// layerMeta describes a sealed layer.
type layerMeta struct {
	ID      string    `json:"id"`
	Parent  string    `json:"parent,omitempty"`
	Size    int64     `json:"size"`
	Digest  string    `json:"digest"`
	Created time.Time `json:"created"`
}

// volumeMeta describes a volume.
type volumeMeta struct {
	ID       string    `json:"id"`
	Base     string    `json:"base,omitempty"`
	Size     int64     `json:"size"`
	Volatile bool      `json:"volatile,omitempty"`
	Limit    int64     `json:"limit,omitempty"`
	Created  time.Time `json:"created"`
	Boot     bootID    `json:"boot"` // of its making
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
	return fmt.Appendf(nil, "%s 1 %08x\n%s", metaMagic, crc32.Checksum(body, castagnoli), body), nil
}

func decodeMeta(p []byte, v any) error {
	line, body, _ := bytes.Cut(p, []byte("\n"))
	f := bytes.Split(line, []byte(" "))
	if len(f) != 3 || string(f[0]) != metaMagic {
		return fmt.Errorf("no meta file: %w", block.ErrCorrupt)
	}
	if string(f[1]) != "1" {
		return fmt.Errorf("meta file of version %.20q: %w", f[1], ErrVersion)
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

// check refuses what no engine writes, so that the rest need not.
func (m *layerMeta) check(id string) error {
	if m.ID != id || checkSize(m.Size) != nil || (m.Parent != "" && checkID(m.Parent) != nil) {
		return fmt.Errorf("meta of layer %q: %w", id, block.ErrCorrupt)
	}
	return nil
}

func (m *volumeMeta) check(id string) error {
	if m.ID != id || checkSize(m.Size) != nil || m.Limit < 0 || (m.Base != "" && checkID(m.Base) != nil) {
		return fmt.Errorf("meta of volume %q: %w", id, block.ErrCorrupt)
	}
	return nil
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// checkID keeps names to what is one harmless file name everywhere.
func checkID(id string) error {
	if !idPattern.MatchString(id) {
		return fmt.Errorf("id %q: letters, digits, dot, dash and underscore only, at most 128", id)
	}
	return nil
}

func checkSize(size int64) error {
	if size <= 0 || size > maxBlocks*BlockSize || size%block.SectorSize != 0 {
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
// whatever happens. Without sync that holds for the death of the process
// only.
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
	if err == nil && sync {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return noSpace(err)
	}
	if err := fs.Rename(tmp, name); err != nil {
		return err
	}
	if sync {
		return fs.SyncDir(path.Dir(name))
	}
	return nil
}
