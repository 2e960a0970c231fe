package db

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// nodeBits tell processes apart that share a database.
const nodeBits = 12

var (
	node     = rand.Int64N(1 << nodeBits)
	lastTick atomic.Int64
)

// NextID is a number that no transaction got before. Numbers got later in a
// process are larger, and they grow with time across processes: microseconds
// since 1970, each used once, and the process. It is never reused when the
// clock goes back while the process runs.
func NextID() int64 {
	now := time.Now().UnixMicro()
	for {
		last := lastTick.Load()
		next := max(now, last+1)
		if lastTick.CompareAndSwap(last, next) {
			return next<<nodeBits | node
		}
	}
}
