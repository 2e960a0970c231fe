//go:build !unix

package traffic

import "time"

// processTime is the processor time that this process has taken; it is not
// known here.
func processTime() time.Duration { return 0 }
