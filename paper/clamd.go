package paper

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"time"
)

// Clamd asks a ClamAV daemon, over its INSTREAM command. Address is host:port, or
// the path of its socket.
type Clamd struct{ Address string }

// clamdTime bounds how long one file is looked at.
const clamdTime = 30 * time.Second

// Scan looks at one file. Whatever keeps the daemon from answering is an error:
// what was not looked at is not clean.
func (c Clamd) Scan(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, clamdTime)
	defer cancel()
	network := "tcp"
	if strings.HasPrefix(c.Address, "/") {
		network = "unix"
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, c.Address)
	if err != nil {
		return fmt.Errorf("clamd: %w", err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return fmt.Errorf("clamd: %w", err)
		}
	}
	message := append([]byte("zINSTREAM\x00"), binary.BigEndian.AppendUint32(nil, uint32(len(body)))...)
	message = append(message, body...)
	message = append(message, 0, 0, 0, 0)
	if _, err := conn.Write(message); err != nil {
		return fmt.Errorf("clamd: %w", err)
	}
	answer, err := bufio.NewReader(conn).ReadString(0)
	if err != nil {
		return fmt.Errorf("clamd: %w", err)
	}
	answer = strings.TrimSuffix(answer, "\x00")
	switch what, found := strings.CutSuffix(strings.TrimPrefix(answer, "stream: "), " FOUND"); {
	case found:
		return &Infected{what}
	case answer == "stream: OK":
		return nil
	}
	return fmt.Errorf("clamd answers %q", answer)
}
