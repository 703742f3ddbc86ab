//go:build race

package cow_test

const raceDetector = true
