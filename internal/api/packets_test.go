package api

import (
	"reflect"
	"testing"
	"time"

	"bootes.dev/internal/recorder"
)

func (f *fake) Packets(spans []Span) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spans = spans
	return f.pcap
}

func (f *fake) PacketLines(spans []Span) []PacketLine {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spans = spans
	if f.pcap == nil {
		return nil
	}
	return []PacketLine{{born, true, string(f.pcap)}}
}

// asked are the spans that the server has asked for.
func (f *fake) asked() (spans []Span) {
	f.set(func() { spans = f.spans })
	return spans
}

// Which packets are a machine's, and which a boot's.
func TestPackets(t *testing.T) {
	f := newFake()
	c, _ := serve(t, f)
	const own, dock, stranger = "52:54:00:00:00:01", "52:54:00:00:00:0d", "52:54:00:00:00:99"
	at := func(minute int) time.Time { return born.Add(time.Duration(minute) * time.Minute) }
	for i, e := range []recorder.Event{
		{Boot: "b1", Machine: "pc01", MAC: own}, {Boot: "b2", Machine: "pc01", MAC: dock}, {Boot: "b3", Machine: "pc01", MAC: own}, {Boot: "s1", MAC: stranger},
	} {
		e.Time, e.Text = at(i), "DISCOVER"
		f.Add(e)
	}
	from := func(i int) time.Time { return at(i).Add(-spanSlack) }
	f.set(func() { f.pcap = []byte("packets") })
	for _, tt := range []struct {
		name, boot string
		want       []Span
	}{
		{"pc01", "", []Span{{MAC: own}, {own, from(2), time.Time{}}, {dock, from(1), from(2)}, {own, from(0), from(1)}}},
		{"pc01", "b2", []Span{{dock, from(1), from(2)}, {own, from(1), from(2)}}},
		{"pc01", "b3", []Span{{own, from(2), time.Time{}}, {own, from(2), time.Time{}}}},
		{"52-54-00-00-00-99", "", []Span{{MAC: stranger}, {stranger, from(3), time.Time{}}}},
		{"52:54:00:00:00:98", "", []Span{{MAC: "52:54:00:00:00:98"}}},
	} {
		got, err := c.Packets(t.Context(), tt.name, tt.boot)
		if err != nil || string(got) != "packets" || !reflect.DeepEqual(f.asked(), tt.want) {
			t.Errorf("%s, boot %q: %q, %v, asked for\n%v, want\n%v", tt.name, tt.boot, got, err, f.asked(), tt.want)
		}
	}
	lines, err := c.PacketLines(t.Context(), "pc01", "b2")
	if err != nil || !reflect.DeepEqual(lines, []PacketLine{{born, true, "packets"}}) || len(f.asked()) != 2 {
		t.Errorf("%v, %v, asked for %v", lines, err, f.asked())
	}
	f.set(func() { f.pcap = nil })
	if got := body(t, c, "/v1/machines/pc01/packets/lines"); got != "[]" {
		t.Errorf("no packets are %s", got)
	}
	for _, tt := range []struct{ path, want string }{
		{"/v1/machines/zz/packets", `no machine "zz"`},
		{"/v1/machines/pc01/packets?boot=b9", `"pc01" has no boot "b9"; it has b3 (2026-01-02 03:06:05), b2 (2026-01-02 03:05:05), b1 (2026-01-02 03:04:05)`},
		{"/v1/machines/52:54:00:00:00:98/packets?boot=b1", `no boot of "52:54:00:00:00:98" is on record`},
		{"/v1/machines/pc01/packets", `no packets of "pc01" are kept: either it has sent none that concern a boot, on no interface that is served, or there was no room for them`},
	} {
		if e := ask(t, c, "GET", tt.path, ""); e.Status != 404 || e.Detail != tt.want {
			t.Errorf("%s: %+v, want %s", tt.path, e, tt.want)
		}
	}
}
