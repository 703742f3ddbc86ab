package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Kind sorts errors by what a caller can do about them.
type Kind string

// The kinds of errors.
const (
	Invalid     Kind = "invalid"     // the request is wrong: a name, a size, a file's contents
	NotFound    Kind = "not-found"   // the thing named does not exist
	Conflict    Kind = "conflict"    // a rule refuses it, or something is in use
	Forbidden   Kind = "forbidden"   // this user may not do it
	NoSpace     Kind = "no-space"    // the disk is too small
	Missing     Kind = "missing"     // the server lacks a program
	Unavailable Kind = "unavailable" // not now; the server starts, stops or is in trouble
	Internal    Kind = "internal"    // anything else
)

var statusOf = map[Kind]int{
	Invalid: http.StatusUnprocessableEntity, NotFound: http.StatusNotFound, Conflict: http.StatusConflict,
	Forbidden: http.StatusForbidden, NoSpace: http.StatusInsufficientStorage, Missing: http.StatusNotImplemented,
	Unavailable: http.StatusServiceUnavailable, Internal: http.StatusInternalServerError,
}

const typePrefix = "urn:bootes:problem:"

// Error is a problem document (RFC 9457). The implementations behind the API
// return it, wrapped or not; the client returns it as it came.
type Error struct {
	Type   string `json:"type" doc:"urn:bootes:problem: and the kind of error"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail" doc:"what is wrong and what to do"`

	err error
}

// Errorf makes an error of a kind. It wraps what %w names.
func Errorf(k Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{
		Type: typePrefix + string(k), Title: http.StatusText(statusOf[k]), Status: statusOf[k],
		Detail: err.Error(), err: errors.Unwrap(err),
	}
}

// Error returns the detail.
func (e *Error) Error() string { return e.Detail }

// Unwrap returns the cause, on the side where it happened.
func (e *Error) Unwrap() error { return e.err }

// GetStatus returns the HTTP status.
func (e *Error) GetStatus() int { return e.Status }

// ContentType names the media type of a problem document (RFC 9457, 3).
func (e *Error) ContentType(string) string { return "application/problem+json" }

// Kind tells what sort of error it is, by its type or else by its status.
func (e *Error) Kind() Kind {
	if k, ok := strings.CutPrefix(e.Type, typePrefix); ok && statusOf[Kind(k)] != 0 {
		return Kind(k)
	}
	for k, status := range statusOf {
		if status == e.Status {
			return k
		}
	}
	if e.Status >= 400 && e.Status < 500 {
		return Invalid
	}
	return Internal
}

// problem makes a problem document of any error. The wrapping's words are
// kept: they say what was being done.
func problem(err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		return Errorf(Internal, "%w", err)
	}
	p := *e
	p.Detail = err.Error()
	return &p
}
