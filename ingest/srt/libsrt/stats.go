package libsrt

import (
	"fmt"
	"time"
)

// perf is struct CBytePerfMon of libsrt 1.5.
//
//nolint:unused // what is not read keeps the rest in its place
type perf struct {
	msTimeStamp                                                                int64
	pktSentTotal, pktRecvTotal                                                 int64
	pktSndLossTotal, pktRcvLossTotal, pktRetransTotal                          int32
	pktSentACKTotal, pktRecvACKTotal, pktSentNAKTotal, pktRecvNAKTotal         int32
	usSndDurationTotal                                                         int64
	pktSndDropTotal, pktRcvDropTotal, pktRcvUndecryptTotal                     int32
	byteSentTotal, byteRecvTotal, byteRcvLossTotal, byteRetransTotal           uint64
	byteSndDropTotal, byteRcvDropTotal, byteRcvUndecryptTotal                  uint64
	pktSent, pktRecv                                                           int64
	pktSndLoss, pktRcvLoss, pktRetrans, pktRcvRetrans                          int32
	pktSentACK, pktRecvACK, pktSentNAK, pktRecvNAK                             int32
	mbpsSendRate, mbpsRecvRate                                                 float64
	usSndDuration                                                              int64
	pktReorderDistance                                                         int32
	pktRcvAvgBelatedTime                                                       float64
	pktRcvBelated                                                              int64
	pktSndDrop, pktRcvDrop, pktRcvUndecrypt                                    int32
	byteSent, byteRecv, byteRcvLoss, byteRetrans                               uint64
	byteSndDrop, byteRcvDrop, byteRcvUndecrypt                                 uint64
	usPktSndPeriod                                                             float64
	pktFlowWindow, pktCongestionWindow, pktFlightSize                          int32
	msRTT, mbpsBandwidth                                                       float64
	byteAvailSndBuf, byteAvailRcvBuf                                           int32
	mbpsMaxBW                                                                  float64
	byteMSS                                                                    int32
	pktSndBuf, byteSndBuf, msSndBuf, msSndTsbPdDelay                           int32
	pktRcvBuf, byteRcvBuf, msRcvBuf, msRcvTsbPdDelay                           int32
	pktSndFilterExtraTotal, pktRcvFilterExtraTotal                             int32
	pktRcvFilterSupplyTotal, pktRcvFilterLossTotal                             int32
	pktSndFilterExtra, pktRcvFilterExtra, pktRcvFilterSupply, pktRcvFilterLoss int32
	pktReorderTolerance                                                        int32
	pktSentUniqueTotal, pktRecvUniqueTotal                                     int64
	byteSentUniqueTotal, byteRecvUniqueTotal                                   uint64
	pktSentUnique, pktRecvUnique                                               int64
	byteSentUnique, byteRecvUnique                                             uint64
}

// Stats is what a connection's receiver knows. Counts are of the connection's whole life.
type Stats struct {
	RTT           time.Duration
	Packets       int64 // received, repetitions included
	Bytes         int64 // received, with the headers of packets
	Sent          int64 // packets sent, repetitions included
	Lost          int64 // packets missed; most of them come when they are sent again
	Dropped       int64 // packets given up: they did not come in time
	Undecrypted   int64 // packets that the key did not fit
	Retransmitted int64 // packets received that were sent again, since the last call
	Buffered      int   // bytes that wait for their time
	BufferedTime  time.Duration
	Latency       time.Duration // how long what arrives waits for what is lost
}

// Stats reads a connection's figures and begins to count Retransmitted anew, which the
// library has no total of.
func (l *Library) Stats(u Socket) (Stats, error) {
	p := new(perf)
	if _, err := l.do(func() int32 { return l.stats(int32(u), p, 1) }); err != nil {
		return Stats{}, fmt.Errorf("read figures of SRT connection: %w", err)
	}
	const ms = time.Millisecond
	return Stats{
		RTT:           time.Duration(p.msRTT * float64(ms)),
		Packets:       p.pktRecvTotal,
		Bytes:         int64(p.byteRecvTotal),
		Sent:          p.pktSentTotal,
		Lost:          int64(p.pktRcvLossTotal),
		Dropped:       int64(p.pktRcvDropTotal),
		Undecrypted:   int64(p.pktRcvUndecryptTotal),
		Retransmitted: int64(p.pktRcvRetrans),
		Buffered:      int(p.byteRcvBuf),
		BufferedTime:  time.Duration(p.msRcvBuf) * ms,
		Latency:       time.Duration(p.msRcvTsbPdDelay) * ms,
	}, nil
}
