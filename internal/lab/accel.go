package lab

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// emulation is what works everywhere.
const emulation = "tcg,thread=multi"

// probeTime is how long KVM gets to run firmware to its end, which takes 8 s, most
// of it iPXE's wait for a key. Some clouds offer a /dev/kvm that refuses the
// processor, or hangs: in SeaBIOS, or only once iPXE waits for its timer.
const probeTime = 20 * time.Second

var accelOnce struct {
	sync.Mutex
	answer string
}

// Accelerator is the argument for QEMU's -accel that works on this machine: "kvm"
// if firmware runs to its end under it, else emulation. BOOTES_LAB_ACCEL
// overrides it, as the Makefile does for tests, whose time limits are those of
// emulation. The answer is remembered until the machine restarts.
func Accelerator(ctx context.Context) string {
	if a := os.Getenv("BOOTES_LAB_ACCEL"); a != "" {
		return a
	}
	accelOnce.Lock()
	defer accelOnce.Unlock()
	if accelOnce.answer == "" {
		accelOnce.answer = findAccelerator(ctx)
	}
	return accelOnce.answer
}

func findAccelerator(ctx context.Context) string {
	if f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0); err != nil {
		return emulation
	} else {
		f.Close()
	}
	cache := accelCache()
	if b, err := os.ReadFile(cache); err == nil && (string(b) == "kvm" || string(b) == emulation) {
		return string(b)
	}
	answer := emulation
	if runsFirmware(ctx, "kvm") {
		answer = "kvm"
	}
	if ctx.Err() == nil {
		_ = os.WriteFile(cache, []byte(answer), 0o644)
	}
	return answer
}

// accelCache is a file that is another one after the next start of the machine.
func accelCache() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return filepath.Join(os.TempDir(), "bootes-lab-accel-"+strings.TrimSpace(string(id)))
}

// runsFirmware tells whether SeaBIOS, on the processor and with the card that
// guests have, comes to the point where iPXE has found nothing and so there is
// nothing to boot, which it says on its debug port.
func runsFirmware(ctx context.Context, accel string) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, qemuProgram, "-accel", accel, "-cpu", BIOS.cpu(accel), "-machine", "pc", "-m", "64",
		"-nodefaults", "-no-user-config", "-display", "none",
		"-netdev", "user,id=net0,restrict=on", "-device", string(VirtioNet)+",netdev=net0",
		"-chardev", "stdio,id=debug", "-device", "isa-debugcon,iobase=0x402,chardev=debug")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	w := &watchFor{text: "No bootable device", found: cancel}
	cmd.Stdout = w
	_ = cmd.Run() // ends by cancel
	return w.seen
}

// watchFor calls found when its text has been written to it.
type watchFor struct {
	text  string
	found func()
	seen  bool
	buf   []byte
}

func (w *watchFor) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	if !w.seen && bytes.Contains(w.buf, []byte(w.text)) {
		w.seen = true
		w.found()
	}
	return len(p), nil
}
