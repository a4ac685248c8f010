package volume

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// A guess is that a file's name is one that its program uses in passing. The name
// alone never suffices where a user could have chosen it, and a guess ends: see
// Volume.ripen. It is never made of a directory.
type guess struct {
	glob  string
	made  making // at least
	shown func(name string, c clues) bool
}

// clues are what a guess goes by, beside the name.
type clues struct {
	made     making
	beside   func(name string) bool // reports whether a file of that name stands in the same directory
	database bool                   // the file to which a journal of SQLite's would belong is a database
}

// guesses are what is known of programs. The table in guess_test.go names them.
var guesses = []guess{
	// Emacs, vim, cp --backup; SQLite.
	{"*~", named, isBackup}, {"*-journal", named, isJournal}, {"*-wal", named, isJournal}, {"*-shm", named, isJournal},
	// rsync, GLib, Qt, KDE; patch.
	{"*.??????", exclusive, isRandom}, {"*.o??????", exclusive, isRandom},
	// sed, zip, ar, perl; Python; Go.
	{"sed??????", mkstemp, isWord}, {"zi??????", mkstemp, isWord}, {"st??????", mkstemp, isWord}, {"XX??????", mkstemp, isWord},
	{"tmp????????", mkstemp, isWord}, {"tmp????????.*", mkstemp, isWord}, {"*tmp*", mkstemp, isNumbered},
	// vim's trial; AtomicParsley; Apple; Chrome; npm.
	{"4913", exclusive, always}, {"*-temp-*.*", named, isRewrite}, {"*.sb-????????-??????", named, always},
	{".com.google.Chrome.??????", named, isWordEnd}, {"*.tmp.??????????", exclusive, always},
	// Many.
	{"*.tmp", named, always}, {"*.tmp.[0-9]*", named, always}, {"*.temp", named, always}, {"*.part", named, always},
	{"*.partial", named, always}, {"*.filepart", named, always}, {"*.download", named, always},
}

// newGuesses takes the known ones without those that extra marks with "!".
func newGuesses(extra []string) []guess {
	return slices.DeleteFunc(slices.Clone(guesses), func(g guess) bool { return slices.Contains(extra, "!"+g.glob) })
}

// isGuessed reports whether the name of a file looks temporary.
func isGuessed(list []guess, name string, c clues) bool {
	return slices.ContainsFunc(list, func(g guess) bool {
		return c.made >= g.made && matches(g.glob, name) && g.shown(name, c)
	})
}

func always(string, clues) bool { return true }

// isBackup reports whether what it would be the backup of stands beside it: "a~" and "a.~1~" are of "a".
func isBackup(name string, c clues) bool {
	base := strings.TrimSuffix(name, "~")
	if c.beside(base) {
		return true
	}
	numbered := numberedBackup.FindStringSubmatch(name)
	return numbered != nil && c.beside(numbered[1])
}

var numberedBackup = regexp.MustCompile(`^(.+)\.~[0-9]+~$`)

func isJournal(_ string, c clues) bool { return c.database }

// isWord reports whether nothing but letters, digits and "_" is in the part that a program chose by chance.
func isWord(name string, _ clues) bool {
	word, _, dotted := strings.Cut(name, ".")
	return isChance(word) && (!dotted || len(word) == len("tmp????????"))
}

// isWordEnd is isWord for what comes after the last dot.
func isWordEnd(name string, _ clues) bool { return isChance(strings.TrimPrefix(path.Ext(name), ".")) }

func isChance(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 || r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// isNumbered reports whether the name ends, before an extension or not, in "tmp" and a random number.
func isNumbered(name string, _ clues) bool { return numberedName.MatchString(name) }

var numberedName = regexp.MustCompile(`[.-]tmp[-.]?[0-9]{4,10}(\.[A-Za-z0-9]+)?$`)

// isRewrite reports whether the file that is being rewritten stands beside it: "a-temp-123.mp4" is of "a.mp4".
func isRewrite(name string, c clues) bool {
	m := rewriteName.FindStringSubmatch(name)
	return m != nil && c.beside(m[1]+m[2])
}

var rewriteName = regexp.MustCompile(`^(.+)-temp-[0-9]+(\.[A-Za-z0-9]+)$`)

// isRandom reports whether the last six letters are a suffix that chance has chosen: no
// extension is written so, or the name has an extension already, or the file that it
// is to replace stands beside it.
func isRandom(name string, c clues) bool {
	suffix := strings.TrimPrefix(path.Ext(name), ".")
	base := strings.TrimSuffix(name, "."+suffix)
	chance := suffix[max(0, len(suffix)-6):]
	switch {
	case base == "" || len(suffix) < 6 || !isChance(suffix) || sixLetters[strings.ToLower(suffix)]:
		return false
	case isMixed(chance):
		return true
	case c.made < mkstemp && chance != strings.ToUpper(chance): // GLib's have capitals, and a mode for all
		return false
	case strings.HasPrefix(base, ".") && len(base) > 1:
		return c.made == mkstemp
	}
	return hasExtension(base) || c.beside(base)
}

// isMixed reports whether no extension is spelled like that: it has letters of both
// cases, other than one that begins with a capital, or a digit before a letter.
func isMixed(s string) bool {
	upper := strings.ContainsFunc(s[1:], unicode.IsUpper)
	lower := strings.ContainsFunc(s, unicode.IsLower)
	if upper && lower {
		return true
	}
	digit := strings.IndexFunc(s, unicode.IsDigit)
	return digit > 0 && strings.ContainsFunc(s[digit:], unicode.IsLetter)
}

// hasExtension reports whether the name has one of two to four letters and digits, which is no number.
func hasExtension(name string) bool {
	ext := strings.TrimPrefix(path.Ext(name), ".")
	return len(ext) >= 2 && len(ext) <= 4 && isChance(ext) && unicode.IsLetter(rune(ext[0])) && !versionMark.MatchString(ext)
}

var versionMark = regexp.MustCompile(`^[vVrR][0-9]+$`)

// sixLetters are extensions that people use, as long as the suffixes that chance chooses.
var sixLetters = setOf(
	"prproj", "fcpxml", "prores", "logicx", "ardour", "blend1", "blend2", "blend3", "mpegts",
	"sqlite", "config", "backup", "drawio", "sketch", "webloc", "gradle", "groovy", "csproj", "fsproj", "vbproj", "vcproj",
	"tfvars", "dotenv", "prefab", "shader", "uasset", "sha224", "sha256", "sha384", "sha512", "blake2", "blake3",
	"md5sum", "pubkey", "keytab", "pickle", "thrift", "jinja2", "target", "xcconf", "script", "schema", "sample", "source",
	"record", "report", "result", "status", "layout", "locale", "vector", "stream", "output", "object", "master", "custom",
	"design", "camera", "images", "movies", "videos", "folder", "format", "public", "secret", "signed", "update", "static",
	"python", "matlab", "number", "export", "import", "filter", "module", "bundle", "driver", "events", "system", "string",
	"onepkg", "onetoc", "laccdb", "mobile",
	"options", "outline", "objects", "openvpn",
)

func setOf(list ...string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		set[s] = true
	}
	return set
}
