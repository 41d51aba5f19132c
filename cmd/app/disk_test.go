package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A folder that can't be written to is found out, by one try in a while, and so is that it can again.
func TestRoom(t *testing.T) {
	data := t.TempDir()
	log := filepath.Join(data, "log")
	now := time.Unix(0, 0)
	r := &room{folders: []string{data, log}, now: func() time.Time { return now }}
	if err := r.ready(); err == nil || strings.Contains(err.Error(), data) {
		t.Errorf("the log's folder is away: %v", err)
	}
	if err := os.Mkdir(log, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := r.ready(); err == nil {
		t.Error("it was tried again at once")
	}
	now = now.Add(lookEvery)
	if err := r.ready(); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(log); err != nil {
		t.Fatal(err)
	}
	now = now.Add(lookEvery)
	if err := r.ready(); err == nil {
		t.Error("it was not tried again")
	}
	left, err := os.ReadDir(data)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	r.busy, now = true, now.Add(2*lookEvery) // somebody else tries, and gets no answer
	if err := r.ready(); err == nil || !strings.Contains(err.Error(), "the disk does not answer since 10s") {
		t.Errorf("%v", err)
	}
	if err := (&room{now: time.Now}).ready(); err != nil {
		t.Errorf("a log in memory wants no disk: %v", err)
	}
}
