package backup

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode"
)

// Header says what a stream holds. Its JSON may gain fields without a new
// version; readers ignore those that they do not know.
type Header struct {
	Volume   string `json:"volume"`
	Machine  string `json:"machine,omitempty"`
	Image    string `json:"image,omitempty"`    // that the volume was cloned from
	Snapshot string `json:"snapshot,omitempty"` // the name of the state
	Identity bool   `json:"identity,omitempty"` // its system takes its identity from LUN 1
	Size     int64  `json:"size"`               // of the disk in bytes
	// State is the identity of the state, Since that of the earlier one that
	// the stream adds to; without Since it adds to a disk of zeros.
	State string `json:"state"`
	Since string `json:"since,omitempty"`
	// SinceDigest is the digest of Since's content where it is known: by it,
	// another server finds the same content under another identity.
	SinceDigest string `json:"since_digest,omitempty"`
	// Data is how many bytes of data follow at most. Write sets it.
	Data    int64     `json:"data"`
	Created time.Time `json:"created"`
}

const (
	sectorSize = 512
	maxSize    = 4 << 50
	maxText    = 255
)

var identity = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// check refuses the same headers when they are written and when they are read.
func (h Header) check() error {
	switch {
	case h.Size < sectorSize || h.Size > maxSize || h.Size%sectorSize != 0:
		return fmt.Errorf("no disk has a size of %d bytes", h.Size)
	case h.Data < 0 || h.Data > h.Size:
		return fmt.Errorf("%d bytes of data do not fit into a disk of %d", h.Data, h.Size)
	case !identity.MatchString(h.State):
		return fmt.Errorf("state %q is no identity", h.State)
	case h.Since != "" && !identity.MatchString(h.Since):
		return fmt.Errorf("earlier state %q is no identity", h.Since)
	}
	for _, s := range []string{h.Volume, h.Machine, h.Image, h.Snapshot, h.SinceDigest} {
		if len(s) > maxText || strings.ContainsFunc(s, unicode.IsControl) {
			return fmt.Errorf("name %.64q is too long or not printable", s)
		}
	}
	return nil
}

// appendHeader appends the header of a stream.
func appendHeader(b []byte, h Header) ([]byte, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	at := len(b)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, Version)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	b = append(b, text...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[at:], castagnoli)), nil
}

// readHeader reads the header of a stream. Magic and version come before
// anything that another version may have changed.
func readHeader(r io.Reader) (Header, error) {
	var fix [headerFix]byte
	n, err := io.ReadFull(r, fix[:])
	if begin := fix[:min(n, len(magic))]; !strings.HasPrefix(magic, string(begin)) {
		return Header{}, errors.New(strange(begin))
	}
	if err != nil {
		return Header{}, err
	}
	if v := binary.LittleEndian.Uint32(fix[8:]); v != Version {
		return Header{}, &VersionError{Version: v}
	}
	length := binary.LittleEndian.Uint32(fix[12:])
	if length < 2 || length > maxJSON {
		return Header{}, fmt.Errorf("its header says that it is %d bytes long", length)
	}
	rest := make([]byte, length+4)
	if _, err := io.ReadFull(r, rest); err != nil {
		return Header{}, err
	}
	text := rest[:length]
	if crc32.Update(crc32.Checksum(fix[:], castagnoli), castagnoli, text) != binary.LittleEndian.Uint32(rest[length:]) {
		return Header{}, errors.New("the checksum of its header is wrong")
	}
	var h Header
	if err := json.Unmarshal(text, &h); err != nil {
		return Header{}, fmt.Errorf("understand its header: %w", err)
	}
	return h, h.check()
}

// strange says what a stream that does not begin like ours may be.
func strange(b []byte) string {
	for _, c := range []struct{ magic, tool string }{
		{"\x1f\x8b", "zcat"}, {"\xfd7zXZ\x00", "xzcat"}, {"\x28\xb5\x2f\xfd", "zstdcat"}, {"BZh", "bzcat"},
	} {
		if strings.HasPrefix(string(b), c.magic) {
			return fmt.Sprintf("it is compressed: unpack it on the way, with `%s FILE |`", c.tool)
		}
	}
	return "it is no backup: it does not begin with " + magic
}
