package diskcheck

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
)

// An archive of an initramfs (Linux, initramfs buffer format): for each file a
// header of 6 digits of magic and 13 fields of 8 hexadecimal digits, its name with
// a NUL, and its content, header with name and content each filled up to four bytes.
// A file called TRAILER!!! ends it.
const (
	cpioHead    = 110
	cpioSize    = 6
	cpioName    = 11
	cpioTrailer = "TRAILER!!!"
)

// Bounds of what is kept of an archive. Linux bounds a module's name likewise
// (include/linux/moduleparam.h, MAX_PARAM_PREFIX_LEN).
const (
	maxName    = 4096
	maxFile    = 4 << 20
	maxFiles   = 16 << 20 // bytes
	maxTexts   = 64
	maxModules = 1 << 15
	maxModule  = 64
)

// cpio reads one archive up to its trailer.
func (a *archive) cpio(r *bufio.Reader) error {
	for {
		name, size, err := cpioHeader(r)
		if err != nil || name == cpioTrailer {
			return err
		}
		if err := a.file(r, name, size); err != nil {
			return fmt.Errorf("in %s: %w", printable(name), early(err))
		}
		if err := skip(r, -size&3); err != nil {
			return early(err)
		}
	}
}

// bounded is what is unpacked, as far as that may go.
type bounded struct {
	r    io.Reader
	left *int64
}

func (b bounded) Read(p []byte) (int, error) {
	if *b.left <= 0 {
		return 0, errPast
	}
	n, err := b.r.Read(p[:min(int64(len(p)), *b.left)])
	*b.left -= int64(n)
	return n, err
}

// cpioHeader reads a header and a name.
func cpioHeader(r *bufio.Reader) (name string, size int64, err error) {
	var h [cpioHead]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return "", 0, early(err)
	}
	if m := string(h[:6]); m != "070701" && m != "070702" {
		return "", 0, fmt.Errorf("no file begins where one should")
	}
	field := func(n int) int64 {
		v, e := strconv.ParseUint(string(h[6+8*n:14+8*n]), 16, 32)
		err = errors.Join(err, e)
		return int64(v)
	}
	size, length := field(cpioSize), field(cpioName)
	if err != nil || length < 1 || length > maxName {
		return "", 0, fmt.Errorf("the header of a file makes no sense")
	}
	b := make([]byte, length)
	if _, err := io.ReadFull(r, b); err != nil {
		return "", 0, early(err)
	}
	return string(b[:length-1]), size, early(skip(r, -(cpioHead+length)&3))
}

// early says of an end that it is too early.
func early(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func skip(r *bufio.Reader, n int64) error {
	_, err := io.CopyN(io.Discard, r, n)
	return err
}

// file takes what counts of a file, and reads on behind it.
func (a *archive) file(r *bufio.Reader, name string, size int64) error {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "/"), "./")
	base := path.Base(name)
	switch base {
	case "iscsistart", "iscsid", "iscsiuio":
		a.iscsi = a.iscsi || size > 0
	case "init":
		a.linux = a.linux || name == "init"
	}
	if _, behind, ok := strings.Cut(name, "lib/modules/"); ok {
		version, _, _ := strings.Cut(behind, "/")
		a.version = version
		if module, _, ok := strings.Cut(base, ".ko"); ok && len(module) <= maxModule && len(a.modules) < maxModules {
			a.modules[moduleName(module)] = true
		}
	}
	if !wanted[name] && !wanted[base] && !modprobed(name) || size > maxFile || a.kept+size > maxFiles || len(a.texts) >= maxTexts {
		return skip(r, size)
	}
	b := make([]byte, size)
	_, err := io.ReadFull(r, b)
	a.texts[name] = string(b)
	a.kept += size
	return err
}

// wanted are the files whose text is kept, by path or by name.
var wanted = map[string]bool{iscsiScript: true, iscsiConfig: true, builtinList: true, builtinInfo: true}

// modprobed reports whether a file tells modprobe what not to load.
func modprobed(name string) bool { return path.Base(path.Dir(name)) == "modprobe.d" }

// moduleName is a module's as the kernel writes it.
func moduleName(file string) string { return strings.ReplaceAll(file, "-", "_") }
