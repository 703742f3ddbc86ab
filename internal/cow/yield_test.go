package cow

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"bootes.dev/internal/cow/crashfs"
	"bootes.dev/internal/cow/vfs"
)

// held is a file system on which the making of a layer's file in tmp waits, once.
type held struct {
	vfs.FS
	begun, goOn chan struct{}
}

func (h *held) OpenFile(name string, flag int) (vfs.File, error) {
	if h.begun != nil && strings.HasPrefix(name, "/d/tmp/layer-") {
		close(h.begun)
		h.begun = nil
		<-h.goOn
	}
	return h.FS.OpenFile(name, flag)
}

// twoImages is an image, some layers without a name on it, and an image on
// those: a chain that is to be merged.
func twoImages(t *testing.T, e *Engine) (lower, upper string) {
	t.Helper()
	b, err := e.NewLayer(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	l, err := b.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.CreateVolume(VolumeSpec{ID: "v", Base: l.ID}); err != nil {
		t.Fatal(err)
	}
	v, err := e.OpenVolume("v")
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(4) {
		_, err1 := v.WriteAt(make([]byte, BlockSize), i*BlockSize)
		_, err2 := e.Snapshot("v", string(rune('a'+i)))
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
	}
	top, err := e.Commit("v", "")
	if err := errors.Join(err, v.Close(), e.RemoveVolume("v")); err != nil {
		t.Fatal(err)
	}
	return l.ID, top.ID
}

// TestRemoveLayerThatWeBuildOn: background work that makes a layer on another
// gives way when that is removed. Two images are removed, one after the other,
// while what is between them is being merged.
func TestRemoveLayerThatWeBuildOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := &held{FS: crashfs.New(1, "/")}
		var log bytes.Buffer
		e, err := Open("/d", Options{
			FS: fs, BootID: bootID{1}, Manual: true, MergeDepth: 2, FlattenDepth: 8, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		lower, upper := twoImages(t, e)
		log.Reset()
		fs.begun, fs.goOn = make(chan struct{}), make(chan struct{})
		begun, done := fs.begun, make(chan error, 2)
		go func() { done <- e.Settle(t.Context()) }()
		<-begun
		if err := e.RemoveLayer(lower); !errors.Is(err, ErrDependents) {
			t.Errorf("with an image on it: %v", err)
		}
		if err := e.RemoveLayer(upper); err != nil {
			t.Fatal(err)
		}
		go func() { done <- e.RemoveLayer(lower) }()
		synctest.Wait()
		close(fs.goOn)
		if err := errors.Join(<-done, <-done); err != nil {
			t.Error(err)
		}
		if n := len(e.Layers()); n != 0 || log.Len() != 0 {
			t.Errorf("%d layers are left, log %q", n, log.String())
		}
	})
}
