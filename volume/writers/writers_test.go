package writers

import (
	"fmt"
	"slices"
	"testing"
)

// TestSorted: by path, whoever writes, and each once.
func TestSorted(t *testing.T) {
	a, b := Writer{Path: "b", By: "cat (1)"}, Writer{Path: "a"}
	told := Writer{Path: "a.part", Told: "a"}
	got := fmt.Sprint(Sorted([]Writer{a, told, b, a, {}}))
	if want := "[a program: a file without a name a program: a whoever is to rename it to a: a.part cat (1): b]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestAwait: it ends when nobody writes any more, and tells a list once.
func TestAwait(t *testing.T) {
	var s Handles[int]
	s.Add(1)
	s.Add(2)
	list := func() (list []Writer) {
		for _, h := range s.Open() {
			list = append(list, Writer{Path: fmt.Sprint(h)})
		}
		return Sorted(list)
	}
	told, ended := make(chan []Writer), make(chan []Writer)
	go func() { ended <- s.Await(nil, list, func(w []Writer) { told <- w }) }()
	if first := <-told; len(first) != 2 {
		t.Errorf("first %v", first)
	}
	s.Wake() // nothing has changed
	s.Remove(1)
	if next := <-told; !slices.Equal(next, []Writer{{Path: "2"}}) {
		t.Errorf("next %v", next)
	}
	s.Remove(2)
	if left := <-ended; left != nil {
		t.Errorf("left %v", left)
	}
}

// TestAwaitIsStopped: it returns who writes still.
func TestAwaitIsStopped(t *testing.T) {
	var s Handles[int]
	stop := make(chan struct{})
	close(stop)
	if left := s.Await(stop, func() []Writer { return []Writer{{Path: "a"}} }, nil); len(left) != 1 {
		t.Errorf("left %v", left)
	}
}
