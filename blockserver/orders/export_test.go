package orders

// AdmissionWaits tells whether something higher waits to be let in.
func AdmissionWaits(w *Worker) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended != nil
}
