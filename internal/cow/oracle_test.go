package cow_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/crashfs"
)

// oracle knows, at one point of a history, what a crash may leave. It is fed
// by the marks of the history, in order, each of which moves its clock.
type oracle struct {
	clock int64
	now   world
	// next is what a change of structure under way will make of now: it may
	// be there or not.
	next  *step
	lines map[int]*line
}

// line is the content of one volume as it goes on. For each watched sector it
// has the versions that may be found, after a kill or after a power cut.
type line struct {
	sectors []sector
	// broken: it was volatile and a sync failed all the same, of a snapshot:
	// nothing of it was ever durable, and nothing is promised any more.
	broken bool
}

type sector struct{ kill, power []*version }

// version is one value that a sector was given. Times are the oracle's.
type version struct {
	stamp        uint32
	began, ended int64 // ended is 0 while the write is under way
	acked        bool
}

func newLine(c stamps) *line {
	l := &line{sectors: make([]sector, len(c))}
	for i, stamp := range c {
		v := []*version{{stamp: stamp, began: -2, ended: -1, acked: true}}
		l.sectors[i] = sector{v, slices.Clone(v)}
	}
	return l
}

func (l *line) begin(i int, v *version) {
	s := &l.sectors[i]
	s.kill, s.power = append(s.kill, v), append(s.power, v)
}

// acked takes a version for certain: after a kill, and if the volume is
// write-through after a power cut.
func (l *line) acked(i int, v *version, through bool) {
	s := &l.sectors[i]
	s.kill = supersede(s.kill, v)
	if through {
		s.power = supersede(s.power, v)
	}
}

// supersede removes the versions that ended before one began, which is
// certain to be there.
func supersede(list []*version, by *version) []*version {
	return slices.DeleteFunc(list, func(v *version) bool { return v.ended != 0 && v.ended < by.began })
}

// flushed makes durable what was acknowledged before a flush began.
func (l *line) flushed(began int64) {
	for i := range l.sectors {
		l.sectors[i].power = durable(l.sectors[i].power, began)
	}
}

// failed takes back what was promised of a kill: the volume goes on from what
// is durable.
func (l *line) failed(volatile bool) {
	l.broken = l.broken || volatile
	for i := range l.sectors {
		l.sectors[i].kill = slices.Clone(l.sectors[i].power)
	}
}

func durable(list []*version, began int64) []*version {
	for _, v := range slices.Clone(list) {
		if v.acked && v.ended < began {
			list = supersede(list, v)
		}
	}
	return list
}

// advance tells the oracle what has happened.
func (o *oracle) advance(m mark) {
	o.clock++
	m.do(o)
}

// found is an engine opened after a crash.
type found struct {
	e     *cow.Engine
	fs    *crashfs.FS
	power bool // the power was cut; else the process was killed
	// images: look at the content of images and snapshots, too.
	images bool
}

// check compares what was found with what may be.
func (o *oracle) check(f found) error {
	err := o.checkWorld(f, step{world: o.now})
	if err == nil || o.next == nil {
		return err
	}
	other := o.checkWorld(f, *o.next)
	if other == nil {
		return nil
	}
	return fmt.Errorf("neither as before a change: %w; nor as after it: %w", err, other)
}

func (o *oracle) checkWorld(f found, s step) error {
	want := maps.Clone(s.volumes)
	maps.DeleteFunc(want, func(_ string, v volume) bool { return f.power && v.volatile })
	for _, info := range f.e.Volumes() {
		v, ok := want[info.ID]
		if !ok {
			return fmt.Errorf("volume %q should not be there", info.ID)
		}
		delete(want, info.ID)
		if err := o.checkVolume(f, info, v, s); err != nil {
			return fmt.Errorf("volume %q: %w", info.ID, err)
		}
	}
	for id := range want {
		return fmt.Errorf("volume %q is gone", id)
	}
	return f.checkImages(s.images)
}

