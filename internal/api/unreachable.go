package api

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// Unreachable: no server answered, or it went away in mid-answer.
type Unreachable struct {
	Socket string
	Err    error
}

// Unwrap returns what the system said.
func (u *Unreachable) Unwrap() error { return u.Err }

// Error says which socket was tried, and what to do.
func (u *Unreachable) Error() string {
	switch {
	case errors.Is(u.Err, fs.ErrNotExist):
		return fmt.Sprintf("no server at %s: start one with `bootes serve` (as root), or name another's socket with --socket or BOOTES_SOCKET", u.Socket)
	case errors.Is(u.Err, syscall.ECONNREFUSED):
		return fmt.Sprintf("no server at %s: the one that made this socket has ended; start it again with `bootes serve` (as root)", u.Socket)
	case errors.Is(u.Err, fs.ErrPermission):
		return fmt.Sprintf("no permission to use the server at %s: %s", u.Socket, admission(u.Socket))
	}
	return fmt.Sprintf("the server at %s did not finish its answer: %v; its log tells more", u.Socket, u.Err)
}

// admission says how to be let in. The folder may forbid even to look.
func admission(socket string) string {
	st, err := os.Stat(socket)
	if err != nil {
		return "be root"
	}
	gid := st.Sys().(*syscall.Stat_t).Gid
	if gid == 0 {
		return "only root may; to let in others, set api.group in the server's config"
	}
	name := strconv.Itoa(int(gid))
	if g, err := user.LookupGroupId(name); err == nil {
		name = g.Name
	}
	return fmt.Sprintf("be root or a member of group %s (`usermod -aG %s YOU`, then log in again)", name, name)
}
