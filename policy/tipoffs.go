package policy

import (
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/anji-platform/anji/civil"
)

// TipOffs is how long an agency may take over a tip-off (举报).
type TipOffs struct {
	AcceptDays int // working days in which it is said whether it is looked into; 0: no term
	CloseDays  int // working days from then in which it is closed; 0: no term
	Sources    []*Source
}

func (b *builder) tipOffs(n *yaml.Node) *TipOffs {
	t := &TipOffs{Sources: b.sourcesOf(n)}
	t.AcceptDays, _ = strconv.Atoi(str(n, "accept_days"))
	t.CloseDays, _ = strconv.Atoi(str(n, "close_days"))
	return t
}

// TipOffs is what holds in a region on a day: as its package says or, if it does
// not, the country's. ok is false if neither does.
func (s *Store) TipOffs(region string, day civil.Date) (t *TipOffs, ok bool) {
	for _, code := range []string{region, National} {
		if p, err := s.At(code, day); err == nil && p.tipOffs != nil {
			return p.tipOffs, true
		}
	}
	return nil, false
}

func (p *Package) tipOffSources() []*Source {
	if p.tipOffs == nil {
		return nil
	}
	return p.tipOffs.Sources
}
