// Package packager turns pieces into signed entries. It is the only writer of the
// MANIFEST: for every rendition it folds what is already there, signs an entry for
// each piece that follows, in order, and lets nothing signed leave before the bus has
// acknowledged it in its place. It also signs what closes the files of the archive. It
// holds session keys only.
package packager
