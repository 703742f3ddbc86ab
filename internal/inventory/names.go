package inventory

import (
	"net"
	"regexp"
	"strings"

	"github.com/google/uuid"
)

var (
	// Host names after RFC 1123, 2.1: labels of letters, digits and inner hyphens.
	hostLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	imageName = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)
	imageTag  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)
)

// maxHostName is HOST_NAME_MAX of Linux: a longer one could not be set.
const maxHostName = 64

// CheckName says whether name may be a machine's.
func CheckName(name string) error {
	const want = "a host name has lower-case letters, digits and hyphens between them (RFC 1123), at most 64 characters"
	bad := &InvalidError{What: "machine name", Value: name, Want: want}
	if name == "" || len(name) > maxHostName {
		return bad
	}
	for label := range strings.SplitSeq(name, ".") {
		if !hostLabel.MatchString(label) {
			return bad
		}
	}
	// All digits and dots would be read as an address.
	if strings.Trim(name, "0123456789.") == "" {
		return bad
	}
	return nil
}

// CanonicalMAC is the form in which addresses are stored: six bytes in lower
// case with colons.
func CanonicalMAC(s string) (string, error) {
	bad := func(want string) error { return &InvalidError{What: "MAC address", Value: s, Want: want} }
	mac, err := net.ParseMAC(strings.TrimSpace(s))
	if err != nil || len(mac) != 6 {
		return "", bad("write it as six pairs of hex digits, such as 52:54:00:12:34:56")
	}
	if mac[0]&1 != 0 {
		return "", bad("it is a group address, not that of a network card")
	}
	if mac.String() == "00:00:00:00:00:00" {
		return "", bad("it is all zeros")
	}
	return mac.String(), nil
}

func canonicalUUID(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	u, err := uuid.Parse(s)
	if err != nil || len(s) != 36 {
		return "", &InvalidError{What: "UUID", Value: s, Want: "write it as dmidecode does, such as 4c4c4544-0042-3510-8057-b4c04f4a4d32"}
	}
	return u.String(), nil
}

// ParseRef splits name:tag.
func ParseRef(ref string) (name, tag string, err error) {
	name, tag, ok := strings.Cut(ref, ":")
	if !ok || len(name) > 64 || !imageName.MatchString(name) || !imageTag.MatchString(tag) {
		return "", "", &InvalidError{What: "image", Value: ref, Want: `write it as name:tag, such as "debian:12"`}
	}
	return name, tag, nil
}

var snapshotName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// CheckSnapshotName says whether a snapshot may be called that. "image" is what
// a backup calls the image that a volume stands on.
func CheckSnapshotName(name string) error {
	if !snapshotName.MatchString(name) || name == "image" {
		return &InvalidError{What: "snapshot name", Value: name, Want: `it has letters, digits, dots, hyphens and underscores, begins with a letter or digit, has at most 64 characters and is not "image"`}
	}
	return nil
}

// ParseMode reads the two words.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case Persistent, Ephemeral:
		return m, nil
	}
	return "", &InvalidError{What: "mode", Value: s, Want: `it is "persistent" or "ephemeral"`}
}
