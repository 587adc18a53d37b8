// Package view shows in a terminal what a viewer's session does, while it does it.
//
// Render, which is pure, says what stands there; Screen keeps it there, and is the only
// importer of the library that draws.
package view
