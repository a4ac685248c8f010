package naming

import "testing"

// TestTold: which names tell the one that their file is to get.
func TestTold(t *testing.T) {
	nothing := func(string) bool { return false }
	for temporary, want := range map[string]string{
		"d/.film.mp4.A1b2C3":              "d/film.mp4",
		".README.qwXrtz":                  "README",
		"film.mp4.X2Y4Z6":                 "film.mp4",
		"main.c.oAbCdEf":                  "main.c",
		"film.mp4.part":                   "film.mp4",
		"film.mp4.partial":                "film.mp4",
		"film.mp4.filepart":               "film.mp4",
		"film.mp4.download":               "film.mp4",
		"film.mp4.crdownload":             "film.mp4",
		"film.mp4.tmp":                    "film.mp4",
		"package.json.tmp.1234567890":     "package.json",
		"state.json.tmp-1849274839":       "state.json",
		".x.tmp.AbC123":                   "x.tmp",
		"film.mp4_exiftool_tmp":           "film.mp4",
		"film-temp-4711.mp4":              "film.mp4",
		".syncthing.film.mp4.tmp":         "film.mp4",
		"d/.~tmp~/film.mp4":               "d/film.mp4",
		".rsync-partial/film.mp4":         "film.mp4",
		".goutputstream-A1B2C3":           "",
		"tmpab1_cd2e":                     "",
		"sedAbCdEf":                       "",
		"4913":                            "",
		"notes.txt~":                      "",
		".com.google.Chrome.aB3dE6":       "",
		"clip.mp4.aria2":                  "",
		"cut.db-journal":                  "",
		"d.part/film.mp4":                 "",
		".part":                           "",
		"d/...AbC123":                     "",
		"film.mp4.settings.json":          "",
		"a/.~tmp~/b/film.mp4":             "",
		".fuse_hidden0000000100000001":    "",
		"scene.mov.sb-1234abcd-XyZ123":    "",
		".unison.clip.mp4.0a1b.unison.tm": "",
	} {
		if got := Told(temporary, nothing); got != want {
			t.Errorf("%s tells %q, want %q", temporary, got, want)
		}
	}
	dotted := func(name string) bool { return name == ".film.mp4" }
	if got := Told("d/.film.mp4.A1b2C3", dotted); got != "d/.film.mp4" {
		t.Errorf("beside a file with a dot it tells %q", got)
	}
}
