package chdb

import "encoding/binary"

// helloQuery is what clickhouse-go asks first. It reads this one answer by the newest
// protocol that it knows, all later ones by the revision that the answer states.
const helloQuery = "SELECT displayName(), version(), revision(), timezone()"

// Versions of the native protocol from which a block has fields more.
const (
	protocolBlockInfo     = 1
	protocolSerialization = 54454
)

// helloBlock is the answer to helloQuery in Native, for a client of the protocol. The
// revision that it states is 0: the library writes blocks without the fields that later
// revisions added.
func helloBlock(protocol int, display, version, timezone string) []byte {
	var b []byte
	if protocol >= protocolBlockInfo {
		b = append(b, 1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0) // no overflow row, no bucket
	}
	b = append(b, 4, 1) // columns, rows
	column := func(name, kind string, value []byte) {
		b = blockString(blockString(b, name), kind)
		if protocol >= protocolSerialization {
			b = append(b, 0) // none of its own
		}
		b = append(b, value...)
	}
	column("displayName()", "String", blockString(nil, display))
	column("version()", "String", blockString(nil, version))
	column("revision()", "UInt32", make([]byte, 4))
	column("timezone()", "String", blockString(nil, timezone))
	return b
}

func blockString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
