package setup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"mcfs/config"
)

// Answers are what a configuration is made of.
type Answers struct {
	Local          bool   // a folder and a keyring of this machine
	Bucket, Prefix string // of the volume
	Region         string // of the bucket
	Endpoint       string // of a server that is not Amazon's
	PathStyle      bool
	Key            string // ARN, id or alias; while it is empty, the keys are local
	KeyRegion      string // where the key's is no ARN
	Mountpoint     string // absolute; in no configuration, but needed at boot
}

// Text is the configuration, with what is not a default.
func (a Answers) Text() string {
	var b strings.Builder
	b.WriteString("# Made by mcfs init; config.example.toml has every key with its default.\n\n[store]\n")
	if a.Local {
		b.WriteString("kind = \"dir\"\n")
	}
	for _, line := range []struct{ name, value string }{
		{"bucket", a.Bucket}, {"prefix", a.Prefix}, {"region", a.Region}, {"endpoint", a.Endpoint},
	} {
		if line.value != "" {
			fmt.Fprintf(&b, "%s = %s\n", line.name, quote(line.value))
		}
	}
	if a.PathStyle {
		b.WriteString("path_style = true\n")
	}
	b.WriteString("\n[keys]\n")
	if a.Local || a.Key == "" {
		b.WriteString("kind = \"local\"\n")
		return b.String()
	}
	fmt.Fprintf(&b, "key_id = %s\n", quote(a.Key))
	if a.KeyRegion != "" {
		fmt.Fprintf(&b, "region = %s\n", quote(a.KeyRegion))
	}
	return b.String()
}

// Config is the configuration as it would be read from a file.
func (a Answers) Config(path string) (config.Config, error) {
	return config.Parse([]byte(a.Text()), path)
}

// quote writes a string of TOML, whose escapes are those of JSON.
func quote(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string always has a JSON form
	return strings.ReplaceAll(strings.TrimSpace(b.String()), "\x7f", `\u007f`)
}
