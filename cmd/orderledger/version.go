package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/orderledger/orderledger/cmd/app"
)

// build is what the program knows of itself.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Changed bool   `json:"changed"` // built from files that were not committed
	Go      string `json:"go"`
}

func (c *cli) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print version, commit and Go", Args: args(0, 0),
		RunE: func(*cobra.Command, []string) error {
			b := readBuild()
			l := listing{columns: []string{"VERSION", "COMMIT", "GO"}, one: true}
			commit := b.Commit
			if b.Changed {
				commit += " (changed)"
			}
			l.add(b, b.Version, commit, b.Go)
			return c.print(l)
		},
	}
}

func readBuild() build {
	b := build{Version: app.Version, Commit: "unknown", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Changed = s.Value == "true"
		}
	}
	return b
}
