package boot

import (
	"strings"
	"testing"

	"bootes.dev/internal/loaders"
	"bootes.dev/internal/store"
)

// The script has machine and server prove themselves to each other, by secrets
// that Windows and iPXE take.
func TestMutualCHAP(t *testing.T) {
	h := newHouse(t)
	h.discover(mac1, loaders.BIOS, true)
	user, text := h.script(mac1, addr1)
	b, err := h.Inventory.Boot(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	want := "set reverse-username " + b.Reverse.User + "\nset reverse-password " + b.Reverse.Secret + "\n"
	if !strings.Contains(text, want) {
		t.Errorf("script:\n%s\nwant in it:\n%s", text, want)
	}
	name, secret, ok := h.Prove(t.Context(), user)
	if !ok || name != b.Reverse.User || secret != b.Reverse.Secret || secret == b.Secret || name == b.User {
		t.Errorf("proves %q %q, %v", name, secret, ok)
	}
	for _, s := range []string{b.Secret, secret} {
		if len(s) < 12 || len(s) > 16 { // RFC 7143, 12.1.3, and what Windows takes
			t.Errorf("a secret of %d characters", len(s))
		}
	}
	if _, _, ok := h.Prove(t.Context(), "nobody-1"); ok {
		t.Error("proves itself to nobody")
	}
	h.OneWayCHAP = true
	if _, text := h.script(mac1, addr1); strings.Contains(text, "reverse") || !strings.Contains(text, "set password "+b.Secret) {
		t.Errorf("one-way script:\n%s", text)
	}
}

// A boot of before there was mutual CHAP goes on with what its script gave it.
func TestOldBootHasNoProof(t *testing.T) {
	h := newHouse(t)
	h.discover(mac1, loaders.BIOS, true)
	user, _ := h.script(mac1, addr1)
	h.forgetReverse()
	if _, _, ok := h.Prove(t.Context(), user); ok {
		t.Error("a boot without a second secret proves one")
	}
	if _, text := h.script(mac1, addr1); strings.Contains(text, "reverse") || !strings.Contains(text, "set username "+user) {
		t.Errorf("script:\n%s", text)
	}
	if _, err := h.admit(user); err != nil {
		t.Error(err)
	}
}

// forgetReverse makes the records of pc1's boots what they were before mutual
// CHAP.
func (h *house) forgetReverse() {
	h.t.Helper()
	books := store.Of[map[string]any](h.store, "books")
	err := h.store.Update(h.t.Context(), func(tx *store.Tx) error {
		book, err := books.In(tx).Get("pc1")
		if err != nil {
			return err
		}
		for _, b := range book["boots"].([]any) {
			delete(b.(map[string]any), "reverse")
		}
		return books.In(tx).Put("pc1", book)
	})
	if err != nil {
		h.t.Fatal(err)
	}
}
