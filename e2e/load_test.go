//go:build e2e

package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// loadScript writes files, one after the other, each through to the disk, and
// remembers their sums, until it is told to stop; then it reads all back from
// the disk. What it notes lies in RAM.
const loadScript = `rm -rf /run/load; mkdir -p /run/load /root/load; cat > /run/load.sh <<'EOF'
i=0
until test -e /run/load/stop; do
  f=/root/load/f$((i % 40))
  dd if=/dev/urandom of=$f bs=64k count=8 conv=fsync 2>/dev/null || echo failed $i >> /run/load/bad
  md5sum $f > /run/load/sum$((i % 40))
  i=$((i + 1)); echo $i > /run/load/count
done
sync; echo 3 > /proc/sys/vm/drop_caches
cat /run/load/sum* | md5sum -c --quiet && ! test -e /run/load/bad && echo good > /run/load/result || echo bad > /run/load/result
EOF
setsid sh /run/load.sh > /dev/null 2>&1 &`

// startLoad makes the guest write until endLoad.
func (g *guest) startLoad() {
	g.t.Helper()
	g.run(loadScript)
	g.loadBeyond(3, time.Minute)
}

// loaded is how many files the load has written so far. It needs nothing from
// the disk.
func (g *guest) loaded() (files int) {
	g.t.Helper()
	out := g.run("n=; while test -z \"$n\"; do n=0; test ! -e /run/load/count || { n=; read n < /run/load/count; }; done; echo $n")
	if _, err := fmt.Sscan(out, &files); err != nil {
		g.t.Fatalf("%s: number of files %q: %v", g.Name(), out, err)
	}
	return files
}

// loadBeyond waits until the load has written more files than some.
func (g *guest) loadBeyond(files int, within time.Duration) {
	g.t.Helper()
	for deadline := time.Now().Add(within); g.loaded() <= files; time.Sleep(500 * time.Millisecond) {
		if time.Now().After(deadline) {
			g.t.Fatalf("%s has not written more than %d files within %s", g.Name(), files, within)
		}
	}
}

// endLoad ends the load: every write must have succeeded, and the disk must
// hold what was written. It returns the number of files written.
func (g *guest) endLoad() (files int) {
	g.t.Helper()
	g.want("touch /run/load/stop; until test -e /run/load/result; do sleep 1; done; "+
		"cat /run/load/result; test ! -e /run/load/bad || cat /run/load/bad", "good")
	return g.loaded()
}

// forget drops what of the guest's files lies in its memory: whoever needs one
// must read it from the disk. It needs nothing from the disk itself.
func (g *guest) forget() {
	g.t.Helper()
	g.run("echo 1 > /proc/sys/vm/drop_caches")
}

// outage ends the server under guests by a signal, and starts it again when away
// returns. The guests have nothing in memory then that could help them.
func outage(t *testing.T, f *fixture, by syscall.Signal, away func(), guests ...*guest) {
	t.Helper()
	f.end(by)
	for _, g := range guests {
		g.forget()
	}
	away()
	f.serve()
}