func (o *oracle) checkVolume(f found, info cow.VolumeInfo, want volume, s step) error {
	if info.Size != want.size || info.Volatile != want.volatile || info.WriteThrough != want.through {
		return fmt.Errorf("%+v, want %+v", info, want)
	}
	v, err := f.e.OpenVolume(info.ID)
	if o.lines[want.line].broken {
		if err == nil {
			err = v.Close()
		}
		return errors.Join(onlyIf(err, block.ErrCorrupt), f.checkSnapshots(info, want))
	}
	if err != nil {
		return err
	}
	got, err := readContent(v, want.size)
	if err == nil {
		err = o.lines[want.line].check(got, f.power, s, want.line)
	}
	if err == nil {
		err = checkHoles(v, f.fs)
	}
	return errors.Join(err, v.Close(), f.checkSnapshots(info, want))
}

func (f found) checkSnapshots(info cow.VolumeInfo, v volume) error {
	if len(info.Snapshots) != len(v.snaps) {
		return fmt.Errorf("%d snapshots, want %d", len(info.Snapshots), len(v.snaps))
	}
	for _, s := range info.Snapshots {
		want, ok := v.snaps[s.Name]
		if !ok || s.Size != want.size {
			return fmt.Errorf("snapshot %+v, want %d bytes", s, want.size)
		}
		if !f.images {
			continue
		}
		l, err := f.e.OpenSnapshot(info.ID, s.Name)
		if err == nil {
			err = errors.Join(checkContent(l, want), l.Close())
		}
		if err != nil {
			return fmt.Errorf("snapshot %q: %w", s.Name, err)
		}
	}
	return nil
}

func checkContent(d io.ReaderAt, want image) error {
	got, err := readContent(d, want.size)
	if err != nil {
		return err
	}
	return got.differs(want.content)
}

// checkHoles wants every block that is here to have its place on the disk: else
// a disk that is full could refuse a write to a block that is there. What a
// power cut has left in the journal alone takes its place with the next change.
func checkHoles(v *cow.Volume, fs *crashfs.FS) error {
	for _, s := range watched {
		if s%8 == 0 && v.IsHere(s/8) && !v.IsCarried(s/8) && fs.IsHole(v.Overlay()+"/data", s*512) {
			return fmt.Errorf("sector %d is here and a hole", s)
		}
	}
	return nil
}

func (l *line) check(got stamps, power bool, s step, id int) error {
	for i := range l.sectors {
		may := l.sectors[i].kill
		if power {
			may = l.sectors[i].power
			if slices.Contains(s.flushed, id) {
				may = durable(slices.Clone(may), s.began)
			}
		}
		if !slices.ContainsFunc(may, func(v *version) bool { return v.stamp == got[i] }) {
			var want []uint32
			for _, v := range may {
				want = append(want, v.stamp)
			}
			return fmt.Errorf("sector %d holds %d, want one of %d", watched[i], got[i], want)
		}
	}
	return nil
}

// checkImages compares the kept layers, and wants the others to be needed. The
// image "" is one whose making failed or was cut off: its ID nobody knows.
func (f found) checkImages(images map[string]image) error {
	want, needed := maps.Clone(images), neededLayers(f.e)
	for _, info := range f.e.Layers() {
		if !info.Kept {
			if !needed[info.ID] {
				return fmt.Errorf("layer %q is not needed", info.ID)
			}
			continue
		}
		id := info.ID
		if _, ok := want[id]; !ok {
			id = ""
		}
		w, ok := want[id]
		if !ok {
			return fmt.Errorf("layer %q should not be kept", info.ID)
		}
		delete(want, id)
		if err := f.checkImage(info, w); err != nil {
			return fmt.Errorf("layer %q: %w", info.ID, err)
		}
	}
	for id := range want {
		return fmt.Errorf("layer %q is gone", id)
	}
	return nil
}

// neededLayers are those that a volume, a snapshot or another layer names.
func neededLayers(e *cow.Engine) map[string]bool {
	needed := map[string]bool{}
	for _, l := range e.Layers() {
		needed[l.Parent] = true
	}
	for _, v := range e.Volumes() {
		needed[v.Base] = true
		for _, s := range v.Snapshots {
			needed[s.Layer] = true
		}
	}
	return needed
}

func (f found) checkImage(info cow.LayerInfo, want image) error {
	if info.Size != want.size {
		return fmt.Errorf("%d bytes, want %d", info.Size, want.size)
	}
	if !f.images {
		return nil
	}
	d, err := f.e.OpenLayer(info.ID)
	if err != nil {
		return err
	}
	return errors.Join(checkContent(d, want), d.Close())
}
