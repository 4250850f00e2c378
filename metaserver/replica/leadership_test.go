package replica

import (
	"testing"
	"time"
)

// TestLateConfirmation: a term's barrier may come out of the applier at the moment
// at which leadership is lost. What it confirms then is over.
func TestLateConfirmation(t *testing.T) {
	notify, idle, late, ended := make(chan bool), make(chan struct{}), make(chan struct{}), make(chan struct{})
	l := &leadership{
		notify: notify, poll: time.Millisecond,
		watch: func() {
			select {
			case idle <- struct{}{}:
			default:
			}
		},
		confirmBy: func(cancel <-chan struct{}, confirmed chan<- Leadership) {
			<-late
			select {
			case confirmed <- Leadership{Leader: true, Term: 1}:
			case <-cancel:
			}
			ended <- struct{}{}
		},
	}
	l.start()
	defer l.close()
	for range 50 {
		notify <- true
		notify <- false
		<-idle
		late <- struct{}{}
		<-ended
		<-idle
		if lead, _ := l.current(); lead.Leader {
			t.Fatal("it leads after it has lost leadership")
		}
	}
}
