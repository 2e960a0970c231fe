package fund_test

import (
	"strings"
	"testing"
	"time"

	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/fund"
)

// TestStoreGuards shows that the store refuses what the code would never do.
func TestStoreGuards(t *testing.T) {
	ctx, d, _ := open(t)
	exec := func(q string) error {
		return d.Update(ctx, func(tx *db.Tx) error { return tx.Exec(ctx, q) })
	}
	err := d.Update(ctx, func(tx *db.Tx) error {
		return fund.Post(ctx, tx, fund.Entry{At: time.Now(), Kind: "test", Ref: "r", Postings: []fund.Posting{{Account: "a", Amount: 100}, {Account: "b", Amount: -100}}})
	})
	if err != nil {
		t.Fatal(err)
	}
	for q, want := range map[string]string{
		`INSERT INTO entry (id, at, kind, ref, debit, credit) VALUES (2, '', 'x', '', 1, 2)`: "CHECK",
		`REPLACE INTO entry (id, at, kind, ref) VALUES (1, '', 'x', '')`:                     "never deleted",
		`REPLACE INTO posting (entry, n, account, amount) VALUES (1, 0, 'a', 1)`:             "never deleted",
		`INSERT INTO posting (entry, n, account, amount) VALUES (9, 0, 'a', 1)`:              "FOREIGN KEY",
		`INSERT INTO posting (entry, n, account, amount) VALUES (1, 7, 'nobody', 1)`:         "FOREIGN KEY",
		`UPDATE posting SET amount = 0 WHERE entry = 1`:                                      "never changed",
	} {
		if err := exec(q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", q, err, want)
		}
	}
	// Postings that balance but are not the entry's are found.
	if err := exec(`INSERT INTO posting (entry, n, account, amount) VALUES (1, 8, 'a', 5), (1, 9, 'b', -5)`); err != nil {
		t.Fatal(err)
	}
	err = d.View(ctx, func(tx *db.Tx) error { return fund.Verify(ctx, tx) })
	if err == nil || !strings.Contains(err.Error(), "entry 1 says that it moves 1.00, its postings move 1.05") {
		t.Errorf("verify: %v", err)
	}
}
