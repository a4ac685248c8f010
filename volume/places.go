package volume

import (
	"slices"

	"mcfs/volume/changes"
	"mcfs/volume/remote"
)

// places are where a version of n may be, the latest last; moving says that it is
// on its way between them.
func (n *Node) places(ver *remote.Version) (places []string, moving bool) {
	key, _ := ver.Place()
	v := n.v
	v.mu.Lock()
	defer v.mu.Unlock()
	path := v.path(n)
	places = v.moves.Since(key)
	for _, p := range append(v.queuedPlaces(n), path) {
		places = append(places, v.moves.Sources(p)...) // in a directory that is on its way itself, perhaps
		if !slices.Contains(places, p) {
			places = append(places, p) // one that goes on its way only after the file has left it
		}
	}
	return places, len(n.queued) > 0 || !v.moves.AtRest(path)
}

// queuedPlaces are the places through which the renames that are queued take the file, and
// from which it is to be localised; v.mu is held.
func (v *Volume) queuedPlaces(n *Node) (places []string) {
	for _, c := range n.queued {
		switch c.Op {
		case changes.Rename:
			places = append(places, c.Path, c.To)
		case changes.Localise:
			places = append(places, c.Path)
		}
	}
	return places
}
