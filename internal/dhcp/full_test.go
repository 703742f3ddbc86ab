package dhcp

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestFullPoolIsNamedOnce: for strangers and for machines, whoever asks.
func TestFullPoolIsNamedOnce(t *testing.T) {
	var log bytes.Buffer
	pool := newPool()
	pool.err = ErrPoolFull
	c := serverConfig()
	c.ServeUnknown = true
	l := testLink(c, known(), pool)
	l.log = slog.New(slog.NewTextHandler(&log, nil))
	for _, mac := range []string{unknownMAC, "02:00:00:00:00:77", knownMAC, knownMAC} {
		if packet, _ := ask(t, l, say{t: Discover, mac: mac}.datagram()); packet != nil {
			t.Errorf("%s was offered %v", mac, packet.YourIPAddr)
		}
	}
	const remedy = ": see who has them (bootes lease ls), then write a larger range: or a shorter lease: in the config"
	for _, want := range []string{
		"no address is left for machines that nobody has added; those that were added have theirs, or one kept for them" + remedy,
		`msg="no address is left` + remedy, "machine=pc1", "interface=" + c.Name,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in\n%s", want, log.String())
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 2 {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
	l.full.warn(&exchange{l: l, seg: &segment{}}, time.Now())
	if n := strings.Count(log.String(), "\n"); n != 3 {
		t.Errorf("another network's is not told:\n%s", log.String())
	}
}
