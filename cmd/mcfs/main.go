// Go gives locked memory back by mapping it anew; with a name of its own each
// piece would stay a mapping of its own, and the kernel counts those.
//go:debug decoratemappings=0

// Command mcfs mounts a directory whose files are encrypted for AWS Elemental
// MediaConvert as they are saved, and stored in S3.
//
// Promises: every failure is one line on standard error that names the thing and the
// cure, for a program with --json, and has the exit status of its kind; a command that fails leaves
// nothing mounted and nothing behind; no key and no plaintext is ever printed. It may
// import all packages of this repository, and none imports it.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args, stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}
