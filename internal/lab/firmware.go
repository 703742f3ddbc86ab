package lab

// Firmware is what a guest starts with.
type Firmware int

// The firmwares a guest may have. UEFISecureBoot has Microsoft's keys enrolled
// and refuses unsigned loaders. UEFI32 is a PC whose firmware is of 32 bits, ARM64
// a computer with another processor.
const (
	BIOS Firmware = iota
	UEFI
	UEFISecureBoot
	UEFI32
	ARM64
)

func (f Firmware) String() string { return platforms[f].name }

// Program is the QEMU that a guest with that firmware needs.
func (f Firmware) Program() string { return platforms[f].program }

// platform is a computer as QEMU makes it for a firmware. Without graphics
// SeaBIOS sends its screen, and so the ROM's and iPXE's, to the serial port.
type platform struct {
	name       string
	program    string
	machine    string
	code, vars string // of UEFI, as Debian's ovmf, ovmf-ia32 and qemu-efi-aarch64 have it
	smm        bool   // keeps its variables in system management mode, as for Secure Boot
}

var platforms = [...]platform{
	BIOS: {name: "BIOS", program: qemuProgram, machine: "pc,graphics=off"},
	UEFI: {name: "UEFI", program: qemuProgram, machine: "q35,graphics=off",
		code: "/usr/share/OVMF/OVMF_CODE_4M.fd", vars: "/usr/share/OVMF/OVMF_VARS_4M.fd"},
	UEFISecureBoot: {name: "UEFI with Secure Boot", program: qemuProgram, machine: "q35,graphics=off,smm=on", smm: true,
		code: "/usr/share/OVMF/OVMF_CODE_4M.ms.fd", vars: "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"},
	UEFI32: {name: "UEFI IA32", program: qemuProgram, machine: "q35,graphics=off,smm=on", smm: true,
		code: "/usr/share/OVMF/OVMF32_CODE_4M.secboot.fd", vars: "/usr/share/OVMF/OVMF32_VARS_4M.fd"},
	ARM64: {name: "UEFI arm64", program: "qemu-system-aarch64", machine: "virt",
		code: "/usr/share/AAVMF/AAVMF_CODE.fd", vars: "/usr/share/AAVMF/AAVMF_VARS.fd"},
}

// NoPXE are arguments for QEMU by which UEFI leaves PXE out and comes to HTTP
// boot at once: each attempt that fails takes half a minute under emulation.
var NoPXE = []string{"-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=no"}

// accel is what can run f's processor here.
func (f Firmware) accel(found string) string {
	if f == ARM64 {
		return emulation
	}
	return found
}
