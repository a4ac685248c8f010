package main

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
)

// sbom writes what a program was built of, as a bill of materials of CycloneDX, and returns its name.
func (r release) sbom(p program) (name string, err error) {
	info, err := buildinfo.ReadFile(p.path)
	if err != nil {
		return "", err
	}
	name = fmt.Sprintf("mcfs-%s-%s-%s.cdx.json", r.version, p.os, p.arch)
	out, err := os.Create(filepath.Join(r.out, name))
	if err != nil {
		return "", err
	}
	encoder := cdx.NewBOMEncoder(out, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false)
	return name, errors.Join(encoder.EncodeVersion(r.bill(name, info), cdx.SpecVersion1_6), out.Close())
}

// bill is the bill of one program: mcfs is made of all of it. Its serial number follows from its name and the
// revision, so that it is the same one when it is made again.
func (r release) bill(name string, info *buildinfo.BuildInfo) *cdx.BOM {
	b := cdx.NewBOM()
	b.SerialNumber = uuid.NewSHA1(uuid.NameSpaceURL, []byte(name+" "+r.revision)).URN()
	self := cdx.Component{
		BOMRef: "mcfs", Type: cdx.ComponentTypeApplication, Name: "mcfs", Version: r.version,
		Licenses:   &cdx.Licenses{{License: &cdx.License{ID: "Apache-2.0"}}},
		Properties: &[]cdx.Property{{Name: "mcfs:revision", Value: r.revision}},
	}
	b.Metadata = &cdx.Metadata{Timestamp: r.time.Format(time.RFC3339), Component: &self}
	modules := []debug.Module{{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		modules = append(modules, *m)
	}
	var components []cdx.Component
	var refs []string
	for _, m := range modules {
		ref := "pkg:golang/" + m.Path + "@" + strings.ReplaceAll(m.Version, "+", "%2B")
		refs = append(refs, ref)
		c := cdx.Component{BOMRef: ref, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: ref}
		if m.Sum != "" {
			c.Properties = &[]cdx.Property{{Name: "go:sum", Value: m.Sum}}
		}
		components = append(components, c)
	}
	b.Components = &components
	b.Dependencies = &[]cdx.Dependency{{Ref: "mcfs", Dependencies: &refs}}
	return b
}
