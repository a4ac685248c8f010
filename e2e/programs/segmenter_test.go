package programs

import (
	"path"
	"testing"

	"mcfs/e2e/rig"
)

// recordings are what ffmpeg records, six seconds in segments of one, and how
// many versions of its list it may save.
var recordings = []struct {
	name, args, list string
	lists            int
}{
	{"hls", `-f hls -hls_time 1 -hls_list_size 0 list.m3u8`, "list.m3u8", 7},
	{"window", `-f hls -hls_time 1 -hls_list_size 2 -hls_flags delete_segments list.m3u8`, "list.m3u8", 7},
	{"temporary", `-f hls -hls_time 1 -hls_list_size 0 -hls_flags temp_file list.m3u8`, "list.m3u8", 7},
	{"vod", `-f hls -hls_time 1 -hls_playlist_type vod list.m3u8`, "list.m3u8", 7},
	{"segment", `-f segment -segment_time 1 -segment_list list.m3u8 -segment_list_size 0 s%d.ts`, "list.m3u8", 8},
	{"dash", `-f dash -seg_duration 1 manifest.mpd`, "manifest.mpd", 9},
}

// TestSegmenter records as a live encoder does: segment after segment, and the
// list of them over and over, directly and through temporary names. Each
// segment is uploaded once; of the list, which may change while its last version
// is on its way, at most each version, and in the end the last.
func TestSegmenter(t *testing.T) {
	rig.Need(t, "ffmpeg")
	b := newBench(t, nil)
	lists := make(map[string]int)
	for _, rec := range recordings {
		b.both(`mkdir ` + rec.name + `; cd ` + rec.name + `
ffmpeg -nostdin -loglevel error -fflags +bitexact -f lavfi -i testsrc2=duration=6:size=160x120:rate=10 -c:v mpeg2video -threads 1 -flags +bitexact -g 10 ` + rec.args + `
ls -I '*.settings.json'`)
		lists[rec.name+"/"+rec.list] = rec.lists
	}
	b.m.Unmount()
	b.settled()
	for name, s := range b.r.Saves(b.mark) {
		switch most := lists[name]; {
		case most > 0:
			if s.Objects < 1 || s.Objects > most || s.Sidecars > s.Objects || s.Copies+s.Restated > 0 {
				t.Errorf("S3 was given of %s: %v; ffmpeg saved at most %d", name, s, most)
			}
		case s != once:
			t.Errorf("S3 was given of %s: %v", name, s)
		case path.Ext(name) == ".tmp":
			t.Errorf("S3 was given %s", name)
		}
	}
	cold := b.r.Mount("cold")
	b.r.Truth(cold)
	for name := range lists {
		if path.Ext(name) == ".mpd" {
			continue // which says when it was written
		}
		cold.Run("cmp", name, b.local+"/"+name)
	}
	cold.Unmount()
}
