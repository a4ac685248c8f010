package peers

import (
	"context"
	"errors"
	"fmt"
	"os"

	"mcfs/bench/gateway"
	"mcfs/bench/job"
)

// MountS3FS mounts a bucket by s3fs: parts of 16 MiB, 4 at once, as the others
// have; more requests at once for metadata than its default; no objects of
// other programs' directory styles to ask for.
func (k *Kit) MountS3FS(ctx context.Context, endpoint, bucket string) (*Mount, error) {
	dir, tmp := k.Scratch("s3fs"), k.Scratch("s3fs-tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return nil, err
	}
	password := dir + ".passwd"
	if err := os.WriteFile(password, []byte(gateway.AccessKey+":"+gateway.SecretKey), 0o600); err != nil {
		return nil, err
	}
	args := []string{"s3fs", bucket, dir, "-f"}
	for _, option := range []string{
		"url=" + endpoint, "endpoint=" + gateway.Region, "use_path_request_style", "sigv4", "passwd_file=" + password,
		"multipart_size=16", "parallel_count=4", "multireq_max=64", "notsup_compat_dir", "enable_noobj_cache", "tmpdir=" + tmp,
	} {
		args = append(args, "-o", option)
	}
	return k.mount(ctx, "s3fs", dir, job.Command{Args: args}, fusermount)
}

// GeeseFSOptions are those with which close means what it means with the others: the file is in S3.
const GeeseFSOptions = "--fsync-on-close"

// MountGeeseFS mounts a bucket by geesefs.
func (k *Kit) MountGeeseFS(ctx context.Context, endpoint, bucket string) (*Mount, error) {
	if k.GeeseFS == "" {
		return nil, errors.New("no binary was given: GEESEFS=FILE")
	}
	dir := k.Scratch("geesefs")
	args := []string{k.GeeseFS, "-f", "--endpoint", endpoint, "--region", gateway.Region, GeeseFSOptions, bucket, dir}
	return k.mount(ctx, "geesefs", dir, job.Command{Args: args}, fusermount)
}

// InitGocryptfs makes an encrypted directory.
func InitGocryptfs(ctx context.Context, cipher string) error {
	if err := os.MkdirAll(cipher, 0o700); err != nil {
		return err
	}
	_, _, err := job.Run(ctx, job.Command{Args: []string{"gocryptfs", "-q", "-init", "-scryptn", "10", "-extpass", "echo bench", cipher}})
	return err
}

// MountGocryptfs mounts an encrypted directory of the local disk.
func (k *Kit) MountGocryptfs(ctx context.Context, cipher string) (*Mount, error) {
	dir := k.Scratch("gocryptfs")
	return k.mount(ctx, "gocryptfs", dir, job.Command{Args: []string{"gocryptfs", "-q", "-fg", "-nosyslog", "-extpass", "echo bench", cipher, dir}}, fusermount)
}

// MountLoopback mounts a directory of the local disk as it is.
func (k *Kit) MountLoopback(ctx context.Context, original string) (*Mount, error) {
	dir := k.Scratch("loopback")
	if err := os.MkdirAll(original, 0o755); err != nil {
		return nil, fmt.Errorf("loopback: %w", err)
	}
	return k.mount(ctx, "loopback", dir, job.Command{Args: []string{k.Loopback, original, dir}}, fusermount)
}
