package meta

import "github.com/seed-7d21a5b5/ashlar/protocol"

// Uploading tells that blocks will be stored at versions from the highest seen
// so far on, until the function returned is called. Every change reports the
// lowest such version as its session's low-water mark (reclamation.md, Lag of W):
// what is condemned above it is forgotten only later, so that the commit at the
// end need not be repeated. A mark that is too low delays that, nothing else.
func (g *Group) Uploading() (end func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.seen
	if g.uploads == nil {
		g.uploads = map[protocol.Version]int{}
	}
	g.uploads[v]++
	g.begun++
	return func() {
		g.endUpload(v)
		g.settleSoon()
	}
}

func (g *Group) endUpload(v protocol.Version) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.uploads[v]--; g.uploads[v] == 0 {
		delete(g.uploads, v)
	}
}

// ending tells that a request is under way that is the end of an upload, until the
// function returned is called.
func (g *Group) ending() (ended func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ends++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.ends--
	}
}

// lowWater is the lowest version that an upload under way may use, and how many
// are that are not about to end.
func (g *Group) lowWater() (low protocol.Version, uploading int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	low, uploading = g.seen, -g.ends
	for v, n := range g.uploads {
		uploading += n
		if v.Less(low) {
			low = v
		}
	}
	return low, uploading
}
