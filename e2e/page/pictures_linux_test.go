package page

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// mostPicture is how large a picture may be, bytes.
const mostPicture = 150 << 10

// TestPictures makes the pictures of the README, dark and light, small enough to be kept: into
// $MCFS_PICTURES, as make pictures asks. Only the place of the mount is another one than it was.
func TestPictures(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("MCFS_PICTURES")
	if dir == "" {
		dir = t.TempDir()
	}
	w := begin(t, "reel.mov")
	defer w.end()
	b := open(t)
	if code := b.status(w.page); code != 200 {
		t.Fatalf("the page: %d", code)
	}
	b.await(rowOf("denied/reel.mov") + " && " + rowOf("film.mov") + "?.querySelector('progress').value > 0 && " + rowOf("day1/saved.mov"))
	w.open(6)
	b.await(rowOf("film.mov") + "?.innerText.includes(' left')")
	const width = 820
	b.do("be as high as the page", chromedp.EmulateViewport(width, 200))
	height := value[int64](b, "document.documentElement.scrollHeight")
	b.do("be as high as the page", chromedp.EmulateViewport(width, height))
	for _, which := range []string{"dark", "light"} {
		b.scheme(which)
		value[bool](b, "document.querySelector('h2 bdi').textContent = '/home/ada/ingest', true")
		shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatalf("picture: %v", err)
		}
		if len(shot) > mostPicture {
			t.Errorf("the picture that is %s has %d bytes, more than %d", which, len(shot), mostPicture)
		}
		if err := os.WriteFile(filepath.Join(dir, "page-"+which+".png"), shot, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
