package inventory

import (
	"slices"
	"testing"
)

func TestMistyped(t *testing.T) {
	const meant = "52:54:00:6b:20:21"
	for typed, want := range map[string]bool{
		meant:               false,
		"52:54:00:6b:20:22": true,
		"52-54-00-6B-20-22": true,
		"52:54:00:6b:02:21": true, // two that changed places
		"52:54:00:b6:20:21": true,
		"52:54:00:6b:12:20": false,
		"52:54:00:6b:20":    false,
		"":                  false,
	} {
		if got := Mistyped(meant, typed); got != want {
			t.Errorf("%s: %v", typed, got)
		}
	}
}

func TestResembling(t *testing.T) {
	x := newSite(t)
	x.image("debian:12")
	for name, mac := range map[string]string{"pc1": "52:54:00:6b:20:21", "pc2": "52:54:00:6b:20:22", "pc3": "52:54:00:6b:99:22"} {
		if _, err := x.AddMachine(t.Context(), Machine{Name: name, MACs: []string{mac}, Image: "debian:12"}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := x.Resembling(t.Context(), "52:54:00:6b:20:22")
	if err != nil || !slices.Equal(got, []Card{{"52:54:00:6b:20:21", "pc1"}, {"52:54:00:6b:99:22", "pc3"}}) {
		t.Errorf("%v, %v", got, err)
	}
}
