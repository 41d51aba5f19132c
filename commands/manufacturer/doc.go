// Package manufacturer knows the manufacturers: by which calendar each wants its orders confirmed, and how it is told that one
// was not. It is told them by the configuration (Parse), which it checks in whole before anything runs.
package manufacturer
