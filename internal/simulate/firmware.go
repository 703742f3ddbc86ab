package simulate

import (
	"fmt"
	"strings"

	"bootes.dev/internal/bootfile"
)

// Firmware is a kind of program that boots from the network, as it asks.
type Firmware struct {
	Name  string // on the command line
	Title string

	class    string // option 60
	arch     uint16 // option 93
	ndi      []byte // option 94, after its type
	asks     []byte // option 55
	maxSize  uint16 // option 57; 0: it does not say
	features []byte // option 175; nil: it is not iPXE
	uuid     string // what its option 97 begins with; "": nothing in particular

	broadcast bool   // it wants answers by broadcast
	http      bool   // it fetches by HTTP
	plain     bool   // it knows no proxies
	efi       bool   // it runs PE files
	machine   uint16 // of those

	tftp tftpWay
	then string // the iPXE that its loader becomes; "": it is iPXE, or becomes none
}

// What firmware wants by option 55.
var (
	edkAsks  = []byte{1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97, 128, 129, 130, 131, 132, 133, 134, 135}
	httpAsks = []byte{1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 67, 97}
	romAsks  = []byte{1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134, 135}
	ipxeAsks = []byte{1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134, 135, 175, 203}
	piAsks   = []byte{1, 3, 43, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135}
	// ipxeFeatures is option 175 of a build with HTTP (13), iSCSI (11) and the
	// rest that Debian's has.
	ipxeBIOS = []byte{177, 5, 1, 0x1a, 0xf4, 0x10, 0, 235, 3, 1, 0, 0, 23, 1, 1, 34, 1, 1, 19, 1, 1, 17, 1, 1, 39, 1, 1, 25, 1, 1, 41, 1, 1, 16, 1, 2, 33, 1, 1, 21, 1, 1, 24, 1, 1, 18, 1, 1}
	ipxeEFI  = []byte{177, 5, 1, 0x1a, 0xf4, 0x10, 0, 235, 3, 1, 0, 0, 23, 1, 1, 36, 1, 1, 19, 1, 1, 17, 1, 1, 39, 1, 1, 41, 1, 1, 21, 1, 1, 18, 1, 1}
)

// edkTFTP: EDK2 asks for the size first and breaks that off, then reads in
// windows. romTFTP: so do ROMs, one block at a time. ipxeTFTP never breaks off.
var (
	edkTFTP  = tftpWay{sizeFirst: true, block: 1468, window: 4}
	romTFTP  = tftpWay{sizeFirst: true, block: 1456}
	ipxeTFTP = tftpWay{block: 1432}
)

var firmwares = []Firmware{
	{Name: "bios", Title: "a BIOS", class: "PXEClient:Arch:00000:UNDI:002001", ndi: []byte{2, 1}, asks: romAsks, maxSize: 1472, tftp: romTFTP, then: "ipxe-bios"},
	efiPXE("efi", "UEFI on x86-64", 7, bootfile.X64),
	efiPXE("efi32", "UEFI on IA32", 6, bootfile.I386),
	efiPXE("arm64", "UEFI on arm64", 11, bootfile.ARM64),
	{Name: "http", Title: "UEFI HTTP boot on x86-64", class: "HTTPClient:Arch:00016:UNDI:003001", arch: 16, ndi: []byte{3, 1}, asks: httpAsks,
		maxSize: 1472, broadcast: true, http: true, efi: true, machine: bootfile.X64, then: "ipxe"},
	{Name: "ipxe", Title: "iPXE under UEFI on x86-64", class: "PXEClient:Arch:00007:UNDI:003010", arch: 7, ndi: []byte{3, 10}, asks: ipxeAsks,
		maxSize: 1472, features: ipxeEFI, efi: true, machine: bootfile.X64, tftp: ipxeTFTP},
	{Name: "ipxe-bios", Title: "iPXE under a BIOS", class: "PXEClient:Arch:00000:UNDI:002001", ndi: []byte{2, 1}, asks: ipxeAsks,
		maxSize: 1472, features: ipxeBIOS, tftp: ipxeTFTP},
	{Name: "rpi", Title: "a Raspberry Pi", class: "PXEClient:Arch:00000:UNDI:002001", ndi: []byte{2, 1}, asks: piAsks, uuid: "RPi5", tftp: tftpWay{block: 1024}},
	{Name: "uboot", Title: "U-Boot on arm64", class: "U-Boot.armv8", arch: 22, ndi: []byte{0, 0}, asks: []byte{1, 3, 6, 12, 17}, maxSize: 576,
		plain: true, efi: true, machine: bootfile.ARM64, tftp: tftpWay{block: 1468}, then: "ipxe-arm64"},
	{Name: "ipxe-efi32", Title: "iPXE under UEFI on IA32", class: "PXEClient:Arch:00006:UNDI:003010", arch: 6, ndi: []byte{3, 10}, asks: ipxeAsks,
		maxSize: 1472, features: ipxeEFI, efi: true, machine: bootfile.I386, tftp: ipxeTFTP},
	{Name: "ipxe-arm64", Title: "iPXE under UEFI on arm64", class: "PXEClient:Arch:00011:UNDI:003010", arch: 11, ndi: []byte{3, 10}, asks: ipxeAsks,
		maxSize: 1472, features: ipxeEFI, efi: true, machine: bootfile.ARM64, tftp: ipxeTFTP},
}

func efiPXE(name, title string, arch, machine uint16) Firmware {
	then := map[string]string{"efi": "ipxe", "efi32": "ipxe-efi32", "arm64": "ipxe-arm64"}[name]
	return Firmware{Name: name, Title: title, class: fmt.Sprintf("PXEClient:Arch:%05d:UNDI:003001", arch), arch: arch, ndi: []byte{3, 1}, asks: edkAsks,
		maxSize: 1472, broadcast: true, efi: true, machine: machine, tftp: edkTFTP, then: then}
}

// Names are what FirmwareByName knows.
func Names() (all []string) {
	for _, f := range firmwares {
		all = append(all, f.Name)
	}
	return all
}

// FirmwareByName finds a kind of firmware.
func FirmwareByName(name string) (Firmware, error) {
	for _, f := range firmwares {
		if f.Name == name {
			return f, nil
		}
	}
	return Firmware{}, fmt.Errorf("%q is no kind of firmware: write one of %s", name, strings.Join(Names(), ", "))
}

func (f Firmware) ipxe() bool { return f.features != nil }
func (f Firmware) pi() bool   { return f.uuid != "" }
