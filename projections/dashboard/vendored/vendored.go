// Package vendored reads and checks manifests of files that were taken from npm packages: manifest.json lies beside the files, and
// says of each from which package, version and path it is, under which licence, and its size and SHA-256. Command vendoring fetches
// them again.
package vendored

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
)

// ManifestName is the manifest's name, in the folder of the files that it describes.
const ManifestName = "manifest.json"

// Manifest says what lies in a folder.
type Manifest struct {
	Files []File `json:"files"`
}

// File is one file that was taken from a package.
type File struct {
	File    string `json:"file"` // its name in the folder
	Name    string `json:"name"` // of the npm package
	Version string `json:"version"`
	Licence string `json:"licence"` // SPDX
	Source  string `json:"source"`  // its path in the package
	Bytes   int    `json:"bytes"`
	SHA256  string `json:"sha256"`
}

// Read reads the manifest of a folder.
func Read(dir fs.FS) (Manifest, error) {
	b, err := fs.ReadFile(dir, ManifestName)
	if err != nil {
		return Manifest{}, err
	}
	var m Manifest
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", ManifestName, err)
	}
	if len(m.Files) == 0 {
		return Manifest{}, fmt.Errorf("%s names no file", ManifestName)
	}
	return m, nil
}

// Describe fills in what only the content says.
func (f *File) Describe(content []byte) {
	sum := sha256.Sum256(content)
	f.Bytes, f.SHA256 = len(content), hex.EncodeToString(sum[:])
}

// Check says whether a content is the file's.
func (f File) Check(content []byte) error {
	is := f
	is.Describe(content)
	if is != f {
		return fmt.Errorf("%s (%s@%s, %s) is not what the manifest says: %d bytes with SHA-256 %s, want %d with %s",
			f.File, f.Name, f.Version, f.Source, is.Bytes, is.SHA256, f.Bytes, f.SHA256)
	}
	return nil
}

// Check compares a folder with its manifest, both ways. The error names all that differs.
func Check(dir fs.FS) error {
	m, err := Read(dir)
	if err != nil {
		return err
	}
	var errs []error
	known := map[string]bool{ManifestName: true}
	for _, f := range m.Files {
		known[f.File] = true
		content, err := fs.ReadFile(dir, f.File)
		if err == nil {
			err = f.Check(content)
		}
		errs = append(errs, err)
	}
	entries, err := fs.ReadDir(dir, ".")
	errs = append(errs, err)
	for _, e := range entries {
		if !known[e.Name()] {
			errs = append(errs, fmt.Errorf("%s is in no manifest", e.Name()))
		}
	}
	return errors.Join(errs...)
}
