package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"time"
)

// qmp is the client side of QEMU's machine protocol, as little of it as the lab
// needs: one command at a time, and the names of events.
type qmp struct {
	conn    net.Conn
	onEvent func(name string)
	replies chan qmpMessage
	done    chan struct{}
	mu      sync.Mutex // held by the command under way
}

// qmpMessage is any line that QEMU sends (docs/interop/qmp-spec): the greeting has
// neither of these fields.
type qmpMessage struct {
	Event  string          `json:"event"`
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Class string `json:"class"`
		Desc  string `json:"desc"`
	} `json:"error"`
}

func newQMP(conn net.Conn, onEvent func(string)) *qmp {
	return &qmp{conn: conn, onEvent: onEvent, replies: make(chan qmpMessage, 1), done: make(chan struct{})}
}

// run reads until the connection ends.
func (q *qmp) run() {
	defer close(q.done)
	dec := json.NewDecoder(q.conn)
	for {
		var m qmpMessage
		if err := dec.Decode(&m); err != nil {
			return
		}
		switch {
		case m.Event != "":
			q.onEvent(m.Event)
		case m.Return != nil || m.Error != nil:
			select {
			case q.replies <- m:
			default: // a reply nobody waits for any more
			}
		}
	}
}

// answerTime is how long QEMU has for an answer, which takes it milliseconds. One
// that hangs must not hold up who wants to switch it off.
const answerTime = 30 * time.Second

func (q *qmp) execute(ctx context.Context, command string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if err := q.conn.SetWriteDeadline(time.Now().Add(answerTime)); err != nil {
		return fmt.Errorf("send %q: %w", command, err)
	}
	select {
	case <-q.replies: // of a command that was given up
	default:
	}
	if _, err := fmt.Fprintf(q.conn, "{\"execute\":%q}\n", command); err != nil {
		return fmt.Errorf("send %q: %w", command, err)
	}
	select {
	case m := <-q.replies:
		if m.Error != nil {
			return fmt.Errorf("execute %q: %s", command, m.Error.Desc)
		}
		return nil
	case <-q.done:
		return errGuestEnded
	case <-ctx.Done():
		return fmt.Errorf("wait for an answer to %q: %w", command, ctx.Err())
	}
}
