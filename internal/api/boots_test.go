package api

import (
	"errors"
	"testing"
	"time"

	"bootes.dev/internal/recorder"
)

type traffic map[string]Traffic

func (t traffic) Traffic() map[string]Traffic { return t }

func (traffic) Transfers() map[string]Transfer {
	return map[string]Transfer{"b2": {Name: "snponly.efi", Proto: "TFTP", Began: born, Done: 5, Size: 9}}
}

func (t traffic) Now(boot string) *Now {
	x, ok := t[boot]
	if !ok {
		return nil
	}
	return &Now{Traffic: x, Reads: 3, ReadRate: 4, Over: time.Second, Quiet: time.Minute}
}

// TestBootsSayHowTheyGo: the newest of a machine's boots, if it goes on.
func TestBootsSayHowTheyGo(t *testing.T) {
	f := newFake()
	f.Add(Event{Time: born, Boot: "b0", Machine: "pc01", Text: "began"})
	f.Add(Event{Time: born.Add(time.Second), Boot: "b1", Machine: "pc01", Text: "began"})
	o := f.options()
	o.Sessions = traffic{"b0": {}, "b1": {ReadBytes: 7, Connected: true}}
	c, _ := serveOptions(t, o)
	boots, err := c.Boots(t.Context(), "pc01")
	if err != nil || len(boots) != 2 || boots[1].Now != nil {
		t.Fatalf("%v, %+v", err, boots)
	}
	want := Now{Traffic: Traffic{7, 0, true}, Reads: 3, ReadRate: 4, Over: time.Second, Quiet: time.Minute}
	if n := boots[0].Now; n == nil || *n != want {
		t.Errorf("%+v, want %+v", n, want)
	}
}

func TestLatestBoots(t *testing.T) {
	f := newFake()
	f.machines = append(f.machines, Machine{Name: "pc02", MACs: []string{"52:54:00:00:00:02"}}, Machine{Name: "pc00"})
	d := &recorder.Diagnosis{Kind: "loader-silent", Evidence: []string{}, Causes: []recorder.Cause{{Text: "a", Remedy: "b"}}}
	f.Add(Event{Time: born, Boot: "b1", Machine: "pc01", Stage: recorder.StageRunning, Text: "runs"})
	f.Add(Event{Time: born, Boot: "b2", MAC: "52:54:00:00:00:02", Text: "before it was added"})
	f.Add(Event{Time: born, Boot: "b3", MAC: "52:54:00:00:00:99", Stage: recorder.StageFirmware, Text: "a stranger"})
	f.Add(Event{Time: born.Add(time.Second), Boot: "b3", MAC: "52:54:00:00:00:99", Text: "stalled", Outcome: recorder.OutcomeStalled, Diagnosis: d})
	f.Add(Event{Time: born, Boot: "b4", Machine: "removed", Text: "of a machine that is gone"})
	o := f.options()
	o.Sessions = traffic{"b1": {ReadBytes: 7, WrittenBytes: 8, Connected: true}}
	c, _ := serveOptions(t, o)
	got, err := c.LatestBoots(t.Context())
	if err != nil || len(got) != 4 {
		t.Fatalf("%d boots, %v: %+v", len(got), err, got)
	}
	for i, want := range []struct{ machine, id, text string }{
		{"pc00", "", ""}, {"pc01", "b1", "runs"}, {"pc02", "b2", "before it was added"}, {"", "b3", "stalled"},
	} {
		b, text := got[i], ""
		if len(b.Events) > 0 {
			text = b.Events[0].Text
		}
		if b.Machine != want.machine || b.ID != want.id || text != want.text || len(b.Events) > 1 {
			t.Errorf("boot %d: %+v, want %+v", i, b, want)
		}
	}
	if got[1].Traffic != (Traffic{7, 8, true}) || got[2].Connected {
		t.Errorf("traffic: %+v, %+v", got[1].Traffic, got[2].Traffic)
	}
	if x := got[2].Transfer; x == nil || *x != (Transfer{"snponly.efi", "TFTP", born, 5, 9}) || got[1].Transfer != nil {
		t.Errorf("transfers: %+v, %+v", x, got[1].Transfer)
	}
	if got[3].Outcome != recorder.OutcomeStalled || got[3].Diagnosis == nil || got[3].Diagnosis.Causes[0].Remedy != "b" {
		t.Errorf("the stall: %+v", got[3])
	}
	f.set(func() { f.err = errors.New("the store is away") })
	if _, err := c.LatestBoots(t.Context()); err == nil || err.Error() != "the store is away" {
		t.Errorf("err = %v", err)
	}
}
