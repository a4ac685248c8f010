package main

import (
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// notices are the licenses of what the program contains, as sections of a text.
type notices []notice

// notice is one text, and the modules to which it applies.
type notice struct {
	modules []string
	text    string
}

// licenses collects those of Go and of each module that is linked into a program. One that has none
// is an error: it could not be passed on.
func (r release) licenses(p program) (notices, error) {
	info, err := buildinfo.ReadFile(p.path)
	if err != nil {
		return nil, err
	}
	folders, err := r.modules()
	if err != nil {
		return nil, err
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	folders["Go's standard library"] = strings.TrimSpace(string(root))
	names := []string{"Go's standard library"}
	for _, d := range info.Deps {
		names = append(names, d.Path)
	}
	var list notices
	for _, name := range names {
		texts, err := licensesIn(folders[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, text := range texts {
			if i := slices.IndexFunc(list, func(n notice) bool { return n.text == text }); i >= 0 {
				list[i].modules = append(list[i].modules, name)
			} else {
				list = append(list, notice{[]string{name}, text})
			}
		}
	}
	return list, nil
}

// modules are the folders of all that mcfs may be built of.
func (r release) modules() (map[string]string, error) {
	c := exec.Command("go", "list", "-m", "-json", "all")
	c.Dir, c.Stderr = r.source, os.Stderr
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w", err)
	}
	folders := make(map[string]string)
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var m struct{ Path, Dir string }
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return folders, nil
		} else if err != nil {
			return nil, err
		}
		folders[m.Path] = m.Dir
	}
}

var licenseFile = regexp.MustCompile(`(?i)^((un)?licen[cs]e|copying|notice|patents)([.-].*)?$`)

// apache is what a text of that license says, of which every package has one copy.
const apache = "Apache License 2.0"

// licensesIn are the texts in a module's folder, those of the Apache license by name.
func licensesIn(folder string) (texts []string, err error) {
	if folder == "" {
		return nil, errors.New("the module is not here")
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() || !licenseFile.MatchString(e.Name()) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return nil, err
		}
		text := strings.TrimSpace(strings.ReplaceAll(string(data), "\r\n", "\n"))
		if strings.Contains(text, "Apache License") && strings.Contains(text, "Version 2.0, January 2004") {
			text = apache
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("%s holds no license", folder)
	}
	return texts, nil
}

// copyright is the file of that name. The text of mcfs's own license is at a place of its own.
func (c content) copyright(license string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "mcfs\nCopyright %d The mcfs authors\n\nLicensed under the Apache License, Version 2.0, whose text is in\n%s\n", c.time.Year(), license)
	b.WriteString("\nThe program contains the following, each under its own license.\n")
	for _, n := range c.notices {
		fmt.Fprintf(&b, "\n---\n%s:\n\n", strings.Join(n.modules, ",\n"))
		if n.text == apache {
			fmt.Fprintf(&b, "%s: %s\n", apache, license)
		} else {
			b.WriteString(n.text + "\n")
		}
	}
	return []byte(b.String())
}
