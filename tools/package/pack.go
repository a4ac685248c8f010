package main

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	nfpmapk "github.com/goreleaser/nfpm/v2/apk"
	nfpmdeb "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	nfpmrpm "github.com/goreleaser/nfpm/v2/rpm"
)

var packagers = map[format]nfpm.PackagerWithExtension{deb: nfpmdeb.Default, rpm: nfpmrpm.DefaultRPM, apk: nfpmapk.Default}

const description = `mounted directory that encrypts for AWS Elemental MediaConvert
mcfs mounts a directory whose files are encrypted as they are saved, each
under a data key of its own from AWS KMS, and stored in S3 as AES ciphertext
that MediaConvert decrypts. Beside each file appear the settings that a
MediaConvert job needs for that.`

// packaging is how often a version has been packaged.
const packaging = "1"

// info is what nfpm is told besides the files.
func (c content) info() *nfpm.Info {
	return nfpm.WithDefaults(&nfpm.Info{
		Name: "mcfs", Arch: c.arch, Platform: "linux", Version: c.version, Release: packaging,
		Section: "utils", Priority: "optional", Maintainer: c.maintainer, Description: description, License: "Apache-2.0",
		MTime: c.time, DisableGlobbing: true,
		Overridables: nfpm.Overridables{Umask: 0o022, Depends: []string{"fuse3"}, Recommends: []string{"ca-certificates"}, RPM: nfpm.RPM{BuildHost: "localhost"}},
	})
}

// debianVersion is the whole version of the .deb.
func (c content) debianVersion() string {
	return strings.Replace(c.version, "-", "~", 1) + "-" + packaging
}

// pack makes one package by nfpm, which reads its files from a folder, and returns its name.
func (c content) pack(stage string, f format) (string, error) {
	list, err := c.system(f)
	if err != nil {
		return "", err
	}
	info := c.info()
	if info.Contents, err = c.staged(stage, list); err != nil {
		return "", err
	}
	if f == apk { // whose facts are a line each
		info.Description, _, _ = strings.Cut(info.Description, "\n")
	} else { // Alpine has no systemd
		for name, to := range map[string]*string{"postinstall": &info.Scripts.PostInstall, "preremove": &info.Scripts.PreRemove, "postremove": &info.Scripts.PostRemove} {
			*to = filepath.Join(c.source, "tools/package/scripts", name+".sh")
		}
	}
	packager := packagers[f]
	name := packager.ConventionalFileName(info)
	out, err := os.Create(filepath.Join(c.out, name))
	if err != nil {
		return "", err
	}
	return name, errors.Join(packager.Package(info, out), out.Close())
}

// staged lays files into a folder, and says where each belongs.
func (c content) staged(stage string, list []file) (files.Contents, error) {
	if err := os.MkdirAll(stage, 0o755); err != nil {
		return nil, err
	}
	var contents files.Contents
	for i, f := range list {
		one := &files.Content{Destination: f.path, FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: f.mode, MTime: c.time}}
		switch {
		case f.folder:
			one.Type = files.TypeDir
		case f.link != "":
			one.Type, one.Source = files.TypeSymlink, f.link
		default:
			one.Source = filepath.Join(stage, fmt.Sprint(i))
			if err := os.WriteFile(one.Source, f.data, 0o644); err != nil {
				return nil, err
			}
		}
		contents = append(contents, one)
	}
	return contents, nil
}

// tarball makes the archive for a machine without a package manager, whose folders are those of
// /usr/local, and returns its name.
func (c content) tarball() (name string, err error) {
	top := fmt.Sprintf("mcfs-%s-%s-%s", c.version, c.program.os, c.arch)
	var l list
	c.common(&l, top, "site-functions")
	for _, name := range []string{"README.md", "CHANGELOG.md", "LICENSE"} {
		l.copy(path.Join(top, "share/doc/mcfs", name), 0o644, c.source, name)
	}
	l.add(path.Join(top, "share/doc/mcfs/copyright"), 0o644, c.copyright("LICENSE, beside this file"))
	if l.err != nil {
		return "", l.err
	}
	slices.SortFunc(l.files, func(a, b file) int { return cmp.Compare(a.path, b.path) })
	out, err := os.Create(filepath.Join(c.out, top+".tar.gz"))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	z, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	w := tar.NewWriter(z)
	for _, f := range l.files {
		h := &tar.Header{Name: f.path, Mode: int64(f.mode), Size: int64(len(f.data)), ModTime: c.time, Typeflag: tar.TypeReg, Uname: "root", Gname: "root", Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return "", err
		}
		if _, err := w.Write(f.data); err != nil {
			return "", err
		}
	}
	return top + ".tar.gz", errors.Join(w.Close(), z.Close())
}
