package replica

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// Leadership says whether this replica leads, and since which term. Leader is
// true only once an entry of the term's own has been applied here, so that the
// applied state is at least as new as everything acknowledged in earlier terms.
type Leadership struct {
	Leader bool
	Term   uint64
}

// leadership follows raft's notices and turns them into what others may rely on:
// Leader is true only after a barrier of the term has come out of the applier.
type leadership struct {
	raft   func() *raft.Raft
	notify <-chan bool
	// poll is how often a waiting step looks again.
	poll time.Duration
	// watch is called at each poll.
	watch func()
	// confirmBy takes confirm's place in tests.
	confirmBy func(cancel <-chan struct{}, confirmed chan<- Leadership)

	now  atomic.Pointer[Leadership]
	out  chan Leadership
	stop chan struct{}
	done chan struct{}
	// moved is closed and replaced at each change, for reads that wait.
	mu    sync.Mutex
	moved chan struct{}
}

func (l *leadership) start() {
	l.out, l.stop, l.done = make(chan Leadership, 1), make(chan struct{}), make(chan struct{})
	l.moved = make(chan struct{})
	l.now.Store(&Leadership{})
	go l.run()
}

// run drains raft's notices: raft blocks on them.
func (l *leadership) run() {
	defer close(l.done)
	confirmed := make(chan Leadership)
	cancel := make(chan struct{})
	tick := time.NewTicker(l.poll)
	defer tick.Stop()
	confirm := l.confirm
	if l.confirmBy != nil {
		confirm = l.confirmBy
	}
	for {
		select {
		case <-l.stop:
			close(cancel)
			l.set(Leadership{})
			close(l.out)
			return
		case leads := <-l.notify:
			close(cancel)
			// A confirmation under way is of a leadership that is over: nobody hears it.
			cancel, confirmed = make(chan struct{}), make(chan Leadership)
			l.set(Leadership{})
			if leads {
				go confirm(cancel, confirmed)
			}
		case c := <-confirmed:
			l.set(c)
		case <-tick.C:
			l.watch()
		}
	}
}

// confirm sends the term once an entry of it has been applied here. It ends with
// cancel, with lost leadership, or with raft.
func (l *leadership) confirm(cancel <-chan struct{}, confirmed chan<- Leadership) {
	node := l.raft()
	for {
		term := node.CurrentTerm()
		err := node.Barrier(0).Error()
		if err == nil && node.CurrentTerm() == term {
			select {
			case confirmed <- Leadership{Leader: true, Term: term}:
			case <-cancel:
			}
			return
		}
		select {
		case <-cancel:
			return
		case <-time.After(l.poll):
		}
		if node.State() != raft.Leader {
			return
		}
	}
}

// set keeps the newest state for the reader of out.
func (l *leadership) set(to Leadership) {
	if *l.now.Load() == to {
		return
	}
	l.now.Store(&to)
	l.mu.Lock()
	close(l.moved)
	l.moved = make(chan struct{})
	l.mu.Unlock()
	select {
	case <-l.out:
	default:
	}
	l.out <- to
}

// current is the present state, and a channel that closes when it changes.
func (l *leadership) current() (Leadership, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *l.now.Load(), l.moved
}

func (l *leadership) close() {
	close(l.stop)
	<-l.done
}
