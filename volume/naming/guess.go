package naming

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// guess is evidence that a program uses a file's name in passing. The name alone never
// suffices where a user could have chosen it.
type guess struct {
	glob    string
	created Creation // at least
	shown   func(name string, e Evidence) bool
}

// guesses are what is known of programs; guess_test.go has the table of those.
var guesses = []guess{
	// Emacs, vim, cp --backup; SQLite; axel.
	{"*~", AsFile, isBackup}, {"*-journal", AsFile, isJournal}, {"*-wal", AsFile, isJournal}, {"*-shm", AsFile, isJournal},
	{"*.st", AsFile, isState},
	// rsync, GLib, Qt, KDE, libzip; patch.
	{"*.??????", Exclusive, isRandom}, {"*.o??????", Exclusive, isPatched},
	// sed, zip, ar, perl; Python; Go.
	{"sed??????", Mkstemp, isWord}, {"zi??????", Mkstemp, isWord}, {"st??????", Mkstemp, isWord}, {"XX??????", Mkstemp, isWord},
	{"tmp????????", Mkstemp, isWord}, {"tmp????????.*", Mkstemp, isWord}, {"*tmp*", Mkstemp, isNumbered},
	// vim's trial; AtomicParsley; Apple; Chrome; npm.
	{"4913", Exclusive, always}, {"*-temp-*.*", AsFile, isRewrite}, {"*.sb-????????-??????", AsFile, always},
	{".com.google.Chrome.??????", AsFile, isWordEnd}, {"*.tmp.??????????", Exclusive, always},
	// Many.
	{"*.tmp", AsFile, always}, {"*.tmp.[0-9]*", AsFile, always}, {"*.temp", AsFile, always}, {"*.part", AsFile, always},
	{"*.partial", AsFile, always}, {"*.filepart", AsFile, always}, {"*.download", AsFile, always},
}

// newGuesses takes the known ones without those that extra marks with "!".
func newGuesses(extra []string) []guess {
	return slices.DeleteFunc(slices.Clone(guesses), func(g guess) bool { return slices.Contains(extra, "!"+g.glob) })
}

// LooksTemporary reports whether the name of a file looks like one that a program uses in passing.
func (r *Rules) LooksTemporary(name string, e Evidence) bool {
	return slices.ContainsFunc(r.guesses, func(g guess) bool {
		return e.Creation >= g.created && Matches(g.glob, name) && g.shown(name, e)
	})
}

func always(string, Evidence) bool { return true }

// isBackup reports whether the file of which it is the backup stands beside it: "a~" and "a.~1~" are of "a".
func isBackup(name string, e Evidence) bool {
	base := strings.TrimSuffix(name, "~")
	if e.Beside(base) {
		return true
	}
	numbered := numberedBackup.FindStringSubmatch(name)
	return numbered != nil && e.Beside(numbered[1])
}

// PutsAside reports whether a name is one under which programs put a file aside while they save the next: "a~" of
// editors, "a.sb-12345678-abcdef" of macOS.
func PutsAside(name string) bool {
	return strings.HasSuffix(name, "~") || Matches("*.sb-????????-??????", name)
}

var numberedBackup = regexp.MustCompile(`^(.+)\.~[0-9]+~$`)

// isJournal reports whether the name is that of a journal beside a database of SQLite's.
func isJournal(_ string, e Evidence) bool { return e.Database }

// isState reports whether the file of which a program may note the state is being written.
func isState(_ string, e Evidence) bool { return e.Written }

// isWord reports whether the part of the name that a program chooses at random has nothing but letters, digits and "_".
func isWord(name string, _ Evidence) bool {
	word, _, dotted := strings.Cut(name, ".")
	return isRandomText(word) && (!dotted || len(word) == len("tmp????????"))
}

// isWordEnd is isWord for what comes after the last dot.
func isWordEnd(name string, _ Evidence) bool {
	return isRandomText(strings.TrimPrefix(path.Ext(name), "."))
}

// isRandomText reports whether a string has nothing but ASCII letters, digits and "_".
func isRandomText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 || r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// isNumbered reports whether the name ends, before an extension or not, in "tmp" and a random number.
func isNumbered(name string, _ Evidence) bool { return numberedName.MatchString(name) }

var numberedName = regexp.MustCompile(`[.-]tmp[-.]?[0-9]{4,10}(\.[A-Za-z0-9]+)?$`)

// isRewrite reports whether the file that is being rewritten stands beside it: "a-temp-123.mp4" is of "a.mp4".
func isRewrite(name string, e Evidence) bool {
	m := rewriteName.FindStringSubmatch(name)
	return m != nil && e.Beside(m[1]+m[2])
}

var rewriteName = regexp.MustCompile(`^(.+)-temp-[0-9]+(\.[A-Za-z0-9]+)$`)

// isRandom reports whether the last six letters are a random suffix: no extension is written so,
// or the name has an extension already, or the file that it is to replace stands beside it.
func isRandom(name string, e Evidence) bool {
	suffix := strings.TrimPrefix(path.Ext(name), ".")
	base := strings.TrimSuffix(name, "."+suffix)
	letters := suffix[max(0, len(suffix)-6):]
	switch {
	case base == "" || len(suffix) < 6 || !isRandomText(suffix) || sixLetters[strings.ToLower(suffix)]:
		return false
	case isMixed(letters), e.Creation >= Updating && (isChance(letters, base) || e.Beside(base)):
		return true
	case e.Creation >= Public && letters == strings.ToUpper(letters): // as GLib's
		return true
	case e.Creation < Public && (letters != strings.ToUpper(letters) || letters == strings.ToLower(letters)):
		return false
	case strings.HasPrefix(base, ".") && len(base) > 1:
		return e.Creation == Mkstemp
	}
	return hasExtension(base) || e.Beside(base)
}

// isPatched is isRandom for patch, which makes "a.c.oabcdef" with the mode of "a.c": that stands beside it.
func isPatched(name string, e Evidence) bool {
	base, suffix := strings.TrimSuffix(name, path.Ext(name)), strings.TrimPrefix(path.Ext(name), ".")
	return isRandom(name, e) ||
		len(suffix) == len("o??????") && isRandomText(suffix) && !sixLetters[strings.ToLower(suffix)] && e.Beside(base)
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

// isChance reports whether nobody would write a suffix so after this name: with a letter
// between two digits, as libzip, or all in capitals where the name is not, as GLib.
func isChance(suffix, base string) bool {
	return digitLetterDigit.MatchString(suffix) || suffix == strings.ToUpper(suffix) && base != strings.ToUpper(base)
}

var digitLetterDigit = regexp.MustCompile(`[0-9][A-Za-z_]+[0-9]`)

// hasExtension reports whether the name has one of two to four letters and digits, which is no number.
func hasExtension(name string) bool {
	ext := strings.TrimPrefix(path.Ext(name), ".")
	return len(ext) >= 2 && len(ext) <= 4 && isRandomText(ext) && unicode.IsLetter(rune(ext[0])) && !versionMark.MatchString(ext)
}

var versionMark = regexp.MustCompile(`^[vVrR][0-9]+$`)

// sixLetters are extensions that people use and that are as long as a random suffix.
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
