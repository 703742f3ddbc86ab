package lab

import (
	"fmt"
	"net"
	"os"
	"sync"
)

// lag is how many writes of the guest a watcher may be behind before it loses
// some: a person who has stopped the terminal must not stop the guest.
const lag = 256

// share lets people watch a console and type into it, over a unix socket.
type share struct {
	console  *Console
	listener *net.UnixListener
	wait     sync.WaitGroup

	mu       sync.Mutex
	watchers map[net.Conn]chan []byte // nil once closed
}

// Share offers the console on a unix socket, for `socat -,raw,echo=0 UNIX:PATH` and
// the like, until the network ends. Whoever connects sees what the guest writes
// from then on and types what it reads. Expect and Send go on as before.
func (g *Guest) Share(path string) error {
	l, err := listenUnix(path)
	if err != nil {
		return fmt.Errorf("share console of %q: %w", g.opt.Name, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return fmt.Errorf("share console of %q: %w", g.opt.Name, err)
	}
	s := &share{console: g.console, listener: l, watchers: map[net.Conn]chan []byte{}}
	g.console.watch(s.write)
	s.wait.Add(1)
	go s.accept()
	g.net.onClose(s.close)
	return nil
}

func (s *share) accept() {
	defer s.wait.Done()
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		out := make(chan []byte, lag)
		s.mu.Lock()
		if s.watchers == nil {
			s.mu.Unlock()
			conn.Close()
			return
		}
		s.watchers[conn] = out
		s.mu.Unlock()
		s.wait.Add(2)
		go s.read(conn, out)
		go s.send(conn, out)
	}
}

// read types what a watcher sends, and forgets the watcher when it leaves.
func (s *share) read(conn net.Conn, out chan []byte) {
	defer s.wait.Done()
	buf := make([]byte, 256)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			break
		}
		_ = s.console.Send(string(buf[:n])) // the guest may be off
	}
	s.mu.Lock()
	delete(s.watchers, conn)
	close(out)
	s.mu.Unlock()
	conn.Close()
}

func (s *share) send(conn net.Conn, out <-chan []byte) {
	defer s.wait.Done()
	for p := range out {
		if _, err := conn.Write(p); err != nil {
			conn.Close() // ends read, which closes out
		}
	}
}

// write gives what the guest wrote to all watchers.
func (s *share) write(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, out := range s.watchers {
		select {
		case out <- append([]byte(nil), p...):
		default:
		}
	}
}

func (s *share) close() error {
	s.console.watch(nil)
	err := s.listener.Close()
	s.mu.Lock()
	for conn := range s.watchers {
		conn.Close()
	}
	s.watchers = nil
	s.mu.Unlock()
	s.wait.Wait()
	return err
}
