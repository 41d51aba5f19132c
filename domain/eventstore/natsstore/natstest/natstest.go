// Package natstest runs real nats-server processes for tests, and kills them. It holds nothing that a program needs.
package natstest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// Server is a nats-server process with JetStream on loopback. It is used by one goroutine.
type Server struct {
	// URL is where clients connect; it outlives restarts.
	URL string
	// StoreDir holds the streams; it outlives restarts.
	StoreDir string

	t      testing.TB
	number int // in its cluster
	config string
	cmd    *exec.Cmd
	drain  sync.WaitGroup
}

// Start starts a server and kills it at the end of the test. It syncs every write before it acknowledges, and takes messages
// of up to 2 MB. The binary is built once, from the module that this project requires, and kept in the user's cache.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartCluster(t, 1)[0]
}

// StartCluster starts a cluster of n servers, which rely on each other and not on a sync for every write. It may need some
// time after that to choose its leader.
func StartCluster(t testing.TB, n int) []*Server {
	t.Helper()
	c := ClusterConfig{Servers: n}
	if n == 1 {
		c.SyncInterval = "always"
	}
	return NewCluster(t, c).Servers
}

// start writes a server's configuration and starts it.
func start(t testing.TB, number int, url, dir, config string) *Server {
	t.Helper()
	s := &Server{URL: url, StoreDir: dir, t: t, number: number, config: filepath.Join(t.TempDir(), "nats.conf")}
	if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	t.Cleanup(s.Kill)
	return s
}

func (s *Server) name() string { return fmt.Sprintf("n%d", s.number) }

// Restart starts the server again after Kill or Stop, at the same address and on the same data, and waits until it listens.
func (s *Server) Restart() {
	s.t.Helper()
	cmd := exec.Command(binary(s.t), "-c", s.config)
	out, err := cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start nats-server: %v", err)
	}
	s.cmd = cmd
	var log strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fmt.Fprintln(&log, lines.Text())
		if strings.Contains(lines.Text(), "Server is ready") {
			s.drain.Go(func() { _, _ = io.Copy(io.Discard, out) }) // it ends with the process
			return
		}
	}
	s.end(os.Kill)
	s.t.Fatalf("nats-server did not become ready:\n%s", log.String())
}

// Kill ends the server at once, as a crash does, paused or not. Killing it again does nothing.
func (s *Server) Kill() { s.end(os.Kill) }

// Stop ends the server cleanly.
func (s *Server) Stop() { s.end(os.Interrupt) }

func (s *Server) end(how os.Signal) {
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Signal(how); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Errorf("end nats-server: %v", err)
	}
	s.drain.Wait()
	_ = s.cmd.Wait() // it says how the process ended, which is known
	s.cmd = nil
}

// build builds the binary once for this process.
var build = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "orderledger-test")
	path := filepath.Join(dir, "nats-server-"+server.VERSION+"-"+runtime.Version())
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(dir, "build")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	made := filepath.Join(fresh, "nats-server")
	if out, err := exec.Command("go", "build", "-o", made, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build nats-server: %w\n%s", err, out)
	}
	// Another test process may do the same: whoever is first wins.
	if err := os.Rename(made, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return path, nil
})

func binary(t testing.TB) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		const missing = "no nats-server: the go command that builds it is not in the path"
		if os.Getenv("ORDERLEDGER_TEST_REQUIRE") == "all" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
