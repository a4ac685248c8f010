package peers

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"mcfs/bench/job"
)

// Settings are keys of mcfs's configuration with their values in TOML, as
// "crypt.mode": `"GCM"`.
type Settings map[string]string

// Quote makes a TOML string.
func Quote(s string) string { return fmt.Sprintf("%q", s) }

// MountMcfs mounts a volume with a spool folder, which is made if it is not there.
func (k *Kit) MountMcfs(ctx context.Context, spool string, s Settings) (*Mount, error) {
	dir := k.Scratch("mcfs")
	all := maps.Clone(s)
	all["spool.dir"] = Quote(spool)
	config := dir + ".toml"
	if err := os.WriteFile(config, []byte(all.toml()), 0o600); err != nil {
		return nil, err
	}
	return k.mount(ctx, "mcfs", dir, job.Command{Args: []string{k.Mcfs, "mount", dir, "--config", config}}, k.unmountMcfs)
}

// unmountMcfs drains first.
func (k *Kit) unmountMcfs(ctx context.Context, dir string) error {
	_, _, err := job.Run(ctx, job.Command{Args: []string{k.Mcfs, "unmount", dir}, Env: k.Env})
	return err
}

// Sync is the command that waits until all that is under a path is in the store.
func (k *Kit) Sync(path string) job.Command {
	return job.Command{Args: []string{k.Mcfs, "sync", path}, Env: k.Env}
}

// toml writes sections in order.
func (s Settings) toml() string {
	var text strings.Builder
	section := ""
	for _, key := range slices.Sorted(maps.Keys(s)) {
		in, name, _ := strings.Cut(key, ".")
		if in != section {
			section = in
			fmt.Fprintf(&text, "[%s]\n", in)
		}
		fmt.Fprintf(&text, "%s = %s\n", name, s[key])
	}
	return text.String()
}
