// Command vendoring fetches the files of the project's manifests from npm again, with the npm client, and compares them with what
// the manifests say; what fits is written. Run it in the project's folder:
//
//	go run ./projections/dashboard/vendoring            # fetch and verify
//	go run ./projections/dashboard/vendoring -update    # after a change of versions: write the new sizes and hashes, too
//
// Arguments name other folders with a manifest.
package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/orderledger/orderledger/projections/dashboard/vendored"
)

var folders = []string{"projections/dashboard/static/vendor", "test/browser/axe"}

const (
	maxFile = 16 << 20 // bytes of one file of a package
	patient = 5 * time.Minute
)

func main() {
	update := flag.Bool("update", false, "write sizes and hashes of what came into the manifests")
	flag.Parse()
	if flag.NArg() > 0 {
		folders = flag.Args()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	for _, dir := range folders {
		if err := fetch(ctx, dir, *update); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", dir, err)
			os.Exit(1)
		}
	}
}

func fetch(ctx context.Context, dir string, update bool) error {
	m, err := vendored.Read(os.DirFS(dir))
	if err != nil {
		return err
	}
	packages := map[string]map[string][]byte{}
	for i := range m.Files {
		f := &m.Files[i]
		spec := f.Name + "@" + f.Version
		if packages[spec] == nil {
			if packages[spec], err = pack(ctx, spec); err != nil {
				return err
			}
		}
		content, ok := packages[spec]["package/"+f.Source]
		switch {
		case !ok:
			return fmt.Errorf("%s has no file %s", spec, f.Source)
		case update:
			f.Describe(content)
		default:
			if err := f.Check(content); err != nil {
				return err
			}
		}
		if err := os.WriteFile(filepath.Join(dir, f.File), content, 0o644); err != nil { //nolint:gosec // sources are read by all
			return err
		}
		fmt.Printf("%s  %s  %s\n", f.SHA256, spec, filepath.Join(dir, f.File))
	}
	if !update {
		return nil
	}
	text, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, vendored.ManifestName), append(text, '\n'), 0o644) //nolint:gosec // likewise
}

// pack has npm fetch a package, which checks it by the registry's own hash, and returns its files.
func pack(ctx context.Context, spec string) (map[string][]byte, error) {
	temp, err := os.MkdirTemp("", "orderledger-vendoring-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // a folder of the system's for what is temporary
	npm := exec.CommandContext(ctx, "npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", temp, spec)
	npm.Stderr = os.Stderr
	if err := npm.Run(); err != nil {
		return nil, fmt.Errorf("npm pack %s: %w", spec, err)
	}
	archives, err := filepath.Glob(filepath.Join(temp, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return nil, fmt.Errorf("npm pack %s left %d archives: %w", spec, len(archives), err)
	}
	return unpack(archives[0])
}

func unpack(path string) (map[string][]byte, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	plain, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for archive := tar.NewReader(plain); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg || h.Size > maxFile || strings.HasSuffix(h.Name, ".map") {
			continue
		}
		if files[h.Name], err = io.ReadAll(io.LimitReader(archive, maxFile)); err != nil {
			return nil, err
		}
	}
}
