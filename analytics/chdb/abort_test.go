package chdb

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
)

func TestABatchThatBreaksOffLeavesNothing(t *testing.T) {
	e := engine(t)
	db := database(t, e)
	in := url.Values{"database": {db}}
	says(t, e, asked{query: in, body: "CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n"}, "")
	for _, body := range []string{
		"3\r\n1\n2\r\n",                           // no end
		"3\r\n1\n2\r\nzz\r\n",                     // no chunk
		fmt.Sprintf("%x\r\n%s", 1<<20, "1\n2\n3"), // not all of a chunk
	} {
		c, err := net.Dial("tcp", e.Addr())
		if err != nil {
			t.Fatal(err)
		}
		q := url.Values{"database": {db}, "query": {"INSERT INTO t FORMAT TSV"}, "user": {Owner}, "password": {e.orders.Password}}
		_, err = fmt.Fprintf(c, "POST /?%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%s", q.Encode(), body)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if answer, _ := io.ReadAll(c); len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 400") {
			t.Errorf("%q was answered by %q", body, answer)
		}
		_ = c.Close()
	}
	await(t, func() bool {
		_, n := ask(t, e, asked{body: "SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO t %'"})
		return n == "0\n"
	})
	says(t, e, asked{query: in, body: "SELECT count() FROM t"}, "0\n")
}
