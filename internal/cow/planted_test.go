package cow_test

import (
	"encoding/binary"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/crashfs"
	"bootes.dev/internal/cow/vfs"
)

// TestPlantedBugs tests the testers: engines with the mistakes that copy on
// write invites, made by a file system that does not do what it is asked to,
// must be found out by the enumeration of a few histories.
func TestPlantedBugs(t *testing.T) {
	for _, c := range []struct {
		name    string
		setup   setup
		inspect inspector
		want    string // in what is found
	}{
		{"map bit durable before its data", setup{wrap: dataAfterJournal}, inspector{}, "sector"},
		{"flush acknowledged before the journal is synced", setup{wrap: swallow(commitRecord)}, inspector{}, "sector"},
		{"flush acknowledged before the data is synced", setup{wrap: swallow(volumeData)}, inspector{}, "sector"},
		{"small flush acknowledged before the journal is synced", setup{wrap: swallow(carryRecord), options: roomy}, inspector{}, "sector"},
		{"hole punched before its zero is durable", setup{wrap: punchEarly}, inspector{}, "hole"},
		{"folder of volumes not synced", setup{wrap: swallowDir("volumes")}, inspector{}, "volume"},
		{"folder of layers not synced", setup{wrap: swallowDir("layers")}, inspector{}, "layer"},
		{"folder of the layer not synced", setup{wrap: swallowDir("layer-")}, inspector{}, "layer"},
		{"folder of the overlay not synced", setup{wrap: swallowDir("overlay-")}, inspector{}, "overlay"},
		{"folder of the volume not synced", setup{wrap: swallowDir("a")}, inspector{}, `volume "a"`},
		{"freed before its removal is durable", setup{wrap: removeUnsynced, weights: removals}, inspector{}, "volume"},
		{"write-through acknowledged before the journal is synced", setup{wrap: swallow(commitRecord), weights: through}, inspector{}, "sector"},
		{"unstable record kept in memory", setup{wrap: bufferJournal}, inspector{}, "kill"},
		{"unstable record honoured after a reboot", setup{}, inspector{sameBoot: true}, "power cut"},
		{"flush joins a sync that is running", setup{device: newJoiner, weights: bursts}, inspector{}, "power cut"},
		{"failed sync retried and believed", setup{wrap: retrySync, fault: failSyncs}, inspector{}, "power cut"},
		{"map pages synced with their directory", setup{wrap: pagesWithDirectory}, inspector{}, "map page"},
		{"layer sealed before its data is durable", setup{wrap: swallow(layerData)}, inspector{}, "layer"},
		{"layer sealed before its map is durable", setup{wrap: swallow(layerMap)}, inspector{}, "layer"},
		{"meta renamed before it is durable", setup{wrap: swallow(meta)}, inspector{}, "meta"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			total := 0
			for seed := range uint64(plantedSeeds) {
				s := c.setup
				s.seed, s.steps = seed, 40
				h, err := s.run()
				if err != nil {
					t.Fatal(err)
				}
				h.end()
				n, finding := h.enumerate(crashfs.Bounds{Random: 1, Seed: seed}, c.inspect)
				total += n
				if finding == nil {
					continue
				}
				if !strings.Contains(finding.Error(), c.want) {
					t.Fatalf("found another thing, without %q: %v", c.want, finding)
				}
				t.Logf("found by crash %d: %.300v", total, finding)
				return
			}
			t.Errorf("not found in %d crashes", total)
		})
	}
}

const plantedSeeds = 6

// meddler is a file system that does not always do what it is asked to.
type meddler struct {
	vfs.FS
	sync    func(f *meddled) error
	write   func(f *meddled, p []byte, off int64) (int, error)
	syncDir func(dir string) error
	rename  func(from, to string) error

	data sync.Map // open data files, by the folder in which they were opened
}

