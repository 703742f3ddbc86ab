package inventory

import "testing"

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
