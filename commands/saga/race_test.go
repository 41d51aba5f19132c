//go:build race

package saga

// UnlessRace is the whole of what a test goes through; under the race detector, where everything takes ten times as long, a part.
func UnlessRace(_, part int) int { return part }
