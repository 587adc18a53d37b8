package keyring

// Quick makes passphrases cheap to try, which saves tests seconds.
func (s *Store) Quick() *Store {
	s.workFactor = 10
	return s
}
