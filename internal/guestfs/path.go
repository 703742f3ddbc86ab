package guestfs

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

const (
	maxPath  = 4096 // bytes, of a path and of a link's target
	maxLinks = 40   // as Linux
	maxSteps = 4096
)

// anyPartition: the path names none.
const anyPartition = -1

// parsePath splits "p2:/etc" into 2 and "/etc".
func parsePath(path string) (partition int, rest string, err error) {
	if len(path) > maxPath || strings.ContainsRune(path, 0) {
		return 0, "", fmt.Errorf("%w: it is too long, or holds a NUL", ErrPath)
	}
	head, rest, ok := strings.Cut(path, ":")
	digits, isP := strings.CutPrefix(head, "p")
	if !ok || !isP || strings.Trim(digits, "0123456789") != "" || digits == "" {
		return anyPartition, path, nil
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 {
		return 0, "", fmt.Errorf("%w: there is no partition %s", ErrPath, digits)
	}
	return n, rest, nil
}

// walk follows path from the root folder, and links on the way and at its end.
func walk(sys fileSystem, path string) (node, error) {
	root, err := sys.root()
	if err != nil {
		return nil, err
	}
	at := []node{root} // from the root to where we are
	todo := strings.Split(path, "/")
	links := 0
	for steps := 0; len(todo) > 0; steps++ {
		if steps == maxSteps {
			return nil, fmt.Errorf("%w: it has too many steps", ErrPath)
		}
		name := todo[0]
		todo = todo[1:]
		here := at[len(at)-1]
		if i := here.info(); i.Type != Dir {
			return nil, fmt.Errorf("%w: there is a %s on the way, before %q", ErrKind, i.Type, name)
		}
		switch name {
		case "", ".":
			continue
		case "..":
			at = at[:max(1, len(at)-1)]
			continue
		}
		next, err := here.lookup(name)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		if next.info().Type != Symlink {
			at = append(at, next)
			continue
		}
		target, err := next.target()
		if err != nil {
			return nil, fmt.Errorf("link %q: %w", name, err)
		}
		if links++; links > maxLinks {
			return nil, fmt.Errorf("%q: too many symbolic links: %w", name, fs.ErrNotExist)
		}
		if strings.HasPrefix(target, "/") {
			at = at[:1]
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return at[len(at)-1], nil
}
