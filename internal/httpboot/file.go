package httpboot

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
	"syscall"
	"time"
)

// File is what is sent. An *os.File goes by sendfile.
type File interface {
	fs.File
	io.Seeker
}

// types by the suffix of a name. The first three decide what UEFI HTTP boot
// makes of a file: a program, a disc or a disk (UEFI 2.10, 24.7.3.3, and EDK2).
var types = map[string]string{
	".efi": "application/efi",
	".iso": "application/vnd.efi-iso",
	".img": "application/vnd.efi-img",

	".cfg":  "text/plain; charset=utf-8",
	".conf": "text/plain; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".ipxe": "text/plain; charset=utf-8",
	".json": "application/json",
	".ks":   "text/plain; charset=utf-8",
	".txt":  "text/plain; charset=utf-8",
	".xml":  "text/xml; charset=utf-8",
	".yaml": "text/plain; charset=utf-8",
}

// typeOf names the type of a file's content. It is never guessed from the
// content: a kernel that begins like something else must stay a kernel.
func typeOf(name string) string {
	if t := types[strings.ToLower(path.Ext(name))]; t != "" {
		return t
	}
	return "application/octet-stream"
}

// maxRanges bounds the parts of one request: iPXE and UEFI ask for one.
const maxRanges = 16

// send answers with a file or with the ranges of it that are asked for, and
// returns the status, the bytes of the body, and why these are not all.
func (s *Server) send(w http.ResponseWriter, r *http.Request, f File) (code int, n int64, broken error) {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("open %q: not a regular file: %w", info.Name(), fs.ErrPermission)
	}
	if err != nil {
		return s.refuse(w, r, err), 0, nil
	}
	asked := r.Header.Get("Range")
	switch {
	case !strings.HasPrefix(asked, "bytes="):
		r.Header.Del("Range") // RFC 9110, 14.2: of a unit that we do not know
	case strings.Count(asked, ",") >= maxRanges:
		r.Header.Set("Range", "bytes=-") // is refused
	}
	h := w.Header()
	h.Set("Content-Type", typeOf(info.Name()))
	h.Set("ETag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
	defer s.begin(r, info.Size())()
	c := &counter{ResponseWriter: w}
	http.ServeContent(c, r, info.Name(), info.ModTime(), f)
	if c.code == http.StatusRequestedRangeNotSatisfiable {
		s.o.Log.Log(r.Context(), s.ranges.level(remote(r).Addr(), time.Now()), "no such range", "remote", remote(r), "path", r.URL.Path,
			"range", fmt.Sprintf("%.100s", asked), "size", info.Size())
	}
	s.told(r, c.code)
	return c.code, c.n, c.err
}

// refuse answers that a file cannot be had, and returns the status.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) int {
	code, text := http.StatusInternalServerError, "file could not be read; the server's log says why"
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ELOOP):
		code, text = http.StatusNotFound, "no such file"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENXIO): // a socket
		code, text = http.StatusForbidden, "access denied"
	default:
		s.o.Log.Error("file could not be read", "path", r.URL.Path, "err", err)
	}
	http.Error(w, text, code)
	s.told(r, code)
	return code
}

// counter notes a response's status, the bytes of its body, and why it broke off.
type counter struct {
	http.ResponseWriter
	code int
	n    int64
	err  error
}

func (c *counter) WriteHeader(code int) {
	c.code = code
	c.ResponseWriter.WriteHeader(code)
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.note(int64(n), err)
	return n, err
}

// ReadFrom lets the response find the file, for sendfile.
func (c *counter) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(c.ResponseWriter, r)
	c.note(n, err)
	return n, err
}

func (c *counter) note(n int64, err error) {
	c.n += n
	switch {
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		err = errClosed
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errSlow
	}
	c.err = cmp.Or(c.err, err)
}

// Why a file was not sent whole.
var (
	errClosed = errors.New("client closed the connection")
	errSlow   = errors.New("client took next to nothing any more")
)
