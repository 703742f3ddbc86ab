//go:build race

package cow_test

const raceDetector = true

// every: searches try one step of so many. `make unit` lets those that try each
// step run without the race detector, too.
const every = 7
