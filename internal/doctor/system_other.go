//go:build !linux

package doctor

// clockSync is not known here.
func clockSync() clockState { return unknown }

// libcLoaders returns nothing: glibc is Linux's.
func libcLoaders() (patterns []string, do string) { return nil, "" }
