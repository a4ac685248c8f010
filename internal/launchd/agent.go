package launchd

import (
	"encoding/xml"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Agent is a daemon that launchd runs for one volume. Its paths are absolute.
type Agent struct{ Program, Configuration, Mountpoint, Log string }

var unfit = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// Label is the name of a mountpoint's agent.
func Label(mountpoint string) string {
	return "mcfs." + strings.Trim(unfit.ReplaceAllString(mountpoint, "-"), "-")
}

// list is the file: launchd.plist(5). It is mounted again where the daemon has failed or was killed, and
// not where it was unmounted. Standard processes are throttled, which a transfer of films should not be.
const list = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>%s</string>
  <key>ProgramArguments</key>
  <array>
    <string>%s</string>
    <string>mount</string>
    <string>%s</string>
    <string>--config</string>
    <string>%s</string>
  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>30</integer>
  <key>ExitTimeOut</key>
  <integer>600</integer>
  <key>ProcessType</key>
  <string>Interactive</string>
  <key>StandardErrorPath</key>
  <string>%s</string>
</dict>
</plist>
`

// List is the agent's property list.
func (a Agent) List() (string, error) {
	words := []any{Label(a.Mountpoint)}
	for _, path := range []string{a.Program, a.Mountpoint, a.Configuration, a.Log} {
		if !filepath.IsAbs(path) {
			return "", fmt.Errorf("property list for %s: %q is no absolute path, and launchd starts programs in /", a.Mountpoint, path)
		}
		word, err := escaped(path)
		if err != nil {
			return "", fmt.Errorf("property list for %s: %w", a.Mountpoint, err)
		}
		words = append(words, word)
	}
	return fmt.Sprintf(list, words...), nil
}

// escaped writes a text as XML has it. XML has no way to write control characters.
func escaped(text string) (string, error) {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0xFFFE || r == 0xFFFF }) {
		return "", fmt.Errorf("%q has a character that XML cannot hold: rename it", text)
	}
	var b strings.Builder
	err := xml.EscapeText(&b, []byte(text))
	return b.String(), err
}
