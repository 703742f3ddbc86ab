package recorder

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"time"
)

// files keep timelines from one run of the server to the next: every event in
// one, which a busy room fills in days, and each boot that is over in another,
// in few words, which lasts for months.
type files struct {
	events, boots *lines

	complained time.Time // when trouble with them was last logged
}

// summary is a boot without its events.
type summary struct {
	Boot
	Events struct{} `json:"events,omitzero"`
}

// openFiles opens the files in dir and brings back what they hold.
func (r *Recorder) openFiles(dir string) (*files, error) {
	boots, err := openLines(filepath.Join(dir, "boots.jsonl"), r.replayBoot)
	if err != nil {
		return nil, err
	}
	events, err := openLines(filepath.Join(dir, "events.jsonl"), r.replayEvent)
	if err != nil {
		boots.close()
		return nil, err
	}
	return &files{events: events, boots: boots}, nil
}

// replayBoot brings back a boot of an earlier run. What is no boot is skipped.
func (r *Recorder) replayBoot(line []byte) {
	var b summary
	if json.Unmarshal(line, &b) != nil || b.ID == "" || b.Machine+b.MAC == "" {
		return
	}
	e := Event{Boot: b.ID, Machine: b.Machine, MAC: b.MAC}
	sub := r.subject(e)
	k := sub.find(e)
	if k == nil {
		k = r.begin(sub, e)
	}
	k.Boot, k.settled, k.Dropped = b.Boot, b.Last, 0
}

// replayEvent brings back an event of an earlier run. What is no event is skipped.
func (r *Recorder) replayEvent(line []byte) {
	var e Event
	if json.Unmarshal(line, &e) != nil || e.Subject() == "" {
		return
	}
	if e.Again > 0 {
		if s := r.subjects[e.Subject()]; s != nil {
			s.repeat(e)
		}
		return
	}
	r.file(e)
}

// keep writes down boots that are over, or will not be heard of again in this run.
func (r *Recorder) keep(boots ...*kept) {
	for _, k := range boots {
		if r.files == nil || k.ID == "" {
			continue
		}
		r.complain(r.files.boots.append(summary{Boot: k.Boot}))
	}
}

func (r *Recorder) complain(err error) {
	if now := time.Now(); err != nil && now.Sub(r.files.complained) > time.Minute {
		r.files.complained = now
		r.log.Error("boot timelines are not written to disk", "err", err)
	}
}

func (f *files) close() error { return errors.Join(f.events.close(), f.boots.close()) }
