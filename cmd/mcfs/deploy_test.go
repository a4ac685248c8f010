package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mcfs/config"
	"mcfs/internal/offline"
)

// deployed is what tools/manifests finds in deploy/.
type deployed struct {
	Calls []struct {
		File string
		Args []string
		Env  map[string]string
		Of   int
	}
	Configs map[string]string
}

// readDeployed has tools/manifests read the files, each by the types of whom it is for.
func readDeployed(t *testing.T) (d deployed) {
	t.Helper()
	c := exec.Command("go", "run", "-C", "../../tools/manifests", ".", "../../deploy")
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("tools/manifests: %v", err)
	}
	if err := json.Unmarshal(out, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDeploy: what deploy/ has for Kubernetes, compose and AWS Batch has no field that those do not know; its
// commands are mcfs's, with flags that it has; the parts of an array are all there; its configurations are sound.
func TestDeploy(t *testing.T) {
	d := readDeployed(t)
	var names []string
	for _, call := range d.Calls {
		root := newRoot(stdio{})
		c, rest, err := root.Find(call.Args)
		if err == nil {
			err = c.ParseFlags(rest)
		}
		if err == nil {
			err = c.ValidateArgs(c.Flags().Args())
		}
		if err != nil || c == root {
			t.Errorf("%s: mcfs %s: %v", call.File, strings.Join(call.Args, " "), err)
			continue
		}
		names = append(names, c.Name())
		if call.Of == 0 {
			continue
		}
		shard, _ := c.Flags().GetString("shard")
		for i := range call.Of {
			want := offline.Shard{Index: i, Of: call.Of}
			got, err := partOf(shard, call.Env, i)
			if err != nil || got != want {
				t.Errorf("%s: part %d of %d does %+v, %v", call.File, i, call.Of, got, err)
			}
		}
	}
	slices.Sort(names)
	if want := []string{"encrypt", "mount", "mount", "rewrap", "rewrap", "verify", "verify"}; !slices.Equal(names, want) {
		t.Errorf("the commands are %q, not %q", names, want)
	}
	if len(d.Configs) != 1 {
		t.Errorf("%d configurations", len(d.Configs))
	}
	for name, text := range d.Configs {
		file := filepath.Join(t.TempDir(), "ingest.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// partOf is the part that a job of an array does, by what its flag and its environment say.
func partOf(flag string, env map[string]string, index int) (offline.Shard, error) {
	get := func(name string) string {
		_, inBatch := env["AWS_BATCH_JOB_ARRAY_SIZE"]
		if name == "AWS_BATCH_JOB_ARRAY_INDEX" && inBatch || name == "JOB_COMPLETION_INDEX" && !inBatch {
			return fmt.Sprint(index)
		}
		return env[name]
	}
	if flag == "" {
		return offline.ArrayShard(get)
	}
	return offline.ParseShard(flag, get)
}
