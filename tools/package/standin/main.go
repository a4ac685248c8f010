// Command standin makes a package of a folder: for tests, which bring a root of another family up out of
// this system's programs, so that a package manager there finds what ours depends on.
//
//	go run ./standin -name fuse3 -format rpm -out FOLDER ROOT
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/apk"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("standin", flag.ContinueOnError)
	name := flags.String("name", "", "`NAME` of the package")
	format := flags.String("format", "rpm", "`KIND` of package: rpm or apk")
	provides := flags.String("provides", "", "`LIST` of what it stands for besides")
	out := flags.String("out", ".", "`FOLDER` for the package")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var packager nfpm.PackagerWithExtension
	switch *format {
	case "rpm":
		packager = rpm.DefaultRPM
	case "apk":
		packager = apk.Default
	default:
		return fmt.Errorf("-format %q: give rpm or apk", *format)
	}
	contents, err := tree(flags.Arg(0))
	if err != nil {
		return err
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: *name, Arch: runtime.GOARCH, Platform: "linux", Version: "1.0.0", Release: "1", Maintainer: "Nobody <nobody@localhost>",
		Description: "stands in for " + *name + " in tests", License: "none", DisableGlobbing: true,
		Overridables: nfpm.Overridables{Contents: contents},
	})
	if *provides != "" {
		info.Provides = strings.Split(*provides, ",")
	}
	file, err := os.Create(filepath.Join(*out, packager.ConventionalFileName(info)))
	if err != nil {
		return err
	}
	if err := packager.Package(info, file); err != nil {
		return fmt.Errorf("%s: %w", file.Name(), err)
	}
	return file.Close()
}

// tree is all that is in a folder, as root's.
func tree(root string) (contents files.Contents, err error) {
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		one := &files.Content{Source: path, Destination: strings.TrimPrefix(path, root), FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: info.Mode(), MTime: info.ModTime()}}
		switch {
		case d.IsDir():
			one.Type, one.Source = files.TypeDir, ""
		case d.Type() == os.ModeSymlink:
			one.Type = files.TypeSymlink
			one.Source, err = os.Readlink(path)
		}
		contents = append(contents, one)
		return err
	})
	return contents, err
}
