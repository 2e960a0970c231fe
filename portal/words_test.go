package portal

import (
	"testing"

	"github.com/anji-platform/anji/claim"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/filing"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/tipoff"
)

// TestWords: what the rooms name is said in English too.
func TestWords(t *testing.T) {
	var all []string
	for _, s := range []filing.State{filing.Draft, filing.Submitted, filing.Accepted, filing.Returned, filing.Refused, filing.Withdrawn, filing.Expired} {
		all = append(all, s.Progress())
	}
	for _, s := range []claim.State{claim.Draft, claim.Submitted, claim.Accepted, claim.Reviewed, claim.Approved, claim.Paying, claim.Failed, claim.Paid, claim.Closed, claim.Returned, claim.Refused, claim.Withdrawn, claim.Appealed} {
		all = append(all, s.Title())
	}
	for _, special := range []bool{false, true} {
		all = append(all, policy.SpecialDisease{Special: special}.Kind())
	}
	for _, s := range tipoff.States() {
		all = append(all, s.Title())
	}
	for _, a := range tipoff.Abouts() {
		all = append(all, a.Title())
	}
	for s := contribution.Open; s <= contribution.Refunded; s++ {
		all = append(all, s.Title())
	}
	for kind := range movements {
		all = append(all, movement(kind))
	}
	for _, k := range []filing.Kind{filing.KindReferral, filing.KindDisease, filing.KindDesignation, filing.KindInjury, filing.KindAway} {
		all = append(all, k.Title())
	}
	for l := policy.Level(0); int(l) < len(policy.Names("level")); l++ {
		all = append(all, l.Title())
	}
	for c := policy.LineClass(0); int(c) < len(policy.Names("class")); c++ {
		all = append(all, c.Title())
	}
	for s := policy.InsuredStatus(0); int(s) < len(policy.Names("insured")); s++ {
		all = append(all, s.Title())
	}
	if len(all) < 20 {
		t.Fatalf("%q", all)
	}
	for _, zh := range all {
		if english(zh) == zh {
			t.Errorf("%s is not said in English", zh)
		}
	}
}
