package store

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// exitStoreFailed is the exit code when etcd cannot write its log and ends
// the process (EX_IOERR of sysexits.h).
const exitStoreFailed = 74

// zapLogger gives etcd a logger whose warnings and errors reach o.Log. Its
// Fatal ends the process: etcd must not go on after a failed write of its log,
// since memory and disk would differ.
func zapLogger(o Options, quiet *atomic.Bool) *zap.Logger {
	return zap.New(&slogCore{log: o.Log, quiet: quiet}, zap.WithFatalHook(fatalHook{o}))
}

// noise are parts of what etcd 3.7 warns of at a start, with nothing wrong.
var noise = []string{
	"Running http and grpc server on single port",  // a unix socket, for etcdctl
	"simple token is not cryptographically signed", // no users, no tokens
	"Failed to detect schema version",              // the first start
	"failed to update storage version",             // the first start
	"cannot campaign at term",                      // our clock is fast: the log is not read to its end yet
}

func isNoise(msg string) bool {
	return slices.ContainsFunc(noise, func(part string) bool { return strings.Contains(msg, part) })
}

type fatalHook struct{ o Options }

func (h fatalHook) OnWrite(e *zapcore.CheckedEntry, _ []zapcore.Field) {
	h.o.fatal(e.Message)
}

// fatal ends the process: after a failed write or sync nobody knows what is on disk.
func (o Options) fatal(cause string) {
	o.Log.Error("the store cannot write its log and ends the server: make room on the disk or repair it, then start the server again; nothing acknowledged is lost",
		"dir", o.Dir, "cause", cause)
	o.exit(exitStoreFailed)
}

// slogCore is a zapcore.Core that hands entries to slog.
// While it is quiet (etcd stops, and calls each ended listener an error) only
// Fatal passes.
type slogCore struct {
	log    *slog.Logger
	quiet  *atomic.Bool
	fields []zapcore.Field
}

func (c *slogCore) Enabled(l zapcore.Level) bool { return l >= zapcore.WarnLevel }

func (c *slogCore) With(f []zapcore.Field) zapcore.Core {
	return &slogCore{log: c.log, quiet: c.quiet, fields: append(c.fields[:len(c.fields):len(c.fields)], f...)}
}

func (c *slogCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if e.Level == zapcore.FatalLevel || c.Enabled(e.Level) && !isNoise(e.Message) && !c.quiet.Load() {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c *slogCore) Write(e zapcore.Entry, f []zapcore.Field) error {
	enc := zapcore.NewMapObjectEncoder()
	for _, field := range append(c.fields[:len(c.fields):len(c.fields)], f...) {
		field.AddTo(enc)
	}
	attrs := make([]slog.Attr, 0, len(enc.Fields)+1)
	attrs = append(attrs, slog.String("from", "etcd"))
	for k, v := range enc.Fields {
		attrs = append(attrs, slog.Any(k, v))
	}
	c.log.LogAttrs(context.Background(), slogLevel(e.Level), e.Message, attrs...)
	return nil
}

func (c *slogCore) Sync() error { return nil }

func slogLevel(l zapcore.Level) slog.Level {
	if l >= zapcore.ErrorLevel {
		return slog.LevelError
	}
	return slog.LevelWarn
}
