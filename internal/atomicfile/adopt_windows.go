package atomicfile

// Adopt does nothing: a new file has the rights of its directory.
func Adopt(string) error { return nil }
