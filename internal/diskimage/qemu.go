package diskimage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNoQemuImg: the program that converts foreign formats is missing.
// It is an exec.ErrNotFound.
var ErrNoQemuImg error = missingProgram{}

type missingProgram struct{}

func (missingProgram) Error() string {
	return "the program qemu-img is missing: install it with `apt-get install qemu-utils`"
}

func (missingProgram) Unwrap() error { return exec.ErrNotFound }

// infoTimeout bounds a look at an image's header.
const infoTimeout = 30 * time.Second

// The image and the output are handed to qemu-img as these descriptors.
const (
	imageFD  = "/dev/fd/3"
	outputFD = "/dev/fd/4"
	vpcFD    = "driver=vpc,force_size_calc=current_size,file.driver=file,file.filename=" + imageFD
)

// handed are the files that qemu-img works on: image as imageFD and, if it is
// not nil, output as outputFD, with their names for people.
type handed struct {
	image, output         *os.File
	imageName, outputName string
}

// only hands over an image that is read.
func only(image *os.File) handed { return handed{image: image, imageName: image.Name()} }

// named are the arguments that name imageFD and its format.
func named(format string) []string {
	if format == "vpc" {
		// By default the size comes from the cylinders, heads and sectors of a
		// footer that one of a few programs wrote, and the disk's end is lost.
		return []string{"--image-opts", vpcFD}
	}
	return []string{"-f", format, imageFD}
}

// qemuImg runs qemu-img with the files. Lines it prints go to line, if that is
// not nil. On failure the error quotes its words.
func qemuImg(ctx context.Context, files handed, line func(string), args ...string) error {
	path, err := exec.LookPath("qemu-img")
	if err != nil {
		return ErrNoQemuImg
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.ExtraFiles = []*os.File{files.image}
	if files.output != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, files.output)
	}
	out := &lineWriter{line: line}
	words := &tailWriter{max: 2 << 10}
	cmd.Stdout, cmd.Stderr = out, words
	cmd.WaitDelay = 5 * time.Second

	// It must not outlive us. The kernel means the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return &toolError{args[0], words.text(files), err}
	}
	return nil
}

// toolError is a failure in qemu-img's own words.
type toolError struct {
	verb, words string
	err         error
}

func (e *toolError) Error() string {
	if e.words == "" {
		return fmt.Sprintf("qemu-img %s failed: %v", e.verb, e.err)
	}
	return "qemu-img says: " + e.words
}

func (e *toolError) Unwrap() error { return e.err }

// Is knows a full disk by its words.
func (e *toolError) Is(target error) bool {
	return target == unix.ENOSPC && strings.Contains(e.words, "No space left on device")
}

// imageInfo is what matters of `qemu-img info --output=json`.
type imageInfo struct {
	Format   string `json:"format"`
	Size     int64  `json:"virtual-size"`
	Backing  string `json:"backing-filename"`
	Specific struct {
		Data struct {
			DataFile string `json:"data-file"`
			Extents  []struct {
				Filename string `json:"filename"`
			} `json:"extents"`
		} `json:"data"`
	} `json:"format-specific"`
}

// info asks qemu-img about image. format "" lets it guess, which is safe only
// for a file that the caller then reads as raw bytes.
func info(ctx context.Context, image *os.File, format string) (imageInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, infoTimeout)
	defer cancel()
	args := []string{imageFD}
	if format != "" {
		args = named(format)
	}
	var out bytes.Buffer
	err := qemuImg(ctx, only(image), func(s string) { out.WriteString(s) }, append([]string{"info", "--output=json"}, args...)...)
	if err != nil {
		return imageInfo{}, err
	}
	var i imageInfo
	if err := json.Unmarshal(out.Bytes(), &i); err != nil {
		return i, fmt.Errorf("understand qemu-img info: %w", err)
	}
	return i, i.references()
}

func (i imageInfo) references() error {
	if i.Backing != "" {
		return &ReferenceError{"backing file", i.Backing}
	}
	if i.Specific.Data.DataFile != "" {
		return &ReferenceError{"external data file", i.Specific.Data.DataFile}
	}
	for _, e := range i.Specific.Data.Extents {
		if e.Filename != imageFD {
			return &ReferenceError{"extent", e.Filename}
		}
	}
	return nil
}

// confirmRaw makes sure that a file without a magic that we know is raw.
// Without qemu-img the extension must say so.
func confirmRaw(ctx context.Context, f *os.File, ext string) error {
	head, err := headOf(f)
	if err != nil {
		return err
	}
	defer head.Close()
	i, err := info(ctx, head, "")
	switch {
	case errors.Is(err, ErrNoQemuImg):
		if ext == ".raw" || ext == ".img" {
			return nil
		}
		return fmt.Errorf("it seems to be raw, but its name ends neither in .raw nor in .img, and to make sure %w", err)
	case err != nil:
		return err
	case i.Format != "raw":
		return fmt.Errorf("it is a %s image, which is not taken: %s", i.Format, makeOne)
	}
	return nil
}

