package dhcp

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// Firmware is what a net-booting client says it is (options 93 and 60).
type Firmware uint8

const (
	FirmwareNone  Firmware = iota // not firmware
	FirmwareOther                 // firmware of a kind that we know no loader for
	BIOS                          // PXE under a BIOS
	EFIIA32                       // PXE under 32-bit UEFI
	EFIX64                        // PXE under x86-64 UEFI
	EFIARM64                      // PXE under arm64 UEFI
	HTTPIA32                      // UEFI HTTP boot, 32-bit
	HTTPX64                       // UEFI HTTP boot, x86-64
	HTTPARM64                     // UEFI HTTP boot, arm64
	firmwareLimit
)

var firmwareNames = [firmwareLimit]string{
	FirmwareNone: "none", FirmwareOther: "other", BIOS: "BIOS",
	EFIIA32: "EFI IA32", EFIX64: "EFI x86-64", EFIARM64: "EFI arm64",
	HTTPIA32: "EFI IA32 HTTP", HTTPX64: "EFI x86-64 HTTP", HTTPARM64: "EFI arm64 HTTP",
}

func (f Firmware) String() string {
	if f < firmwareLimit {
		return firmwareNames[f]
	}
	return "unknown"
}

// EFI reports whether f is UEFI, by PXE or by HTTP.
func (f Firmware) EFI() bool { return f >= EFIIA32 && f <= HTTPARM64 }

// HTTP reports whether f is UEFI HTTP boot.
func (f Firmware) HTTP() bool { return f >= HTTPIA32 && f <= HTTPARM64 }

// architectures maps the processor architecture types of IANA's registry
// (RFC 4578, 2.1; RFC 5970, 3.3) to what we know.
var architectures = map[uint16]Firmware{
	0:  BIOS,
	6:  EFIIA32,
	7:  EFIX64,
	9:  EFIX64, // registered as "EBC", and sent by x86-64 firmware (RFC 4578 erratum 4624)
	11: EFIARM64,
	15: HTTPIA32,
	16: HTTPX64,
	19: HTTPARM64,
}

// Vendor classes (option 60) of firmware. The version and type follow them:
// "PXEClient:Arch:00007:UNDI:003016".
const (
	classPXE  = "PXEClient"
	classHTTP = "HTTPClient"
)

// firmware decides what a client is, by its vendor class and option 93, which
// may list several types: the first that we know counts. A ROM that leaves out
// option 93 still names its type in the class.
func firmware(class string, arch []byte) Firmware {
	if !strings.HasPrefix(class, classPXE) && !strings.HasPrefix(class, classHTTP) {
		return FirmwareNone
	}
	for ; len(arch) >= 2; arch = arch[2:] {
		if f, ok := architectures[binary.BigEndian.Uint16(arch)]; ok {
			return f
		}
	}
	_, rest, found := strings.Cut(class, ":Arch:")
	digits, _, _ := strings.Cut(rest, ":")
	if n, err := strconv.ParseUint(digits, 10, 16); found && err == nil {
		if f, ok := architectures[uint16(n)]; ok {
			return f
		}
	}
	return FirmwareOther
}

// canonicalUUID turns option 97 (RFC 4578, 2.3: a type byte of 0 and a GUID
// whose first three fields are little-endian) into the usual byte order.
// Anything else, and the dummies that boards without a UUID send, give zero.
func canonicalUUID(opt []byte) (u [16]byte) {
	if len(opt) != 17 || opt[0] != 0 || uniform(opt[1:]) {
		return u
	}
	copy(u[:], opt[1:])
	u[0], u[1], u[2], u[3] = u[3], u[2], u[1], u[0]
	u[4], u[5] = u[5], u[4]
	u[6], u[7] = u[7], u[6]
	return u
}

// uniform reports whether all bytes are 00 or all are FF.
func uniform(b []byte) bool {
	for _, c := range b {
		if c != b[0] || c != 0 && c != 0xff {
			return false
		}
	}
	return true
}
