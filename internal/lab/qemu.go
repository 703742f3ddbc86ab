package lab

import (
	"fmt"
	"strconv"
)

const qemuProgram = "qemu-system-x86_64"

// qemuArgs are the arguments for a guest that has a NIC, a serial port and
// nothing else.
func (g *Guest) qemuArgs(accel string) []string {
	args := []string{
		"-name", g.opt.Name,
		"-nodefaults", "-no-user-config", "-display", "none",
		"-accel", accel,
		"-cpu", g.opt.Firmware.cpu(accel),
		"-m", strconv.Itoa(g.opt.Memory),
		"-chardev", "socket,id=serial,path=" + g.path("serial.sock"),
		"-serial", "chardev:serial",
		"-chardev", "socket,id=qmp,path=" + g.path("qmp.sock"),
		"-mon", "chardev=qmp,mode=control",
		"-netdev", g.netdev(),
		"-device", g.nicDevice(),
	}
	if g.opt.DeadNIC != "" {
		args = append(args, "-netdev", "hubport,id=nowhere,hubid=1", "-device", g.nicModel("nowhere", g.opt.DeadNIC, 0))
	}
	if g.opt.UUID != "" {
		args = append(args, "-uuid", g.opt.UUID)
	}
	if g.opt.Serial != "" {
		args = append(args, "-smbios", "type=1,serial="+g.opt.Serial)
	}
	args = append(args, g.firmwareArgs()...)
	return append(args, g.opt.ExtraArgs...)
}

// cpu names a processor. Under emulation it is a small one, for every wide
// vector instruction that the C library would choose is emulated at length; with
// RDRAND, as every PC has, or the guest waits for entropy.
func (f Firmware) cpu(accel string) string {
	switch {
	case f == ARM64:
		return "cortex-a57"
	case accel == "kvm":
		return "host"
	}
	return "qemu64,-svm,+ssse3,+sse4.1,+sse4.2,+popcnt,+rdrand,+rdseed"
}

func (g *Guest) netdev() string {
	if g.wire != nil {
		return fmt.Sprintf("dgram,id=net0,local.type=unix,local.path=%s,remote.type=unix,remote.path=%s",
			g.path("nic.sock"), g.path("wire.sock"))
	}
	return fmt.Sprintf("tap,id=net0,ifname=%s,script=no,downscript=no", g.tap)
}

func (g *Guest) nicDevice() string {
	if g.opt.DeadNIC != "" {
		return g.nicModel("net0", g.opt.MAC, 1)
	}
	return g.nicModel("net0", g.opt.MAC, 0)
}

// nicModel is a network card on a netdev, at its turn among the boot devices.
func (g *Guest) nicModel(netdev, mac string, turn int) string {
	d := fmt.Sprintf("%s,netdev=%s,mac=%s,bootindex=%d", g.opt.NIC, netdev, mac, turn)
	if g.opt.NIC == VirtioNet {
		// Under TCG a notification is lost now and then, and with it the
		// guest's network ("transmit queue 0 timed out"). Without these two
		// there is no window for it.
		d += ",event_idx=off,ioeventfd=off"
	}
	if g.opt.Firmware != BIOS && g.opt.NIC == VirtioNet {
		// OVMF has its own driver; QEMU's ROM would bring iPXE's instead.
		// For e1000 it has none and needs the ROM.
		d += ",romfile="
	}
	return d
}

func (g *Guest) firmwareArgs() []string {
	p := platforms[g.opt.Firmware]
	args := []string{"-machine", p.machine}
	if p.code == "" {
		return args
	}
	args = append(args,
		"-drive", "if=pflash,format=raw,unit=0,readonly=on,file="+p.code,
		"-drive", "if=pflash,format=raw,unit=1,file="+g.path("vars.fd"),
		// Each attempt that fails takes half a minute under emulation.
		"-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=no")
	if p.smm {
		args = append(args, "-global", "driver=cfi.pflash01,property=secure,value=on",
			"-global", "ICH9-LPC.disable_s3=1")
	}
	return args
}