// convert makes a sparse raw file without a name from image.
func convert(ctx context.Context, image *stillImage, format string, o Options) (*os.File, error) {
	i, err := info(ctx, image.File, format)
	if err != nil {
		return nil, err
	}
	if err := check(ctx, image.File, format); err != nil {
		return nil, err
	}
	if err := errors.Join(image.unchanged(), checkRoom(ctx, image.File, format, i.Size, o)); err != nil {
		return nil, err
	}
	raw, err := tempFile(o.TmpDir)
	if err != nil {
		return nil, &hostError{"make a temporary file", err}
	}
	if err := raw.Truncate(i.Size); err != nil {
		return nil, errors.Join(&hostError{"make a temporary file", err}, raw.Close())
	}
	if err := image.unchanged(); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	args := []string{"convert", "-p", "-n", "--target-is-zero", "-O", "raw"}
	err = qemuImg(ctx, handed{image.File, raw, image.Name(), "the temporary file"}, percent(i.Size, o.Progress),
		append(append(args, named(format)...), outputFD)...)
	if err != nil {
		if errors.Is(err, unix.ENOSPC) {
			err = &hostError{fmt.Sprintf("convert it in %q, which has too little free space", o.TmpDir), err}
		}
		return nil, errors.Join(err, raw.Close())
	}
	return raw, nil
}

// checkRoom asks whether there is room for the data in image. The disk would
// otherwise be filled to its last byte, and all that live on it would suffer.
func checkRoom(ctx context.Context, image *os.File, format string, size int64, o Options) error {
	if o.Room == nil {
		return nil
	}
	var out bytes.Buffer
	err := qemuImg(ctx, only(image), func(s string) { out.WriteString(s) },
		append([]string{"measure", "--output=json", "-O", "qcow2"}, named(format)...)...)
	if err != nil {
		return err
	}
	// Of a copy in qcow2; for one in raw it would count the holes too.
	var copied struct {
		Sparse int64 `json:"required"`
		Full   int64 `json:"fully-allocated"`
	}
	if err := json.Unmarshal(out.Bytes(), &copied); err != nil {
		return fmt.Errorf("understand qemu-img measure: %w", err)
	}
	if err := o.Room(size, max(0, size-(copied.Full-copied.Sparse))); err != nil {
		return &hostError{fmt.Sprintf("convert it in %q", o.TmpDir), err}
	}
	return nil
}

// check looks for damage, above all truncation: QEMU reads clusters beyond
// the end of a file as zeros, so a conversion would not notice. VHD has no
// check; inspectVHD looked at it, and qemu-img refuses blocks beyond its end.
func check(ctx context.Context, image *os.File, format string) error {
	if format == "vpc" {
		return nil
	}
	err := qemuImg(ctx, only(image), nil, append([]string{"check", "-q"}, named(format)...)...)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == leakedClusters {
		return nil
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, ErrNoQemuImg) {
		return fmt.Errorf("it is damaged or truncated: %w", err)
	}
	return err
}

// leakedClusters is the exit code for wasted space, which harms nobody.
const leakedClusters = 3

// tempFile is a file in dir that vanishes with its last descriptor.
func tempFile(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o600)
	if err == nil {
		return f, nil
	}
	if f, err = os.CreateTemp(dir, "convert-"); err != nil { // a file system without O_TMPFILE
		return nil, err
	}
	return f, errors.Join(os.Remove(f.Name()))
}

var percentRE = regexp.MustCompile(`\(\s*(\d+(?:\.\d+)?)/100%\)`)

// percent turns qemu-img's "(12.34/100%)" into bytes.
func percent(total int64, progress func(done, total int64)) func(string) {
	return func(s string) {
		m := percentRE.FindStringSubmatch(s)
		if m == nil || progress == nil {
			return
		}
		p, err := strconv.ParseFloat(m[1], 64)
		if err == nil {
			progress(int64(float64(total)*p/100), total)
		}
	}
}

// lineWriter calls line for each piece that ends in a line feed or a return.
type lineWriter struct {
	line func(string)
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	if w.line == nil {
		return len(p), nil
	}
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexAny(w.rest, "\r\n")
		if i < 0 {
			return len(p), nil
		}
		w.line(string(w.rest[:i+1]))
		w.rest = w.rest[i+1:]
	}
}

// tailWriter keeps the beginning of what a program complains of.
type tailWriter struct {
	max int
	b   bytes.Buffer
}

func (w *tailWriter) Write(p []byte) (int, error) {
	io.Copy(&w.b, bytes.NewReader(p[:min(len(p), w.max-min(w.max, w.b.Len()))]))
	return len(p), nil
}

// text is the first lines, with the files' names in place of their descriptors.
func (w *tailWriter) text(files handed) string {
	lines := strings.Split(strings.TrimSpace(w.b.String()), "\n")
	lines = lines[:min(len(lines), 2)]
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(strings.TrimSpace(l), "qemu-img: ")
	}
	return strings.NewReplacer(vpcFD, files.imageName, imageFD, files.imageName, outputFD, files.outputName).Replace(strings.Join(lines, "; "))
}
