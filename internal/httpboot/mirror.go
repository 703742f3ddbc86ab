package httpboot

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// mirror answers with a file or a folder below the root of a mirror. os.Root
// lets no name and no symbolic link lead out of there.
func (s *Server) mirror(w http.ResponseWriter, r *http.Request) {
	root := s.o.Mirrors[r.PathValue("mirror")]
	name := path.Clean("/" + r.PathValue("path"))[1:]
	if root == nil || strings.ContainsRune(name, 0) {
		s.refuse(w, r, fs.ErrNotExist)
		return
	}
	// A pipe or a device must not make us wait until somebody writes to it.
	f, err := root.OpenFile(cmp.Or(name, "."), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		s.refuse(w, r, s.outside(r, err))
		return
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		s.refuse(w, r, err)
	case !info.IsDir():
		s.send(w, r, f)
	case !strings.HasSuffix(r.URL.Path, "/"):
		// Links of the listing are relative to the folder.
		http.Redirect(w, r, (&url.URL{Path: path.Base(r.URL.Path) + "/"}).String(), http.StatusMovedPermanently)
		s.told(r, http.StatusMovedPermanently)
	default:
		s.list(w, r, f)
	}
}

// outside logs why a file that its owner sees is not served: its link leads out
// of the mirror. Clients are told that there is no such file.
func (s *Server) outside(r *http.Request, err error) error {
	pathErr, ok := err.(*fs.PathError)
	if !ok || pathErr.Err.Error() != "path escapes from parent" { // os has no name for it
		return err
	}
	s.o.Log.Log(r.Context(), s.links.level(remote(r).Addr(), time.Now()),
		"not served: a symbolic link leads out of the mirror; make the folder it leads to a mirror too, or copy the file",
		"path", r.URL.Path, "remote", remote(r))
	return fs.ErrNotExist
}

// maxListed bounds the entries of a listing.
const maxListed = 10_000

// list shows what is in a folder, as a page of links, which installers and
// wget -r can read too.
func (s *Server) list(w http.ResponseWriter, r *http.Request, dir *os.File) {
	entries, err := dir.ReadDir(maxListed)
	if err != nil && err != io.EOF {
		s.refuse(w, r, err)
		return
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	title := html.EscapeString(r.URL.Path)
	var b strings.Builder
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<title>%s</title>\n<h1>%s</h1>\n<pre>\n<a href=\"../\">../</a>\n", title, title)
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() {
			name += "/"
		}
		link := (&url.URL{Path: "./" + name}).String()
		fmt.Fprintf(&b, "<a href=\"%s\">%s</a>\n", html.EscapeString(link), html.EscapeString(name))
	}
	if len(entries) == maxListed {
		fmt.Fprintf(&b, "and more: the first %d are shown\n", maxListed)
	}
	b.WriteString("</pre>\n")
	_, _ = io.WriteString(w, b.String())
	s.told(r, http.StatusOK)
}
