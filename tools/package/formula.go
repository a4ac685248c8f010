package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// formulaHead is a formula of Homebrew up to where its archives are. macFUSE is no formula, so that it is told.
const formulaHead = `class Mcfs < Formula
  desc "Mounted directory that encrypts for AWS Elemental MediaConvert"
  homepage %q
  version %q
  license "Apache-2.0"

`

const formulaTail = `  def install
    bin.install "bin/mcfs"
    man1.install Dir["share/man/man1/*"]
    bash_completion.install "share/bash-completion/completions/mcfs"
    zsh_completion.install "share/zsh/site-functions/_mcfs"
    fish_completion.install "share/fish/vendor_completions.d/mcfs.fish"
    doc.install Dir["share/doc/mcfs/*"]
  end

  def caveats
    if OS.mac?
      "Mounting needs macFUSE: brew install --cask macfuse"
    else
      "Mounting needs the system's package fuse3, since fusermount3 is root's."
    end
  end

  test do
    assert_match "mcfs #{version}", shell_output("#{bin}/mcfs version")
  end
end
`

// ofBrew are Homebrew's words for systems and processors, in the order in which a formula has them.
var ofBrew = []struct{ os, name string }{{"darwin", "macos"}, {"linux", "linux"}}
var processors = []struct{ arch, name string }{{"arm64", "arm"}, {"amd64", "intel"}}

// formula writes the formula for the tarballs that were made, which are to be at a URL, and returns its name.
func (r release) formula(made []string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, formulaHead, r.download, r.version)
	for _, system := range ofBrew {
		var archives strings.Builder
		for _, p := range processors {
			for _, name := range made {
				if !strings.HasSuffix(name, "-"+system.os+"-"+p.arch+".tar.gz") {
					continue
				}
				data, err := os.ReadFile(filepath.Join(r.out, name))
				if err != nil {
					return "", err
				}
				fmt.Fprintf(&archives, "    on_%s do\n      url \"%s/%s\"\n      sha256 \"%x\"\n    end\n", p.name, strings.TrimSuffix(r.download, "/"), name, sha256.Sum256(data))
			}
		}
		if archives.Len() > 0 {
			fmt.Fprintf(&b, "  on_%s do\n%s  end\n\n", system.name, archives.String())
		}
	}
	b.WriteString(formulaTail)
	return "mcfs.rb", os.WriteFile(filepath.Join(r.out, "mcfs.rb"), []byte(b.String()), 0o644)
}
