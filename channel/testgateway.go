package channel

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/money"
)

// TestGateway is an online channel of our own beside made-up data (本地测试渠道): no
// money moves. It behaves as real ones do: paying and being told of it are two
// things; notices are signed, come in any order, may come more than once and
// late, and come again until they are answered; a refund is given once.
type TestGateway struct {
	Address string // where it is reached, for the payer
	Notify  string // where it sends notices
	Client  *http.Client

	key *gm.Signer

	mu      sync.Mutex
	orders  map[string]Order
	trades  map[string]*trade
	refunds map[string]Refund
	n       int
	down    bool
}

type trade struct {
	Paid
	answered bool
	refunded money.Fen
}

// NewTestGateway returns a channel.
func NewTestGateway() (*TestGateway, error) {
	key, err := gm.NewSigner()
	return &TestGateway{key: key, orders: map[string]Order{}, trades: map[string]*trade{}, refunds: map[string]Refund{}}, err
}

// Name says that it is for tests.
func (g *TestGateway) Name() string { return "test" }

// Order makes an order.
func (g *TestGateway) Order(_ context.Context, o Order) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down {
		return "", fmt.Errorf("the channel does not answer")
	}
	g.orders[o.ID] = o
	return g.Address + "/" + o.ID, nil
}

// Down makes the channel answer nothing, or answer again.
func (g *TestGateway) Down(down bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down = down
}

// Pay is what the payer does there; the notice is yet to be sent. An order may
// be paid twice, as happens on two phones.
func (g *TestGateway) Pay(order string, at time.Time) (trade string, err error) {
	return g.PayOther(order, 0, at)
}

// PayOther pays another amount than the order's; 0 is the order's.
func (g *TestGateway) PayOther(order string, amount money.Fen, at time.Time) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o, ok := g.orders[order]
	if !ok {
		return "", fmt.Errorf("no order %s", order)
	}
	if amount == 0 {
		amount = o.Amount
	}
	g.n++
	id := fmt.Sprintf("T%06d", g.n)
	g.trades[id] = &trade{Paid: Paid{order, id, amount, at}}
	return id, nil
}

type notice struct {
	Order, Trade string
	Fen          int64
	At           int64
}

// Send sends the notice of a trade once, whether it was answered before or not,
// and says whether it is answered now.
func (g *TestGateway) Send(ctx context.Context, id string) (bool, error) {
	g.mu.Lock()
	t := g.trades[id]
	g.mu.Unlock()
	if t == nil {
		return false, fmt.Errorf("no trade %s", id)
	}
	body, err := json.Marshal(notice{t.Order, t.Trade, int64(t.Amount), t.At.UnixMilli()})
	if err != nil {
		return false, err
	}
	signature, err := g.key.Sign(body)
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.Notify, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("X-Signature", fmt.Sprintf("%x", signature))
	client := g.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	ok := err == nil && resp.StatusCode == http.StatusOK && string(answer) == "success"
	if ok {
		g.mu.Lock()
		t.answered = true
		g.mu.Unlock()
	}
	return ok, err
}

// SendAll sends the notices that were not answered yet, and says how many still
// are not.
func (g *TestGateway) SendAll(ctx context.Context) (left int) {
	g.mu.Lock()
	var ids []string
	for id, t := range g.trades {
		if !t.answered {
			ids = append(ids, id)
		}
	}
	g.mu.Unlock()
	for _, id := range ids {
		if ok, err := g.Send(ctx, id); err != nil || !ok {
			left++
		}
	}
	return left
}

// maxNotice bounds a notice.
const maxNotice = 4 << 10

// Notice reads a notice that Send sent.
func (g *TestGateway) Notice(r *http.Request) (Paid, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxNotice))
	if err != nil {
		return Paid{}, err
	}
	var signature []byte
	if _, err := fmt.Sscanf(r.Header.Get("X-Signature"), "%x", &signature); err != nil || !g.key.Public().Verify(body, signature) {
		return Paid{}, fmt.Errorf("the signature is not the channel's")
	}
	var n notice
	if err := json.Unmarshal(body, &n); err != nil {
		return Paid{}, err
	}
	return Paid{n.Order, n.Trade, money.Fen(n.Fen), time.UnixMilli(n.At)}, nil
}

// Refund gives a payment back, once.
func (g *TestGateway) Refund(_ context.Context, r Refund) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.trades[r.Trade]
	switch {
	case g.down:
		return fmt.Errorf("the channel does not answer")
	case t == nil:
		return fmt.Errorf("no trade %s", r.Trade)
	}
	if _, before := g.refunds[r.Number]; before {
		return nil
	}
	if t.refunded+r.Amount > t.Amount {
		return fmt.Errorf("more than was paid")
	}
	t.refunded += r.Amount
	g.refunds[r.Number] = r
	return nil
}

// Refunded is what was given back of a trade.
func (g *TestGateway) Refunded(id string) money.Fen {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t := g.trades[id]; t != nil {
		return t.refunded
	}
	return 0
}
