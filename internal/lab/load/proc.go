package load

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is what a process has used, user and system (proc(5), stat, 14 and 15).
func CPU(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}

var (
	resident = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)
	highest  = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)
)

// Resident is the memory of a process, in bytes.
func Resident(pid int) (int64, error) { return status(pid, resident) }

// peak is the most memory that a process has had, in bytes.
func peak(pid int) (int64, error) { return status(pid, highest) }

// status reads a figure in kB of a process's status.
func status(pid int, field *regexp.Regexp) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	m := field.FindSubmatch(b)
	if m == nil {
		return 0, fmt.Errorf("no %s in the status of process %d", field, pid)
	}
	kib, err := strconv.ParseInt(string(m[1]), 10, 64)
	return kib << 10, err
}

func ownCPU() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u) // never fails
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
