package httpboot

import (
	"io/fs"
	"strings"
	"time"
)

// Text makes a File of a text that was made just now.
func Text(name, content string) File {
	return &text{strings.NewReader(content), name, time.Now()}
}

// text is its own fs.FileInfo.
type text struct {
	*strings.Reader
	name string
	made time.Time
}

func (t *text) Stat() (fs.FileInfo, error) { return t, nil }
func (t *text) Close() error               { return nil }
func (t *text) Name() string               { return t.name }
func (t *text) Mode() fs.FileMode          { return 0o444 }
func (t *text) ModTime() time.Time         { return t.made }
func (t *text) IsDir() bool                { return false }
func (t *text) Sys() any                   { return nil }
