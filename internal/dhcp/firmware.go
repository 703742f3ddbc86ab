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
	EFIARM32                      // PXE under 32-bit ARM UEFI
	EFIARM64                      // PXE under arm64 UEFI
	EFIRISCV64                    // PXE under 64-bit RISC-V UEFI
	EFILoong64                    // PXE under 64-bit LoongArch UEFI
	UBootARM32                    // U-Boot on 32-bit ARM
	UBootARM64                    // U-Boot on arm64
	RaspberryPi                   // the boot ROM or EEPROM of a Raspberry Pi
	HTTPIA32                      // UEFI HTTP boot, 32-bit
	HTTPX64                       // UEFI HTTP boot, x86-64
	HTTPARM32                     // UEFI HTTP boot, 32-bit ARM
	HTTPARM64                     // UEFI HTTP boot, arm64
	HTTPRISCV64                   // UEFI HTTP boot, 64-bit RISC-V
	HTTPLoong64                   // UEFI HTTP boot, 64-bit LoongArch
	firmwareLimit
)

var firmwareNames = [firmwareLimit]string{
	FirmwareNone: "none", FirmwareOther: "other", BIOS: "BIOS",
	EFIIA32: "EFI IA32", EFIX64: "EFI x86-64", EFIARM32: "EFI arm32", EFIARM64: "EFI arm64",
	EFIRISCV64: "EFI riscv64", EFILoong64: "EFI loong64",
	UBootARM32: "U-Boot arm32", UBootARM64: "U-Boot arm64", RaspberryPi: "Raspberry Pi",
	HTTPIA32: "EFI IA32 HTTP", HTTPX64: "EFI x86-64 HTTP", HTTPARM32: "EFI arm32 HTTP", HTTPARM64: "EFI arm64 HTTP",
	HTTPRISCV64: "EFI riscv64 HTTP", HTTPLoong64: "EFI loong64 HTTP",
}

func (f Firmware) String() string {
	if f < firmwareLimit {
		return firmwareNames[f]
	}
	return "unknown"
}

// EFI reports whether f is UEFI, by PXE or by HTTP.
func (f Firmware) EFI() bool { return f >= EFIIA32 && f <= EFILoong64 || f.HTTP() }

// HTTP reports whether f is UEFI HTTP boot.
func (f Firmware) HTTP() bool { return f >= HTTPIA32 && f <= HTTPLoong64 }

// architectures maps the processor architecture types of IANA's registry
// (RFC 4578, 2.1; RFC 5970, 3.3) to what we know.
var architectures = map[uint16]Firmware{
	0:  BIOS,
	6:  EFIIA32,
	7:  EFIX64,
	9:  EFIX64, // registered as "EBC", and sent by x86-64 firmware (RFC 4578 erratum 4624)
	10: EFIARM32,
	11: EFIARM64,
	15: HTTPIA32,
	16: HTTPX64,
	18: HTTPARM32,
	19: HTTPARM64,
	21: UBootARM32,
	22: UBootARM64,
	27: EFIRISCV64,
	28: HTTPRISCV64,
	39: EFILoong64,
	40: HTTPLoong64,
	41: RaspberryPi,
}

// Vendor classes (option 60) of firmware. The version and type follow the first
// two: "PXEClient:Arch:00007:UNDI:003016".
const (
	classPXE   = "PXEClient"
	classHTTP  = "HTTPClient"
	classUBoot = "U-Boot."
)

// ubootClasses are what U-Boot calls itself where it sends no type.
var ubootClasses = map[string]Firmware{"U-Boot.arm": UBootARM32, "U-Boot.armv7": UBootARM32, "U-Boot.armv8": UBootARM64}

// firmware decides what a client is, by its vendor class and option 93, which
// may list several types: the first that we know counts. A ROM that leaves out
// option 93 still names its type in the class.
func firmware(class string, arch []byte) Firmware {
	if !strings.HasPrefix(class, classPXE) && !strings.HasPrefix(class, classHTTP) && !strings.HasPrefix(class, classUBoot) {
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
	if f, ok := ubootClasses[class]; ok {
		return f
	}
	return FirmwareOther
}
