package feed

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"mcfs/volume/event"
)

const (
	// history is how many events are kept.
	history = 4096
	// farewell is how long Close waits for listeners to read what is left.
	farewell = time.Second
)

// Place says where the files of a feed are.
type Place struct {
	Mountpoint string
	Address    string // of the volume, ends with "/" or its prefix; "" if it is not in S3
}

// Feed keeps the last events of one mount. It is an event.Observer.
type Feed struct {
	place Place
	run   string // tells the numbers of this mount from those of another
	most  int

	mu        sync.Mutex    // over memory alone
	kept      []entry       // a ring: number n lies at n % most
	next      uint64        // number of the next event; the first is 1
	news      chan struct{} // closed when there is another; nil: nobody waits
	ended     bool
	listeners int
	totals    map[Total]int64
	idle      chan struct{} // closed when the last listener has gone; nil: nobody waits
}

// entry is an event, and when it was.
type entry struct {
	event.Event
	at  time.Time
	job *Job // of an event of the kind kindJob
}

// New is a feed without events.
func New(p Place) *Feed { return newFeed(p, history) }

func newFeed(p Place, most int) *Feed {
	return &Feed{place: p, run: strings.ToLower(rand.Text()[:8]), most: most, next: 1, totals: map[Total]int64{}}
}

// Observe notes an event.
func (f *Feed) Observe(e event.Event) { f.note(entry{Event: e, at: time.Now()}) }

// ObserveJob notes what has become of a job.
func (f *Feed) ObserveJob(j Job) {
	f.note(entry{Event: event.Event{Kind: kindJob, Path: j.Path, What: string(j.What), Cause: j.Cause, Again: j.Again}, at: time.Now(), job: &j})
}

func (f *Feed) note(e entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	at := int(f.next % uint64(f.most))
	for len(f.kept) <= at {
		f.kept = append(f.kept, entry{})
	}
	f.kept[at] = e
	f.count(e)
	f.next++
	f.wake()
}

// wake wakes the listeners that wait for an event; f.mu is held.
func (f *Feed) wake() {
	if f.news != nil {
		close(f.news)
		f.news = nil
	}
}

// Close ends the feed: listeners are told so after all that has happened, and have a moment to read it.
func (f *Feed) Close() {
	f.mu.Lock()
	f.ended = true
	f.wake()
	if f.listeners == 0 {
		f.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	f.idle = idle
	f.mu.Unlock()
	t := time.NewTimer(farewell)
	defer t.Stop()
	select {
	case <-idle:
	case <-t.C:
	}
}

// Last is the number of the last event.
func (f *Feed) Last() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next - 1
}

// Since is what Follow is told for all that happens from now on, whenever it begins.
func (f *Feed) Since() string { return f.seq(f.Last()) }

// oldest is the number of the first event that is kept; f.mu is held.
func (f *Feed) oldest() uint64 {
	if f.next > uint64(f.most) {
		return f.next - uint64(f.most)
	}
	return 1
}

// batch is how many events a listener takes at once.
const batch = 64

// read returns events from a number on. missed is how many of them are not kept any more. Where
// there are none, news is closed when there are, unless the feed has ended.
func (f *Feed) read(from uint64) (list []entry, missed uint64, news <-chan struct{}, ended bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if first := f.oldest(); from < first {
		missed, from = first-from, first
	}
	for n := from; n < f.next && len(list) < batch; n++ {
		list = append(list, f.kept[n%uint64(f.most)])
	}
	if len(list) == 0 && missed == 0 && !f.ended {
		if f.news == nil {
			f.news = make(chan struct{})
		}
		news = f.news
	}
	return list, missed, news, f.ended
}

// Follow sends a line for each event at and below a path of the volume, "" for all, until ctx or the
// feed ends: those after the one that since names, as an earlier line has told it, or without it
// those from now on. The first line says that the listener is there. send may take its time.
func (f *Feed) Follow(ctx context.Context, under, since string, send func(Line) error) error {
	from, known := f.join(since)
	defer f.leave()
	if err := send(f.line(kindListening, from-1)); err != nil {
		return err
	}
	if !known {
		if err := send(f.line(kindMissed, from-1)); err != nil {
			return err
		}
	}
	under = strings.Trim(under, "/")
	for {
		list, missed, news, ended := f.read(from)
		if missed > 0 {
			from += missed
			l := f.line(kindMissed, from-1)
			l.Missed = missed
			if err := send(l); err != nil {
				return err
			}
		}
		for _, e := range list {
			from++
			if !e.concerns(under) {
				continue
			}
			if err := send(f.lineOf(e, from-1)); err != nil {
				return err
			}
		}
		switch {
		case len(list) > 0 || missed > 0:
		case ended:
			return send(f.line(kindEnded, from-1))
		default:
			select {
			case <-news:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
}

// join counts a listener, and returns the number from which it is to be told. known says whether
// since could be understood.
func (f *Feed) join(since string) (from uint64, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners++
	if since == "" {
		return f.next, true
	}
	n, ok := f.number(since)
	if !ok || n >= f.next {
		return f.oldest(), false
	}
	return n + 1, true
}

func (f *Feed) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listeners--; f.listeners == 0 && f.idle != nil {
		close(f.idle)
		f.idle = nil
	}
}

// concerns reports whether an event is about something at or below a path.
func (e entry) concerns(under string) bool {
	return within(e.Path, under) || e.To != "" && within(e.To, under) || e.Dir && (within(under, e.Path) || e.To != "" && within(under, e.To))
}

func within(path, dir string) bool {
	return dir == "" || path == dir || strings.HasPrefix(path, dir+"/")
}
