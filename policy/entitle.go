package policy

// Entitlement says whether one fund would pay for care (待遇享受).
type Entitlement struct {
	Fund   *Fund
	Due    bool
	Reason string  // why it is not due, in Chinese
	Source *Source // the ground of Reason, nil if there is none
}

// oneYuan is what Entitled settles, in fen.
const oneYuan = 100

// Entitled says of every fund that serves the scheme of the case, in the order
// of the package, whether it would take part in paying for the care that the
// case describes: it settles one yuan in scope in place of the case's lines. A
// fund that takes part is due even if a deductible or a threshold comes first;
// one whose limit on payments is used up is not. The only errors are
// *InputError.
func (s *Store) Entitled(c *Case) ([]Entitlement, error) {
	probe := *c
	probe.Lines = []Line{{Amount: oneYuan, Ceiling: NoCeiling}}
	var r Result
	if err := s.Settle(&probe, &r, nil); err != nil {
		return nil, err
	}
	out := r.Package.fundsOf(c.Scheme)
	for i := range out {
		e := &out[i]
		switch {
		case r.Refused:
			e.Reason, e.Source = r.Reason, r.Source
		case !r.Plan.paysFrom(e.Fund, c.Scheme):
			e.Reason, e.Source = "「"+r.Plan.Title+"」不由该基金支付", firstSource(r.Plan.sources)
		default:
			e.Reason = "不符合该基金支付的条件"
			for _, sp := range r.Stages() {
				if sp.Fund != e.Fund {
					continue
				}
				if e.Due = e.Due || sp.Payable > 0; !e.Due {
					e.Reason = "「" + sp.Stage.Title + "」的年度限额已经用完"
				}
				e.Source = firstSource(sp.Stage.sources)
			}
			if e.Due {
				e.Reason, e.Source = "", nil
			}
		}
	}
	return out, nil
}

// fundsOf lists the funds from which a plan for the scheme pays.
func (p *Package) fundsOf(s Scheme) []Entitlement {
	var out []Entitlement
	for _, f := range p.funds {
		for _, pl := range p.plans {
			if pl.serves(s) && pl.paysFrom(f, s) {
				out = append(out, Entitlement{Fund: f})
				break
			}
		}
	}
	return out
}

// serves reports whether the plan can be that of a person in the scheme.
func (pl *Plan) serves(s Scheme) bool {
	for _, k := range pl.match {
		if k.sym.slot == slotScheme {
			return k.mask>>s&1 != 0
		}
	}
	return true
}

// paysFrom reports whether a stage of the plan pays from the fund.
func (pl *Plan) paysFrom(f *Fund, s Scheme) bool {
	for _, st := range pl.stages {
		if st.funds[s] == f {
			return true
		}
	}
	return false
}
