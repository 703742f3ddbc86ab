package backup

import (
	"errors"
	"fmt"
	"io"
)

// VersionError refuses a stream of another version.
type VersionError struct{ Version uint32 }

func (e *VersionError) Error() string {
	return fmt.Sprintf("the backup has version %d and this program reads version %d: use the program that wrote it, or a newer one", e.Version, Version)
}

// FormatError refuses a stream that is damaged, truncated or none. Nothing
// that was read from it may be used.
type FormatError struct {
	At  int64 // about so many bytes into the stream
	Err error
}

func (e *FormatError) Error() string {
	if errors.Is(e.Err, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("the backup is truncated: it ends at byte %d, before its trailer", e.At)
	}
	return fmt.Sprintf("the backup cannot be used, at byte %d: %v", e.At, e.Err)
}

func (e *FormatError) Unwrap() error { return e.Err }

// sourceError is a failure to read the stream, not the stream's own.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return "read backup: " + e.err.Error() }

func (e *sourceError) Unwrap() error { return e.err }
