// Package proc runs the services of one process together: the first to stop stops
// all, those that take work from outside stop first, every stage of the shutdown has
// a time limit, and a second signal ends it at once.
package proc
