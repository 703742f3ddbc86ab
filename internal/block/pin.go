package block

import "syscall"

// Pinner is a Device part of whose content lies in files that nobody changes any
// more, so that a server may have the kernel send it from its cache. It is
// optional: a decorator that changes, delays or counts what is read does not have
// it, or passes it on knowing that.
type Pinner interface {
	// Pin tells where the range is, if that is one place of one such file, and in
	// memory as far as is known. It reports false for all else, and for ranges that
	// ReadAt refuses: then ReadAt is to be asked, and says what is wrong.
	//
	// What is pinned is what ReadAt would have read at some moment of the call. It
	// stays that whatever is written, unmapped, sealed, merged or removed later, and
	// in a socket even after Release.
	Pin(off, n int64) (Pinned, bool)
}

// Pinned is a place in a file.
type Pinned struct {
	File syscall.RawConn // of the open file
	Off  int64
	Held Held
}

// Held is what keeps a file open.
type Held interface {
	// Bad tells that the file could not be read. It is not pinned again: whoever
	// reads next gets the error from ReadAt.
	Bad()
	// Release gives it back. It is called once, as the last.
	Release()
}