// meddled is an open file. Its folder and name are those of its opening.
type meddled struct {
	vfs.File
	m         *meddler
	dir, base string
	wrote     atomic.Int64 // bytes, by the write before
	ends      atomic.Int64 // type of the record that it ended with, if it was of a journal
	syncs     atomic.Int64
}

// ofVolume reports whether it is part of an overlay.
func (f *meddled) ofVolume() bool {
	return strings.Contains(f.dir, "/volumes/") || strings.Contains(f.dir, "/tmp/overlay-")
}

func (m *meddler) OpenFile(name string, flag int) (vfs.File, error) {
	o, err := m.FS.OpenFile(name, flag)
	if err != nil {
		return nil, err
	}
	f := &meddled{File: o, m: m, dir: path.Dir(name), base: path.Base(name)}
	if f.base == "data" && flag&syscall.O_RDWR != 0 {
		m.data.Store(f.dir, f)
	}
	return f, nil
}

func (m *meddler) SyncDir(dir string) error {
	if m.syncDir != nil {
		return m.syncDir(dir)
	}
	return m.FS.SyncDir(dir)
}

func (m *meddler) Rename(from, to string) error {
	if m.rename != nil {
		return m.rename(from, to)
	}
	return m.FS.Rename(from, to)
}

func (f *meddled) Sync() error {
	f.syncs.Add(1)
	if f.m.sync != nil {
		return f.m.sync(f)
	}
	return f.File.Sync()
}

func (f *meddled) WriteAt(p []byte, off int64) (int, error) {
	f.wrote.Store(int64(len(p)))
	if n := len(p); n >= 32 {
		f.ends.Store(int64(p[n-28]))
	}
	if f.m.write != nil {
		return f.m.write(f, p, off)
	}
	return f.File.WriteAt(p, off)
}

// swallow swallows the syncs of some files.
func swallow(which func(f *meddled) bool) func(vfs.FS) vfs.FS {
	return func(fs vfs.FS) vfs.FS {
		return &meddler{FS: fs, sync: func(f *meddled) error {
			if which(f) {
				return nil
			}
			return f.File.Sync()
		}}
	}
}

func commitRecord(f *meddled) bool { return f.base == "journal" && f.wrote.Load() == 32 }
func carryRecord(f *meddled) bool  { return f.base == "journal" && f.ends.Load() == 5 }
func volumeData(f *meddled) bool   { return f.base == "data" && f.ofVolume() && f.syncs.Load() > 1 } // the first is of its making
func layerData(f *meddled) bool    { return f.base == "data" && !f.ofVolume() }
func layerMap(f *meddled) bool     { return f.base == "map" && !f.ofVolume() }
func meta(f *meddled) bool         { return f.base == "meta.tmp" }

// swallowDir swallows the syncs of folders whose name begins so.
func swallowDir(base string) func(vfs.FS) vfs.FS {
	return func(fs vfs.FS) vfs.FS {
		return &meddler{FS: fs, syncDir: func(dir string) error {
			if strings.HasPrefix(path.Base(dir), base) {
				return nil
			}
			return fs.SyncDir(dir)
		}}
	}
}

// removeUnsynced swallows the sync of a folder from which something was moved
// to the trash.
func removeUnsynced(fs vfs.FS) vfs.FS {
	var from sync.Map
	return &meddler{
		FS: fs,
		rename: func(a, b string) error {
			if strings.Contains(b, "/trash/") {
				from.Store(path.Dir(a), true)
			}
			return fs.Rename(a, b)
		},
		syncDir: func(dir string) error {
			if _, swallowed := from.LoadAndDelete(dir); swallowed {
				return nil
			}
			return fs.SyncDir(dir)
		},
	}
}

// dataAfterJournal syncs data once the record that exposes it is durable.
func dataAfterJournal(fs vfs.FS) vfs.FS {
	var owed sync.Map // by folder
	return &meddler{FS: fs, sync: func(f *meddled) error {
		if volumeData(f) {
			owed.Store(f.dir, f.File)
			return nil
		}
		err := f.File.Sync()
		if d, ok := owed.LoadAndDelete(f.dir); ok && err == nil {
			err = d.(vfs.File).Sync()
		}
		return err
	}}
}

