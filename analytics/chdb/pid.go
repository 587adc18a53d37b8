package chdb

// PID is the process that the engine runs in now; 0 while none runs.
func (e *Engine) PID() int { return int(e.watch.pid.Load()) }
