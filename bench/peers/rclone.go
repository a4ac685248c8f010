package peers

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"mcfs/bench/gateway"
	"mcfs/bench/job"
)

// Rclone is an rclone with what it knows.
type Rclone struct {
	Binary string
	flags  []string // of every command
	crypt  []string // environment: the password of the crypt remote
}

// wanted are the best flags found for rclone against a server like this one:
// parts of 16 MiB, 4 at once, nothing summed or asked that need not be, the
// payload unsigned. Versions differ in which of them they know.
var wanted = []string{
	"--s3-chunk-size=16M", "--s3-upload-concurrency=4", "--s3-disable-checksum", "--s3-no-check-bucket", "--s3-no-head",
	"--s3-use-unsigned-payload=true", "--s3-use-data-integrity-protections=false", "--ignore-checksum",
}

// FindRclone asks a binary for its flags.
func FindRclone(ctx context.Context, binary string) (Rclone, error) {
	_, help, err := job.Run(ctx, job.Command{Args: []string{binary, "help", "flags"}})
	if err != nil {
		return Rclone{}, err
	}
	_, obscured, err := job.Run(ctx, job.Command{Args: []string{binary, "obscure", "bench"}})
	if err != nil {
		return Rclone{}, err
	}
	return Rclone{
		Binary: binary, flags: known(wanted, help),
		crypt: []string{"RCLONE_CONFIG_SEALED_PASSWORD=" + strings.TrimSpace(obscured)},
	}, nil
}

// known leaves out the flags that a help text does not have.
func known(flags []string, help string) []string {
	var out []string
	for _, f := range flags {
		name, _, _ := strings.Cut(f, "=")
		if strings.Contains(help, name+" ") {
			out = append(out, f)
		}
	}
	return out
}

// Flags are those in use, for the record.
func (r Rclone) Flags() string { return strings.Join(r.flags, " ") }

// environ is a configuration with a remote "plain" and, over a bucket, "sealed".
func (r Rclone) environ(endpoint, bucket string) []string {
	return append(gateway.Environ(), append([]string{
		"RCLONE_CONFIG=/dev/null", "RCLONE_CONFIG_PLAIN_TYPE=s3", "RCLONE_CONFIG_PLAIN_PROVIDER=Other",
		"RCLONE_CONFIG_PLAIN_ENDPOINT=" + endpoint, "RCLONE_CONFIG_PLAIN_REGION=" + gateway.Region,
		"RCLONE_CONFIG_PLAIN_ACCESS_KEY_ID=" + gateway.AccessKey, "RCLONE_CONFIG_PLAIN_SECRET_ACCESS_KEY=" + gateway.SecretKey,
		"RCLONE_CONFIG_SEALED_TYPE=crypt", "RCLONE_CONFIG_SEALED_REMOTE=plain:" + bucket,
	}, r.crypt...)...)
}

// Command is rclone on a bucket, which is plain:BUCKET.
func (r Rclone) Command(endpoint, bucket string, args ...string) job.Command {
	return job.Command{Args: append(append([]string{r.Binary}, r.flags...), args...), Env: r.environ(endpoint, bucket)}
}

// Pipe is a bash script that reads SOURCE, has openssl encrypt it, and lets
// rclone put it under a key.
func (r Rclone) Pipe(endpoint, bucket, source, key string) job.Command {
	c := job.Shell(`openssl enc -aes-256-ctr -K "$1" -iv "$2" -in "$3" | "${@:5}" rcat "plain:$4"`,
		append([]string{strings.Repeat("5a", 32), strings.Repeat("c3", 12) + "00000000", source, bucket + "/" + key, r.Binary}, r.flags...)...)
	c.Env = r.environ(endpoint, bucket)
	return c
}

// MountRclone mounts a bucket by rclone's crypt. writeBack is how long it waits
// before it uploads what was closed: with 0 it misplaces files that rsync renames.
func (k *Kit) MountRclone(ctx context.Context, endpoint, bucket, cache string, writeBack time.Duration) (*Mount, error) {
	dir := k.Scratch("rclone")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return nil, err
	}
	c := k.Rclone.Command(endpoint, bucket, "mount", "sealed:", dir, "--vfs-cache-mode", "writes",
		"--vfs-write-back", fmt.Sprint(writeBack), "--cache-dir", cache, "--dir-cache-time", "1h", "--poll-interval", "0",
		"--transfers", "16")
	return k.mount(ctx, "rclone", dir, c, fusermount)
}
