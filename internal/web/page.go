package web

import (
	"bytes"
	"context"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	iofs "io/fs"
	"net/http"
	"strings"
	"time"

	"mcfs/internal/human"
	"mcfs/internal/status"
	"mcfs/sidecar"
)

//go:embed page.html page.js style.css
var assets embed.FS

var pages = template.Must(template.ParseFS(assets, "page.html"))

const (
	mostViewers   = 16
	mostReads     = 4
	lookEvery     = time.Second // at most
	restFactor    = 10          // for each second of looking
	lookTimeout   = 5 * time.Second
	readTimeout   = 8 * time.Second
	keepAlive     = 15 * time.Second // between signs of life to a viewer
	sayGoodbyeFor = 200 * time.Millisecond
)

// picture is how the mounts were at a time.
type picture struct {
	at      time.Time
	rest    time.Duration // for which it is good enough
	html    []byte
	serial  uint64            // another one, another html
	reading map[string]string // mountpoints by ID, of which settings can be read
}

// look is how the mounts are, or were a moment ago: one looks for all.
func (s *Server) look() (*picture, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil && time.Since(s.last.at) < s.last.rest {
		return s.last, nil
	}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(s.ctx, lookTimeout)
	defer cancel()
	reports, err := s.source.Reports(ctx)
	now := time.Now()
	var html bytes.Buffer
	if err := pages.ExecuteTemplate(&html, "live", viewOf(reports, err, now, s.recently)); err != nil {
		return nil, fmt.Errorf("render the page: %w", err)
	}
	p := &picture{at: now, rest: max(lookEvery, restFactor*now.Sub(begun)), html: html.Bytes(), reading: s.readable(reports)}
	if s.last != nil {
		p.serial = s.last.serial
	}
	if s.last == nil || !bytes.Equal(s.last.html, p.html) {
		p.serial++
	}
	s.last = p
	return p, nil
}

// readable lists the mounts whose settings can be read, and forgets what happened in others.
func (s *Server) readable(reports []status.Report) map[string]string {
	list, there := make(map[string]string), make(map[string]bool)
	for _, r := range reports {
		if r.Mountpoint != "" && r.Status != nil {
			list[mountID(r)] = r.Mountpoint
		}
		there[r.Mountpoint] = true
	}
	for at, r := range s.recent {
		if !there[at] && r.isGone() {
			delete(s.recent, at)
		}
	}
	return list
}

func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	p, err := s.look()
	if err != nil {
		http.Error(w, human.OneLine(err), http.StatusInternalServerError)
		return
	}
	render(w, http.StatusOK, "page", template.HTML(p.html)) // made by the template of the status
}

// events sends the page's main part whenever it has changed, until the viewer has gone, does not
// read, or Close.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	select {
	case s.viewers <- struct{}{}:
		defer func() { <-s.viewers }()
	default:
		http.Error(w, "503: too many look at the page", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	if r.Method == http.MethodHead {
		return
	}
	out := http.NewResponseController(w)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	send := func(within time.Duration, text string) error {
		if err := out.SetWriteDeadline(time.Now().Add(within)); err != nil {
			return err
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
		return out.Flush()
	}
	for serial, sent := uint64(0), time.Now(); ; {
		p, err := s.look()
		if err != nil {
			return
		}
		text := ""
		switch {
		case p.serial != serial:
			text = "event: status\ndata: " + strings.ReplaceAll(string(p.html), "\n", "\ndata: ") + "\n\n"
		case time.Since(sent) > keepAlive:
			text = ": nothing new\n\n"
		}
		if text != "" {
			if send(writeTimeout, text) != nil {
				return
			}
			serial, sent = p.serial, time.Now()
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		case <-s.ctx.Done():
			_ = send(sayGoodbyeFor, "event: ended\ndata: ended\n\n")
			return
		}
	}
}

// fields are what MediaConvert's console asks of an encrypted input, in its words.
type fields struct {
	Title, Error, Note string
	List               []field
}

type field struct{ ID, Name, Value string }

// settings shows the decryption settings of one file.
func (s *Server) settings(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(strings.Trim(r.URL.Query().Get("path"), "/"), sidecar.Suffix)
	p, err := s.look()
	if err != nil {
		http.Error(w, human.OneLine(err), http.StatusInternalServerError)
		return
	}
	mountpoint, known := p.reading[r.URL.Query().Get("mount")]
	show := fields{Title: text(path)}
	switch {
	case !known:
		show.Error = "The mount is not there any more."
	case path == "." || !iofs.ValidPath(path):
		show.Error = "Give the path of a file in the volume, like day1/film.mov."
	default:
		found, err := s.read(r.Context(), mountpoint, path)
		if err == nil {
			show.of(found)
			render(w, http.StatusOK, "settings", show)
			return
		}
		show.Error = "Its settings cannot be shown: " + text(human.OneLine(err)) + ". A file has settings once it is in the store; mcfs settings and its path says more."
	}
	render(w, http.StatusNotFound, "settings", show)
}

// read reads settings, not many at once.
func (s *Server) read(ctx context.Context, mountpoint, path string) (sidecar.Settings, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	select {
	case s.reads <- struct{}{}:
		defer func() { <-s.reads }()
	case <-ctx.Done():
		return sidecar.Settings{}, fmt.Errorf("settings of %s: %w", path, ctx.Err())
	}
	return s.source.Settings(ctx, mountpoint, path)
}

func (f *fields) of(s sidecar.Settings) {
	f.List = []field{
		{"mode", "Decryption mode", s.Mode},
		{"key", "Encrypted data key", base64.StdEncoding.EncodeToString(s.Key)},
		{"iv", "Initialization vector", base64.StdEncoding.EncodeToString(s.IV)},
		{"region", "AWS Region for decryption key", s.Region},
	}
	switch {
	case s.IsLocal():
		f.Note = "A local keyring has made this data key, which AWS cannot use."
	case s.Region == "":
		f.Note = "No region is named: it is that of the job."
	}
	if s.FileInput != "" {
		f.List = append(f.List, field{"input", "Input file URL", text(s.FileInput)})
	}
}

func render(w http.ResponseWriter, code int, name string, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, human.OneLine(err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes()) // to a reader who has gone, perhaps
}

// asset answers with a file of the page.
func asset(name, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		b, err := assets.ReadFile(name)
		if err != nil {
			http.Error(w, human.OneLine(err), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(b) // to a reader who has gone, perhaps
	}
}
