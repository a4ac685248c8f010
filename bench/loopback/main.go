// Loopback mounts a directory a second time by go-fuse's own loopback file
// system, as its example does, but without the kernel's passthrough: every byte
// goes through the process. It is the floor of a FUSE mount written in Go.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: loopback DIRECTORY MOUNTPOINT")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "loopback:", err)
		os.Exit(1)
	}
}

// serve mounts, and returns when somebody has unmounted, a signal included.
func serve(dir, mountpoint string) error {
	root, err := fs.NewLoopbackRoot(dir)
	if err != nil {
		return err
	}
	second := time.Second
	server, err := fs.Mount(mountpoint, root, &fs.Options{
		AttrTimeout: &second, EntryTimeout: &second, NullPermissions: true,
		MountOptions: fuse.MountOptions{FsName: "loopback", Name: "loopback", DisabledCapabilities: fuse.CAP_PASSTHROUGH},
	})
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() { // ends with the process
		for range signals {
			_ = server.Unmount()
		}
	}()
	server.Wait()
	return nil
}
