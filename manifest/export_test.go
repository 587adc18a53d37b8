package manifest

// SignedBy is what decides on signatures, for tests with crafted ones.
var SignedBy = signed
