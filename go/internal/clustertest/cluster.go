// Package clustertest runs a Weaviate cluster of three nodes on this machine's loopback, and does to it what happens to
// machines: nodes are killed, paused and started again.
package clustertest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Nodes is how many a cluster has.
const Nodes = 3

// Cluster is three nodes that know each other.
type Cluster struct {
	t      testing.TB
	server string // the program
	base   int    // the first of the ports: eight for each node
	extra  []string
	root   string
	nodes  [Nodes]*node
}

type node struct {
	command *exec.Cmd
	data    string
	ended   chan struct{}
}

// Start runs a new cluster until the end of the test, whatever that is. The test is skipped where there is no server to
// run: `make test-cluster` builds it and names it in QNTX_EMBED_TEST_WEAVIATE. The environment is added to each node's.
func Start(t testing.TB, environment ...string) *Cluster {
	t.Helper()
	server := os.Getenv("QNTX_EMBED_TEST_WEAVIATE")
	if server == "" {
		t.Skip("there is no Weaviate server to test with; make test-cluster builds one")
	}
	c := &Cluster{t: t, server: server, base: freePorts(t), extra: environment}
	root, err := os.MkdirTemp("", "qntx-cluster-")
	if err != nil {
		t.Fatal(err)
	}
	c.root = root
	t.Cleanup(func() {
		for i := range c.nodes {
			c.Kill(i)
		}
		if t.Failed() {
			for i, n := range c.nodes {
				t.Logf("node %d, last lines of its log:\n%s", i, tail(filepath.Join(n.data, "log")))
			}
		}
		os.RemoveAll(root)
	})
	for i := range c.nodes {
		c.nodes[i] = &node{data: filepath.Join(root, fmt.Sprint(i))}
		if err := os.MkdirAll(c.nodes[i].data, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c.Restart(0, 1, 2)
	return c
}

// The ports of a node.
func (c *Cluster) gossip(i int) int { return c.base + 8*i }
func (c *Cluster) raft(i int) int   { return c.base + 8*i + 2 }
func (c *Cluster) grpc(i int) int   { return c.base + 8*i + 4 }
func (c *Cluster) http(i int) int   { return c.base + 8*i + 5 }

// Host is where a node answers.
func (c *Cluster) Host(i int) string { return fmt.Sprintf("127.0.0.1:%d", c.http(i)) }

// URL names all nodes, for weaviate.Open; the query follows the ?.
func (c *Cluster) URL(query string) string {
	var hosts []string
	for i := range c.nodes {
		hosts = append(hosts, c.Host(i))
	}
	return "weaviate://" + strings.Join(hosts, ",") + "?" + query
}

// Restart starts nodes that do not run, and waits until all that run answer.
func (c *Cluster) Restart(nodes ...int) {
	c.t.Helper()
	for _, i := range nodes {
		c.run(i)
		// The others join the first one, which must listen then.
		c.wait(fmt.Sprintf("node %d to listen", i), func() bool {
			connection, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", c.gossip(i)))
			if err == nil {
				connection.Close()
			}
			return err == nil
		})
	}
	for _, i := range nodes {
		c.wait(fmt.Sprintf("node %d to be ready", i), func() bool {
			response, err := http.Get("http://" + c.Host(i) + "/v1/.well-known/ready")
			if err != nil {
				return false
			}
			response.Body.Close()
			return response.StatusCode == http.StatusOK
		})
	}
}

func (c *Cluster) wait(what string, until func() bool) {
	c.t.Helper()
	for start := time.Now(); !until(); time.Sleep(50 * time.Millisecond) {
		if time.Since(start) > 90*time.Second {
			c.t.Fatalf("waited 90 s for %s", what)
		}
	}
}

func (c *Cluster) run(i int) {
	c.t.Helper()
	n := c.nodes[i]
	log, err := os.OpenFile(filepath.Join(n.data, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	var raft []string
	for j := range c.nodes {
		raft = append(raft, fmt.Sprintf("weaviate-%d:%d", j, c.raft(j)))
	}
	n.command = exec.Command(c.server, "--host", "127.0.0.1", "--port", fmt.Sprint(c.http(i)), "--scheme", "http")
	n.command.Stdout, n.command.Stderr = log, log
	n.command.Dir = n.data
	n.command.SysProcAttr = dieWithUs()
	n.command.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + n.data,
		"PERSISTENCE_DATA_PATH=" + filepath.Join(n.data, "data"),
		"DEFAULT_VECTORIZER_MODULE=none", "DISABLE_TELEMETRY=true", "LOG_LEVEL=warning",
		"CLUSTER_IN_LOCALHOST=true", "CLUSTER_BIND_ADDR=127.0.0.1", "CLUSTER_ADVERTISE_ADDR=127.0.0.1",
		fmt.Sprintf("CLUSTER_HOSTNAME=weaviate-%d", i),
		fmt.Sprintf("CLUSTER_GOSSIP_BIND_PORT=%d", c.gossip(i)), fmt.Sprintf("CLUSTER_DATA_BIND_PORT=%d", c.gossip(i)+1),
		fmt.Sprintf("RAFT_PORT=%d", c.raft(i)), fmt.Sprintf("RAFT_INTERNAL_RPC_PORT=%d", c.raft(i)+1),
		"RAFT_JOIN=" + strings.Join(raft, ","), fmt.Sprintf("RAFT_BOOTSTRAP_EXPECT=%d", Nodes),
		fmt.Sprintf("GRPC_PORT=%d", c.grpc(i)), fmt.Sprintf("GO_PROFILING_PORT=%d", c.grpc(i)+2),
		// A full disk of the machine that tests is none of theirs.
		"DISK_USE_WARNING_PERCENTAGE=99", "DISK_USE_READONLY_PERCENTAGE=99",
	}
	authenticated := false
	for _, variable := range c.extra {
		authenticated = authenticated || strings.HasPrefix(variable, "AUTHENTICATION_")
	}
	if !authenticated {
		n.command.Env = append(n.command.Env, "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED=true")
	}
	// A node joins any other that runs.
	for j := range c.nodes {
		if j != i && c.nodes[j].ended != nil && c.runs(j) {
			n.command.Env = append(n.command.Env, fmt.Sprintf("CLUSTER_JOIN=127.0.0.1:%d", c.gossip(j)))
			break
		}
	}
	n.command.Env = append(n.command.Env, c.extra...)
	if err := n.command.Start(); err != nil {
		c.t.Fatal(err)
	}
	command, ended := n.command, make(chan struct{})
	n.ended = ended
	go func() {
		_ = command.Wait() // how it ends is the test's doing
		close(ended)
	}()
}

func (c *Cluster) runs(i int) bool {
	select {
	case <-c.nodes[i].ended:
		return false
	default:
		return true
	}
}

// Kill ends a node as a power failure does.
func (c *Cluster) Kill(i int) {
	n := c.nodes[i]
	if n == nil || n.ended == nil {
		return
	}
	_ = n.command.Process.Kill() // it may have ended
	<-n.ended
}

// Pause stops a node in the middle of what it does; its connections stay open.
func (c *Cluster) Pause(i int) { c.signal(i, syscall.SIGSTOP) }

// Resume lets it go on.
func (c *Cluster) Resume(i int) { c.signal(i, syscall.SIGCONT) }

func (c *Cluster) signal(i int, signal syscall.Signal) {
	c.t.Helper()
	if err := c.nodes[i].command.Process.Signal(signal); err != nil {
		c.t.Fatal(err)
	}
}

// Directory is where the nodes have their files.
func (c *Cluster) Directory() string { return c.root }

// Memory is what the nodes hold in memory together, in bytes, and 0 where the system does not say it.
func (c *Cluster) Memory() (bytes int) {
	for _, n := range c.nodes {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.command.Process.Pid))
		if err != nil {
			return 0
		}
		for line := range strings.Lines(string(status)) {
			kib := 0
			if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kib); err == nil {
				bytes += kib << 10
			}
		}
	}
	return bytes
}

// freePorts finds as many ports in a row as a cluster needs.
func freePorts(t testing.TB) int {
	t.Helper()
	for range 100 {
		base := 20_000 + rand.IntN(10_000)
		free := true
		for port := base; port < base+8*Nodes && free; port++ {
			listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if free = err == nil; free {
				listener.Close()
			}
		}
		if free {
			return base
		}
	}
	t.Fatal("there are no free ports")
	return 0
}

func tail(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	const size = 3000
	if info, err := file.Stat(); err == nil && info.Size() > size {
		_, _ = file.Seek(-size, io.SeekEnd) // the beginning will do too
	}
	data, _ := io.ReadAll(file) // what there is of it
	return string(data)
}
