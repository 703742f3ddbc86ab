package inventory

import "strings"

// mistyped is in how many digits a MAC may differ from the one that was meant: two
// that changed places are two.
const mistyped = 2

// Mistyped reports whether a person who meant one of two MAC addresses may have
// typed the other.
func Mistyped(a, b string) bool {
	digits := strings.NewReplacer(":", "", "-", "", ".", "")
	a, b = digits.Replace(strings.ToLower(a)), digits.Replace(strings.ToLower(b))
	if len(a) != len(b) || a == b {
		return false
	}
	n := 0
	for i := range len(a) {
		if a[i] != b[i] {
			n++
		}
	}
	return n <= mistyped
}
