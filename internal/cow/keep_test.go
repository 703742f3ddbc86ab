package cow

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestRemoveLayerThatWeRead: our own background work does not refuse it, and
// has it pinned until it is done; a crash meanwhile does not bring it back.
func TestRemoveLayerThatWeRead(t *testing.T) {
	dir := t.TempDir()
	e, err := Open(dir, Options{Manual: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	var ids [2]string
	for i := range ids {
		b, err := e.NewLayer(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		l, err := b.Seal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = l.ID
	}
	c, err := e.acquire(ids[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.RemoveLayer(ids[0]), e.RemoveLayer(ids[1])); err != nil {
		t.Fatal(err)
	}
	there := func(id string) bool {
		_, err := os.Stat(filepath.Join(dir, "layers", id))
		return err == nil
	}
	if !there(ids[0]) || there(ids[1]) || len(e.Layers()) != 0 {
		t.Errorf("there: %v, %v; listed: %v", there(ids[0]), there(ids[1]), e.Layers())
	}
	var m layerMeta
	if err := readMeta(e.fs, filepath.Join(dir, "layers", ids[0], "meta"), &m); err != nil || m.Keep {
		t.Errorf("the next Open would keep it: %v, %v", m.Keep, err)
	}
	if err := e.release(c); err != nil {
		t.Fatal(err)
	}
	if there(ids[0]) {
		t.Error("it stays when nobody reads it any more")
	}
}
