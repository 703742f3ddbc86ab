package diskimage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"strings"
)

// The header of a sparse VMDK extent (VMware, Virtual Disk Format 5.0),
// little-endian, tells where the descriptor is, a text:
//
//	 0  4  "KDMV"
//	28  8  first sector of the descriptor
//	36  8  number of its sectors
const (
	vmdkDescAt     = 28
	vmdkDescLen    = 36
	vmdkMaxSectors = 128
)

// nameExtent puts a file's name into the descriptor of the VMDK in out. The
// descriptor names the file that it is in, and qemu-img, which knows it as a
// descriptor only, writes "4". VMware looks for a file of that name.
func nameExtent(out *os.File, name string) error {
	var head [512]byte
	if _, err := out.ReadAt(head[:], 0); err != nil {
		return err
	}
	at, n := binary.LittleEndian.Uint64(head[vmdkDescAt:]), binary.LittleEndian.Uint64(head[vmdkDescLen:])
	if string(head[:4]) != "KDMV" || at > vmdkMaxSectors || n > vmdkMaxSectors {
		return errors.New("qemu-img wrote a VMDK of an unknown shape")
	}
	area := make([]byte, n*512)
	if _, err := out.ReadAt(area, int64(at)*512); err != nil {
		return err
	}
	text := bytes.TrimRight(area, "\x00")
	name = strings.ReplaceAll(name, `"`, "")
	text = bytes.Replace(text, []byte(` SPARSE "4"`), []byte(` SPARSE "`+name+`"`), 1)
	if len(text) > len(area) {
		return nil // a name beyond all measure; the disk is whole all the same
	}
	clear(area[copy(area, text):])
	_, err := out.WriteAt(area, int64(at)*512)
	return err
}
