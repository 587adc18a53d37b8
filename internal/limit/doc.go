// Package limit bounds what one address may ask for, so that a crowd behind it takes
// nothing from others. This machine itself is free of such bounds: behind a proxy on it,
// everybody seems to be there.
package limit
