package credential

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/ident"
)

var noon = time.Date(2025, 6, 20, 12, 0, 0, 0, zone)

func issuer(t testing.TB, regions ...ident.Region) *Issuer {
	t.Helper()
	signer, err := gm.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	i, err := NewIssuer(signer, regions...)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// reason is why an error refuses, and fails for any other error.
func reason(t testing.TB, err error) Reason {
	t.Helper()
	var r *Refused
	if !errors.As(err, &r) {
		t.Fatalf("%v does not refuse", err)
	}
	return r.Reason
}

func TestCode(t *testing.T) {
	i := issuer(t, "990100", "320000")
	r := NewReader(i.Party)
	rapid.Check(t, func(t *rapid.T) {
		c := &Claims{
			Kind: Kind(rapid.IntRange(int(Own), int(Voucher)).Draw(t, "kind")), Person: rapid.StringMatching(`[0-9a-zA-Z-]{1,64}`).Draw(t, "person"),
			Bearer: rapid.Int64Min(1).Draw(t, "bearer"), Region: rapid.SampledFrom([]string{"990100", "320100", "320585"}).Draw(t, "region"),
			Issued: time.UnixMilli(rapid.Int64Range(0, 1<<47).Draw(t, "issued")),
		}
		if c.Kind == Voucher {
			c.Bearer = 0
		}
		code, err := i.Issue(c)
		if err != nil {
			t.Fatal(err)
		}
		age := time.Duration(rapid.Int64Range(int64(-Skew), int64(CodeLife)).Draw(t, "age"))
		got, err := r.Read(code, c.Issued.Add(age))
		if err != nil {
			t.Fatal(err)
		}
		if *got != *c {
			t.Fatalf("%+v was read as %+v", c, got)
		}
		if len(c.Person) > 5 && strings.Contains(code, c.Person) {
			t.Fatal("the code tells whose it is")
		}
		again, err := i.Issue(c)
		if err != nil || again == code || again[20:60] == code[20:60] {
			t.Fatalf("two codes of a person look alike, %v", err)
		}
	})
}

// TestTamper changes each character of a code, cuts it at each place, and puts
// two together.
func TestTamper(t *testing.T) {
	i := issuer(t, "990100")
	r := NewReader(i.Party)
	issue := func() string {
		code, err := i.Issue(&Claims{Kind: Own, Person: "0123456789abcdef0123", Bearer: 7, Region: "990100", Issued: noon})
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	code, other := issue(), issue()
	if _, err := r.Read(code, noon); err != nil {
		t.Fatal(err)
	}
	for n := range code {
		for _, c := range []byte("A_9z") {
			if code[n] == c {
				continue
			}
			changed := code[:n] + string(c) + code[n+1:]
			if _, err := r.Read(changed, noon); err == nil {
				t.Fatalf("character %d changed to %c is accepted", n, c)
			}
		}
		if _, err := r.Read(code[:n], noon); err == nil {
			t.Fatalf("%d characters are accepted", n)
		}
		if _, err := r.Read(code[:n]+other[n:], noon); err == nil && code[:n] != other[:n] && code[n:] != other[n:] {
			t.Fatalf("two codes put together at %d are accepted", n)
		}
	}
}

func TestRefusals(t *testing.T) {
	here, there := issuer(t, "990100"), issuer(t, "990200")
	r := NewReader(here.Party, there.Party)
	code := func(i *Issuer, kind Kind, bearer int64) string {
		region := string(i.Regions[0])
		code, err := i.Issue(&Claims{Kind: kind, Person: "p", Bearer: bearer, Region: region, Issued: noon})
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	if _, err := here.Issue(&Claims{Kind: Own, Person: "p", Bearer: 1, Region: "990200", Issued: noon}); reason(t, err) != WrongRegion {
		t.Errorf("issuing for another region: %v", err)
	}
	// A stolen or careless issuer of one region cannot speak for another.
	wide := *here.Party
	wide.Regions = []ident.Region{"990100", "990200"}
	bad, err := (&Issuer{&wide, here.signer}).Issue(&Claims{Kind: Own, Person: "p", Bearer: 1, Region: "990200", Issued: noon})
	if err != nil {
		t.Fatal(err)
	}
	// One with the public key of another but its own private key.
	false1 := Issuer{here.Party, there.signer}
	forged := code(&false1, Own, 1)
	tests := []struct {
		name, code string
		now        time.Time
		want       Reason
	}{
		{"nothing", "", noon, Malformed},
		{"a citizen ID", "990100198503120014", noon, Malformed},
		{"something long", strings.Repeat("A", 10_000), noon, Malformed},
		{"not base64", strings.Repeat("!", 200), noon, Malformed},
		{"of nobody known", code(issuer(t, "990100"), Own, 1), noon, UnknownIssuer},
		{"of an issuer for another region", bad, noon, WrongRegion},
		{"signed by another", forged, noon, Forged},
		{"too old", code(here, Own, 1), noon.Add(CodeLife + time.Millisecond), Expired},
		{"a family member's, too old", code(here, Family, 1), noon.Add(CodeLife + time.Millisecond), Expired},
		{"a voucher, too old", code(here, Voucher, 0), noon.Add(VoucherLife + time.Millisecond), Expired},
		{"from the future", code(here, Own, 1), noon.Add(-Skew - time.Millisecond), Early},
		{"a voucher of a phone", code(here, Voucher, 1), noon, Malformed},
		{"a code of no phone", code(here, Own, 0), noon, Malformed},
		{"of no kind", code(here, 9, 1), noon, Malformed},
	}
	for _, tt := range tests {
		if _, err := r.Read(tt.code, tt.now); reason(t, err) != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want.Title())
		}
	}
	if _, err := r.Read(" "+code(there, Own, 1)+"\r\n", noon); err != nil {
		t.Errorf("as scanners send it, with an end of line: %v", err)
	}
	if _, err := r.Read(code(here, Voucher, 0), noon.Add(VoucherLife)); err != nil {
		t.Errorf("a voucher at the end of its life: %v", err)
	}
}

func TestPartyText(t *testing.T) {
	i := issuer(t, "990100", "320000")
	p, err := ParseParty(i.Text())
	if err != nil {
		t.Fatal(err)
	}
	code, err := i.Issue(&Claims{Kind: Own, Person: "p", Bearer: 1, Region: "320100", Issued: noon})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := NewReader(p).Read(code, noon); err != nil || c.Person != "p" {
		t.Errorf("another platform reads %+v, %v", c, err)
	}
	for _, bad := range []string{"", "a b", "a b c", i.Public.String() + " 00 990100", strings.Replace(i.Text(), "990100", "9901", 1)} {
		if _, err := ParseParty(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func FuzzRead(f *testing.F) {
	i := issuer(f, "990100")
	r := NewReader(i.Party)
	code, err := i.Issue(&Claims{Kind: Own, Person: "p", Bearer: 1, Region: "990100", Issued: noon})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(code)
	f.Add("")
	f.Add(code[:len(code)-1])
	f.Add(strings.Repeat("A", 200))
	f.Fuzz(func(t *testing.T, s string) {
		c, err := r.Read(s, noon)
		if err != nil {
			reason(t, err)
		} else if strings.TrimSpace(s) != code {
			t.Fatalf("%q is accepted as %+v", s, c)
		}
	})
}

func BenchmarkCode(b *testing.B) {
	i := issuer(b, "990100")
	r := NewReader(i.Party)
	for b.Loop() {
		code, err := i.Issue(&Claims{Kind: Own, Person: "0123456789abcdef0123", Bearer: 7, Region: "990100", Issued: noon})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Read(code, noon); err != nil {
			b.Fatal(err)
		}
	}
}
