// Command apk makes a repository of .apk packages, installs out of it into a root, and tells which files a
// package there has: what Alpine's command of that name does, as far as tests need it.
//
//	go run . repository FOLDER FILE...
//	go run . add ROOT FOLDER NAME...
//	go run . owned ROOT NAME
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/chainguard-dev/go-apk/pkg/apk"
	"github.com/chainguard-dev/go-apk/pkg/fs"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "apk:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) > 2 && args[0] == "repository":
		return repository(ctx, args[1], args[2:])
	case len(args) > 3 && args[0] == "add":
		return add(ctx, args[1], args[2], args[3:])
	case len(args) == 3 && args[0] == "owned":
		return owned(args[1], args[2])
	}
	return errors.New("give: repository FOLDER FILE..., add ROOT FOLDER NAME..., or owned ROOT NAME")
}

// repository lays packages into a folder, each under the name by which it is fetched, with an index.
func repository(ctx context.Context, folder string, files []string) error {
	var index apk.APKIndex
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		p, err := apk.ParsePackage(ctx, bytes.NewReader(data))
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		index.Packages = append(index.Packages, p)
		to := filepath.Join(folder, p.Arch, p.Filename())
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			return err
		}
	}
	archive, err := apk.ArchiveFromIndex(&index)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(archive)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, index.Packages[0].Arch, "APKINDEX.tar.gz"), data, 0o644)
}

// add installs packages with all that they depend on. The index has no signature.
func add(ctx context.Context, root, folder string, names []string) error {
	a, err := apk.New(apk.WithFS(fs.DirFS(root)), apk.WithIgnoreMknodErrors(true), apk.WithNoSignatureIndexes(folder))
	if err != nil {
		return err
	}
	world, err := a.GetWorld()
	if errors.Is(err, os.ErrNotExist) {
		err = a.InitDB(ctx)
	}
	if err != nil {
		return err
	}
	if err := a.SetRepositories(ctx, []string{folder}); err != nil {
		return err
	}
	world = slices.DeleteFunc(append(world, names...), func(name string) bool { return name == "" })
	if err := a.SetWorld(ctx, world); err != nil {
		return err
	}
	return a.FixateWorld(ctx, nil)
}

// owned prints what a package has in a root, files before the folders that they are in.
func owned(root, name string) error {
	a, err := apk.New(apk.WithFS(fs.DirFS(root)))
	if err != nil {
		return err
	}
	installed, err := a.GetInstalled()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(installed, func(p *apk.InstalledPackage) bool { return p.Name == name })
	if i < 0 {
		return fmt.Errorf("%s is not installed in %s", name, root)
	}
	var paths []string
	for _, f := range installed[i].Files {
		paths = append(paths, path.Join("/", f.Name))
	}
	slices.Sort(paths)
	slices.Reverse(paths)
	for _, p := range paths {
		fmt.Println(p)
	}
	return nil
}
