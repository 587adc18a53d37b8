// Package datadir opens the directory that holds all of an instance's state: it keeps
// a second instance out, refuses what a newer version wrote, upgrades what an older one
// did, and tells other processes where the running instance listens.
//
//	FORMAT   the layout's number
//	LOCK     locked while an instance runs
//	run/     what is true only while an instance runs: addresses, control socket
//
// Everything else in it belongs to the services.
package datadir
