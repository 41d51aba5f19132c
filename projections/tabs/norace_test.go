//go:build !race

package tabs_test

const underRace = false
