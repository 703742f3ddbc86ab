package lab

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

var errNetClosed = errors.New("lab network is closed")

// thread is one operating-system thread that lives in a network namespace of its
// own and runs functions there.
//
// Programs must be started on it: a child inherits the namespace of the thread
// that forked it, and its parent-death signal comes when that thread ends, which
// for any other goroutine's thread may be long before the process does.
type thread struct {
	calls chan func()
	quit  chan struct{}
	done  chan struct{}
	once  sync.Once
	tid   int

	namespace uint64 // its id; another one may have it after the thread's end
}

// newThread starts the thread in a fresh network namespace.
func newThread() (*thread, error) {
	t := &thread{
		calls: make(chan func()),
		quit:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	started := make(chan error)
	go t.loop(started)
	if err := <-started; err != nil {
		return nil, err
	}
	return t, nil
}

func (t *thread) loop(started chan<- error) {
	defer close(t.done)
	// Never unlocked: the thread ends with this goroutine instead of
	// carrying the namespace back into the runtime's pool.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		started <- fmt.Errorf("make network namespace: %w", err)
		return
	}
	t.tid = unix.Gettid()
	var err error
	if t.namespace, err = namespaceID(t.path()); err != nil {
		started <- fmt.Errorf("look at the network namespace: %w", err)
		return
	}
	started <- nil
	for {
		select {
		case f := <-t.calls:
			f()
		case <-t.quit:
			return
		}
	}
}

// do runs f on the thread and waits for it.
func (t *thread) do(f func() error) error {
	result := make(chan error, 1)
	select {
	case t.calls <- func() { result <- f() }:
		return <-result
	case <-t.done:
		return errNetClosed
	}
}

// close ends the thread, and with it, by signal, all that it started.
func (t *thread) close() {
	t.once.Do(func() { close(t.quit) })
	<-t.done
}

// ended reports whether the thread is gone.
func (t *thread) ended() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// path names the thread's namespace in /proc.
func (t *thread) path() string {
	return fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), t.tid)
}
