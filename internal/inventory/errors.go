package inventory

import (
	"errors"
	"fmt"
	"strings"

	"bootes.dev/internal/store"
)

// Errors of leases that a caller branches on.
var (
	// ErrLeaseTaken: the address belongs to someone else.
	ErrLeaseTaken = errors.New("address is leased to another client")
	// ErrOutOfPool: the address is not one that this client may have here.
	ErrOutOfPool = errors.New("address is outside the pool")
	// ErrPoolFull: every address is leased and none has expired.
	ErrPoolFull = errors.New("no free address in the pool")
)

// ErrReplaced: the image that a volume was cloned from has been removed or made
// anew meanwhile.
var ErrReplaced = errors.New("the image was replaced meanwhile: try again")

// Refused says whether err is a rule's answer, so that certainly nothing was
// written. Any other error, such as a time-out of the store, may come though
// the change has been or will be made.
func Refused(err error) bool {
	var (
		invalid *InvalidError
		missing *NotFoundError
		exists  *ExistsError
		twin    *VolumeExistsError
		inUse   *InUseError
		stale   *StaleBootError
		update  *UpdateError
		mode    *ModeError
		data    *DataError
	)
	return errors.As(err, &invalid) || errors.As(err, &missing) || errors.As(err, &exists) || errors.As(err, &twin) ||
		errors.As(err, &inUse) || errors.As(err, &stale) || errors.As(err, &update) || errors.As(err, &mode) || errors.As(err, &data) ||
		errors.Is(err, ErrReplaced) || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrFull)
}

// InvalidError says which value is wrong and what would be right.
type InvalidError struct {
	What  string // "machine name"
	Value string
	Want  string
}

func (e *InvalidError) Error() string {
	return fmt.Sprintf("%s %q is not valid: %s", e.What, e.Value, e.Want)
}

// NotFoundError names what is missing and what there is instead.
type NotFoundError struct {
	Kind  string // "machine", "image", "volume", "boot"
	Name  string
	Known []string // nil: not listed
}

func (e *NotFoundError) Error() string {
	msg := fmt.Sprintf("no %s %q", e.Kind, e.Name)
	if e.Known == nil {
		return msg
	}
	if len(e.Known) == 0 {
		return fmt.Sprintf("%s: there are no %ss yet", msg, e.Kind)
	}
	return fmt.Sprintf("%s: there are %s", msg, some(e.Known))
}

// ExistsError says that a name, MAC or address is taken, and by whom.
type ExistsError struct {
	Kind   string // "machine", "image", "MAC address", "address", "volume"
	Name   string
	Owner  string // "" when the name itself is what exists
	Remedy string
}

func (e *ExistsError) Error() string {
	msg := fmt.Sprintf("%s %q exists already", e.Kind, e.Name)
	if e.Owner != "" {
		msg = fmt.Sprintf("%s %q belongs to %s already", e.Kind, e.Name, e.Owner)
	}
	if e.Remedy != "" {
		msg += ": " + e.Remedy
	}
	return msg
}

// InUseError says who needs the thing that was to be removed or changed.
type InUseError struct {
	Kind   string
	Name   string
	By     []string // all of them: "machine pc1", "volume pc1-0a1b2c3d"
	Remedy string
}

func (e *InUseError) Error() string {
	msg := fmt.Sprintf("%s %q is in use by %s", e.Kind, e.Name, strings.Join(e.By, ", "))
	if e.Remedy != "" {
		msg += ": " + e.Remedy
	}
	return msg
}

// ModeError refuses what makes no sense for a disk that lives for one boot.
type ModeError struct {
	Kind, Name string // "machine" or "volume"
	Machine    string
	Why        string
}

func (e *ModeError) Error() string {
	return fmt.Sprintf("%s %q is ephemeral: %s; make %s persistent first with `bootes machine set %s --persistent`", e.Kind, e.Name, e.Why, e.Machine, e.Machine)
}

// DataError refuses what makes no sense for a data volume, or for one that is
// none.
type DataError struct {
	Volume  string
	Machine string // whose disk it is; "": a data volume
	Why     string
}

func (e *DataError) Error() string {
	if e.Machine == "" {
		return fmt.Sprintf("volume %q is a data volume: %s", e.Volume, e.Why)
	}
	return fmt.Sprintf("volume %q is the disk of machine %s: %s", e.Volume, e.Machine, e.Why)
}

// StaleBootError refuses a boot older than the one that holds the machine's
// disk.
type StaleBootError struct {
	Boot, Current string
}

func (e *StaleBootError) Error() string {
	return fmt.Sprintf("boot %q is older than %q, which holds the disk", e.Boot, e.Current)
}

// some lists names, not more than a person reads.
func some(names []string) string {
	const most = 8
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
