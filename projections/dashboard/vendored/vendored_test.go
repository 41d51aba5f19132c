package vendored_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/orderledger/orderledger/projections/dashboard/vendored"
)

func TestCheckNamesWhatDiffers(t *testing.T) {
	const manifest = `{"files":[{"file":"a.js","name":"a","version":"1.0.0","licence":"MIT","source":"dist/a.js","bytes":2,
		"sha256":"fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603"}]}`
	for name, c := range map[string]struct {
		files map[string]string
		says  string
	}{
		"as it was":       {map[string]string{"a.js": "ab"}, ""},
		"another content": {map[string]string{"a.js": "ba"}, "a.js (a@1.0.0, dist/a.js) is not what the manifest says"},
		"gone":            {map[string]string{}, "a.js"},
		"one too many":    {map[string]string{"a.js": "ab", "b.js": "x"}, "b.js is in no manifest"},
		"no manifest":     {map[string]string{"manifest.json": "{}"}, "names no file"},
		"unknown field":   {map[string]string{"manifest.json": `{"file":[]}`}, "unknown field"},
	} {
		dir := fstest.MapFS{"manifest.json": {Data: []byte(manifest)}}
		for file, content := range c.files {
			dir[file] = &fstest.MapFile{Data: []byte(content)}
		}
		err := vendored.Check(dir)
		if (err == nil) != (c.says == "") || (err != nil && !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