// punchEarly punches as soon as the record of a zero is written.
func punchEarly(fs vfs.FS) vfs.FS {
	return &meddler{FS: fs, write: func(f *meddled, p []byte, off int64) (int, error) {
		n, err := f.File.WriteAt(p, off)
		if f.base == "journal" && len(p) == 32 && p[4] == 1 && p[5] == 2 && err == nil {
			data, _ := f.m.data.Load(f.dir)
			err = data.(*meddled).Punch(int64(binary.LittleEndian.Uint64(p[24:]))*4096, int64(binary.LittleEndian.Uint32(p[12:]))*4096)
		}
		return n, err
	}}
}

// bufferJournal keeps what is written to the journal in the process until it
// is synced.
func bufferJournal(fs vfs.FS) vfs.FS {
	type write struct {
		p   []byte
		off int64
	}
	var mu sync.Mutex
	held := map[*meddled][]write{}
	return &meddler{
		FS: fs,
		write: func(f *meddled, p []byte, off int64) (int, error) {
			if f.base != "journal" {
				return f.File.WriteAt(p, off)
			}
			mu.Lock()
			defer mu.Unlock()
			held[f] = append(held[f], write{append([]byte(nil), p...), off})
			return len(p), nil
		},
		sync: func(f *meddled) error {
			mu.Lock()
			for _, w := range held[f] {
				must(f.File.WriteAt(w.p, w.off))
			}
			delete(held, f)
			mu.Unlock()
			return f.File.Sync()
		},
	}
}

// pagesWithDirectory leaves out the sync of a map before its directory is
// written.
func pagesWithDirectory(fs vfs.FS) vfs.FS {
	var directory sync.Map // written since the last sync, by file
	return &meddler{
		FS: fs,
		write: func(f *meddled, p []byte, off int64) (int, error) {
			if off < 2*4096 {
				directory.Store(f, true)
			}
			return f.File.WriteAt(p, off)
		},
		sync: func(f *meddled) error {
			if _, written := directory.LoadAndDelete(f); !written && f.base == "map" {
				return nil
			}
			return f.File.Sync()
		},
	}
}

// retrySync does what databases did until 2018.
func retrySync(fs vfs.FS) vfs.FS {
	return &meddler{FS: fs, sync: func(f *meddled) error {
		if err := f.File.Sync(); err == nil {
			return nil
		}
		return f.File.Sync()
	}}
}

// failSyncs has every fifth sync fail.
func failSyncs(op, _ string, nth int) error {
	if op == "sync" && nth%5 == 4 {
		return syscall.EIO
	}
	return nil
}

// joiner is a disk whose Flush is content with one that is running.
type joiner struct {
	*cow.Volume
	mu      sync.Mutex
	running *flushing
}

type flushing struct {
	done chan struct{}
	err  error
}

func newJoiner(v *cow.Volume) block.Device { return &joiner{Volume: v} }

func (j *joiner) Flush() error {
	j.mu.Lock()
	f := j.running
	if f != nil {
		j.mu.Unlock()
		<-f.done
		return f.err
	}
	f = &flushing{done: make(chan struct{})}
	j.running = f
	j.mu.Unlock()
	f.err = j.Volume.Flush()
	j.mu.Lock()
	j.running = nil
	j.mu.Unlock()
	close(f.done)
	return f.err
}

// roomy has a journal in which small flushes carry their data.
var roomy = cow.Options{JournalSize: 64 << 10}

var (
	bursts   = []weight{{1, (*history).burst}, {1, (*history).write}}
	through  = []weight{{1, (*history).setWriteThrough}, {9, (*history).write}}
	removals = []weight{{9, (*history).write}, {3, (*history).makeClone}, {3, (*history).removeVolume}, {3, (*history).settleEngine}}
)
