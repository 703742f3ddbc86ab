package api

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// tick is the time between two lines of progress.
const tick = 200 * time.Millisecond

// task is something long. Its client learns how it goes, and cancels it by
// going away.
type task[T any] struct {
	name       string // for messages, such as: import "disk.raw"
	path, user string // the server's own name of a file, and the user's
	run        func(ctx context.Context, progress func(Progress)) (T, error)
	end        func() // if not nil, once run has returned
}

const streamText = "The answer is a stream of lines (application/x-ndjson): progress, and at last result or error."

// longTask describes the operation of a task.
func longTask(id, path, summary string) huma.Operation {
	op := operation("POST", id, path, summary, 200)
	op.Description = streamText
	return op
}

// passedTask describes one that takes a descriptor.
func passedTask(id, path, summary string) huma.Operation {
	op := longTask(id, path, summary)
	op.Description += " A descriptor comes with the request (SCM_RIGHTS), which only the unix socket can carry."
	return op
}

func (t task[T]) response() *huma.StreamResponse { return &huma.StreamResponse{Body: t.stream} }

// stream runs the task and tells how it goes. Whatever the client does, it
// returns only when the task has ended.
func (t task[T]) stream(hc huma.Context) {
	ctx, cancel := untilEnd(hc.Context())
	defer cancel()
	latest := make(chan Progress, 1)
	result := make(chan Line[T], 1)
	go func() { result <- t.last(ctx, latest) }()
	out := newStream(hc)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case line := <-result:
			if line.Error != nil && !out.started {
				writeProblem(out.w, line.Error)
				return
			}
			out.send(line) // a client that is gone can ask what there is
			return
		case <-ticker.C:
			select {
			case p := <-latest:
				if out.send(Line[T]{Progress: &p}) != nil {
					cancel()
				}
			default:
			}
		}
	}
}

// last runs the task and returns the last line of its stream.
func (t task[T]) last(ctx context.Context, latest chan Progress) Line[T] {
	if t.end != nil {
		defer t.end()
	}
	v, err := t.run(ctx, func(p Progress) { replace(latest, p) })
	if err != nil {
		return Line[T]{Error: t.problem(ctx, err)}
	}
	return Line[T]{Result: &v}
}

// replace puts p into c in place of what is there.
func replace(c chan Progress, p Progress) {
	for {
		select {
		case c <- p:
			return
		default:
		}
		select {
		case <-c:
		default:
		}
	}
}

// problem puts the user's name of the file where the error has the server's
// own.
func (t task[T]) problem(ctx context.Context, err error) *Error {
	var known *Error
	if ctx.Err() != nil && !errors.As(err, &known) {
		return Errorf(Unavailable, "%s: cancelled; nothing of it is left", t.name)
	}
	p := problem(err)
	if t.path != "" {
		p.Detail = strings.ReplaceAll(p.Detail, t.path, t.user)
	}
	return p
}
