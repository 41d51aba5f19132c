// Package natstest runs real nats-server processes for tests, and kills them. It holds nothing that a program needs.
package natstest

import (
	"bufio"
	"bytes"
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
	"time"

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
	log    tail
}

// tail keeps the last lines that a server wrote.
type tail struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed with the next line; nil when nobody waits for it
}

const tailLines = 200

func (l *tail) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines[max(0, len(l.lines)-tailLines+1):], line)
	if l.more != nil {
		close(l.more)
		l.more = nil
	}
}

// with counts the lines that hold a text; more is closed when there is another line.
func (l *tail) with(text string) (n int, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	if l.more == nil {
		l.more = make(chan struct{})
	}
	return n, l.more
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// patience is how long a server may take to start, or to end.
const patience = 30 * time.Second

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
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("the end of what %s wrote:\n%s", s.name(), &s.log)
		}
	})
	s.Restart()
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
	ready := make(chan bool, 1)
	s.drain.Go(func() { // it ends with the process
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			s.log.add(lines.Text())
			if strings.Contains(lines.Text(), "Server is ready") {
				select {
				case ready <- true:
				default:
				}
			}
		}
		_, _ = io.Copy(io.Discard, out) // behind a line that is too long
		close(ready)
	})
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case ok := <-ready:
		if ok {
			return
		}
	case <-limit.C:
	}
	s.end(os.Kill)
	s.t.Fatal("nats-server did not become ready")
}

// Await waits until the server has written a text on so many lines.
func (s *Server) Await(text string, lines int) {
	s.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		n, more := s.log.with(text)
		if n >= lines {
			return
		}
		select {
		case <-more:
		case <-limit.C:
			s.t.Fatalf("nats-server wrote %q %d times within %v, not %d times", text, n, patience, lines)
		}
	}
}

// Reconfigure replaces a part of the server's configuration, from its next start on.
func (s *Server) Reconfigure(part, with string) {
	s.t.Helper()
	config, err := os.ReadFile(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	if !bytes.Contains(config, []byte(part)) {
		s.t.Fatalf("the configuration does not say %q", part)
	}
	if err := os.WriteFile(s.config, bytes.ReplaceAll(config, []byte(part), []byte(with)), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// Kill ends the server at once, as a crash does, paused or not. Killing it again does nothing.
func (s *Server) Kill() { s.end(os.Kill) }

// Stop ends the server cleanly.
func (s *Server) Stop() { s.end(os.Interrupt) }

func (s *Server) end(how os.Signal) {
	if s.cmd == nil {
		return
	}
	process := s.cmd.Process
	if err := process.Signal(how); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Errorf("end nats-server: %v", err)
	}
	hung := time.AfterFunc(patience, func() {
		s.t.Errorf("nats-server did not end within %v of %v", patience, how)
		_ = process.Kill() // it may have ended by now
	})
	s.drain.Wait()
	_ = s.cmd.Wait() // it says how the process ended, which is known
	hung.Stop()
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
