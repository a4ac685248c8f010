// Command package makes the packages of mcfs: .deb, .rpm and .apk for Linux, and tarballs for Linux and
// macOS, each with a bill of materials, and SHA256SUMS of all. What it makes follows from the sources, the version, the revision and the
// time that it is told, and from the Go toolchain: the same anywhere, and at any time.
//
//	go run . -source ../.. -out ../../dist
package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

// release is what is packaged.
type release struct {
	source, out                   string
	version, revision, maintainer string
	download                      string    // where the files will be; "" for nowhere
	time                          time.Time // of everything in the packages
}

func run(args []string) error {
	var r release
	flags := flag.NewFlagSet("package", flag.ContinueOnError)
	flags.StringVar(&r.source, "source", "../..", "`FOLDER` of mcfs's sources")
	flags.StringVar(&r.out, "out", "dist", "`FOLDER` for the packages")
	flags.StringVar(&r.version, "version", "", "`VERSION`, as 1.2.3; else git's")
	flags.StringVar(&r.revision, "revision", "", "`REVISION`; else git's")
	flags.StringVar(&r.maintainer, "maintainer", "The mcfs authors <mcfs@localhost>", "`NAME <ADDRESS>` of whom the packages are from")
	flags.StringVar(&r.download, "download", "", "`URL` below which the files will be, for a formula of Homebrew; else there is none")
	sign := flags.String("sign", "", "`COMMAND` of a shell that signs the file $1, SHA256SUMS, into $2, SHA256SUMS.sig")
	epoch := flags.Int64("epoch", 0, "`SECONDS` since 1970, the time of all files; else $SOURCE_DATE_EPOCH, else the revision's")
	targets := flags.String("targets", "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64", "`LIST` of what to build for; what runs here must be among it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := r.settle(*epoch); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "mcfs-package-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	made, err := r.make(work, strings.Split(*targets, ","))
	if err != nil {
		return err
	}
	if r.download != "" {
		name, err := r.formula(made)
		if err != nil {
			return err
		}
		made = append(made, name)
	}
	if err := r.sums(made); err != nil {
		return err
	}
	return r.signed(*sign)
}

// make builds for each target, and packs; it returns the names of the files in out.
func (r release) make(work string, targets []string) (made []string, err error) {
	var programs []program
	for _, t := range targets {
		goos, arch, ok := strings.Cut(t, "/")
		if !ok {
			return nil, fmt.Errorf("target %q: give it as linux/amd64", t)
		}
		p := program{os: goos, arch: arch, path: filepath.Join(work, goos+"-"+arch, "mcfs")}
		if err := r.build(p); err != nil {
			return nil, err
		}
		programs = append(programs, p)
	}
	told, err := r.tell(work, programs)
	if err != nil {
		return nil, err
	}
	for _, p := range programs {
		list, err := r.pack(work, p, told)
		if err != nil {
			return nil, fmt.Errorf("%s/%s: %w", p.os, p.arch, err)
		}
		made = append(made, list...)
	}
	return made, nil
}

// pack makes all packages of one program, at once, since each takes its time to compress.
func (r release) pack(work string, p program, told told) ([]string, error) {
	c := content{release: r, program: p, told: told}
	var err error
	if c.notices, err = r.licenses(p); err != nil {
		return nil, err
	}
	makers := []func() (string, error){c.tarball, func() (string, error) { return r.sbom(p) }}
	if p.os == "linux" {
		for _, f := range []format{deb, rpm, apk} {
			makers = append(makers, func() (string, error) { return c.pack(filepath.Join(work, p.arch+"-"+string(f)), f) })
		}
	}
	made, failed := make([]string, len(makers)), make([]error, len(makers))
	var all sync.WaitGroup
	for i, one := range makers {
		all.Go(func() { made[i], failed[i] = one() })
	}
	all.Wait()
	return made, errors.Join(failed...)
}

// sums writes SHA256SUMS of all that was made, and says what that is.
func (r release) sums(made []string) error {
	slices.Sort(made)
	var b strings.Builder
	for _, name := range made {
		data, err := os.ReadFile(filepath.Join(r.out, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(data), name)
	}
	_, said := os.Stdout.WriteString(b.String())
	return errors.Join(said, os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(b.String()), 0o644))
}
