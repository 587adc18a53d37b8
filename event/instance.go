package event

import "strings"

// Instance names one run of a service: "<node>/<run>". The node outlives runs and its data
// dir is locked, so a run knows that earlier runs of its node are over.
type Instance string

// Shares reports whether other names a run of i's node: an earlier one, or i itself.
func (i Instance) Shares(other Instance) bool {
	node, _, ok := strings.Cut(string(i), "/")
	otherNode, _, otherOK := strings.Cut(string(other), "/")
	return ok && otherOK && node == otherNode
}

// Succeeds reports whether other names an earlier run of i's node.
func (i Instance) Succeeds(other Instance) bool { return i.Shares(other) && i != other }
