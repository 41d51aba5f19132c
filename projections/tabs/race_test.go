//go:build race

package tabs_test

// underRace says that the race detector watches, and everything takes ten times as long.
const underRace = true
