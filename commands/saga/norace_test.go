//go:build !race

package saga_test

const underRace = false
