package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// suggest says what may have been meant by an unknown key.
func suggest(name string, known fields) string {
	best, distance := "", 3
	for _, k := range slices.Sorted(maps.Keys(known)) {
		if d := edits(strings.ToLower(name), k); d < distance || strings.HasPrefix(k, name) && distance > 1 {
			best, distance = k, min(d, distance)
		}
	}
	if best != "" && name != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "the keys here are " + list(known)
}

func list(known fields) string {
	return strings.Join(slices.Sorted(maps.Keys(known)), ", ")
}

// edits is the Levenshtein distance of two short words. Long ones are never
// near.
func edits(a, b string) int {
	const far = 32
	if len(a) > far || len(b) > far {
		return far
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
