// Package keyring keeps the creator's keys on disk and issues session records with
// them. It alone reads root keys; the packager is given the folder of session keys and
// nothing else.
package keyring
