package orders

// AdmissionWaits tells whether something higher waits to be let in.
func AdmissionWaits(w *Worker) bool {
	if w.mu.TryRLock() {
		w.mu.RUnlock()
		return false
	}
	return true
}
