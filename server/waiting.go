package server

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/jpeg"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/claim"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/filing"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/paper"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/tipoff"
)

// Fill puts some applications of the made-up people before the officers of made-up
// data, so that a newcomer finds work on every desk: claims at each step, a filing
// for care elsewhere, a tip-off. Nothing is settled: the sums of the fixed people
// are as HIS makers expect them. What is there already stays.
func Fill(ctx context.Context, s *Server, today civil.Date) error {
	sheet, err := blankSheet(ctx)
	if err != nil {
		return err
	}
	return s.DB.Update(ctx, func(tx *db.Tx) error {
		if n, err := s.Claims.Counts(ctx, tx, ""); err != nil || len(n) > 0 {
			return err
		}
		for i, x := range []struct {
			citizenID, reason string
			kind              policy.VisitKind
			yuan              int64
			steps             int // how far it has come: 0 draft, 1 submitted, 2 accepted, 3 reviewed
		}{
			{"990100199001010119", "卡丢失或挂失期间", policy.Inpatient, 8600, 1},
			{"990100197108150227", "急诊未持卡", policy.Inpatient, 12400, 2},
			{"990100194805200214", "新参保未发卡", policy.Inpatient, 5300, 3},
			{"990100198503120014", "卡丢失或挂失期间", policy.Inpatient, 15000, 1},
		} {
			p, ok, err := s.Register.ByCitizenID(ctx, tx, x.citizenID)
			if err != nil || !ok {
				return err
			}
			actor := "本人 " + p.ID
			f := claim.Form{Reason: x.reason, Kind: x.kind, Where: "安济示例市人民医院", From: today.AddDays(-20 - i), To: today.AddDays(-9 - i),
				Bank: claim.Bank{Name: "示例银行", Account: "62220000111100" + string(rune('0'+i)) + "0", Holder: p.Name}}
			c, err := s.Claims.Begin(ctx, tx, p.ID, claim.Online, f, actor)
			if err != nil {
				return err
			}
			asked, _, _, err := s.Claims.Papers(ctx, tx, c)
			if err != nil {
				return err
			}
			for _, label := range asked {
				if _, err := s.Papers.Put(ctx, tx, paper.Handed{Matter: c.ID, Person: p.ID, Label: label, Name: label + ".jpg", Clean: sheet, Actor: actor}); err != nil {
					return err
				}
			}
			invoice := claim.Invoice{Code: "99060125", Number: "000010000" + string(rune('0'+i)), Day: f.To, Total: money.Fen(x.yuan * 100)}
			if _, err := s.Claims.SetInvoices(ctx, tx, c.ID, p.ID, []claim.Invoice{invoice}); err != nil {
				return err
			}
			if err := s.forward(ctx, tx, c, f, invoice, x.yuan, x.steps, actor); err != nil {
				return err
			}
		}
		wu, ok, err := s.Register.ByCitizenID(ctx, tx, "990100196611110236")
		if err != nil || !ok {
			return err
		}
		if _, err := s.filings.ApplyAway(ctx, tx, filing.AwayRequest{Person: wu.ID, Channel: filing.Online, Actor: "本人 " + wu.ID,
			Away: filing.Away{Group: "异地长期居住人员", Destination: "310000", Commitment: true}}); err != nil {
			return err
		}
		_, err = s.tipoffs.Enter(ctx, tx, tipoff.Entry{Region: "990100", Channel: tipoff.Online, Behaviour: tipoff.Other, About: tipoff.Provider,
			Subject: "示例大药房", Text: "用医保个人账户刷卡换购米面油，货架上有“医保可刷”的标签。", Code: tipoff.NewCode()})
		return err
	})
}

// forward brings a claim as far as it has come.
func (s *Server) forward(ctx context.Context, tx *db.Tx, c *claim.Claim, f claim.Form, invoice claim.Invoice, yuan int64, steps int, actor string) error {
	entry := claim.Entry{Provider: "H99010000101", Kind: f.Kind, From: f.From, To: f.To, Invoices: []claim.Invoice{invoice},
		Lines: []claim.Line{{Invoice: 1, Item: "SVC990000001", Name: "诊疗服务", Quantity: 10_000, Price: yuan / 2 * 1_000_000},
			{Invoice: 1, Item: "DRG990000002", Name: "乙类药品", Quantity: 10_000, Price: yuan / 2 * 1_000_000}}}
	for i, do := range []func() (*claim.Claim, error){
		func() (*claim.Claim, error) { return s.Claims.Submit(ctx, tx, c.ID, c.Person, actor) },
		func() (*claim.Claim, error) {
			if _, err := s.Claims.Write(ctx, tx, c.ID, entry, "shouli"); err != nil {
				return nil, err
			}
			return s.Claims.Accept(ctx, tx, c.ID, "shouli")
		},
		func() (*claim.Claim, error) { return s.Claims.Review(ctx, tx, c.ID, claim.Pay, "", "chushen") },
	} {
		if i >= steps {
			return nil
		}
		if _, err := do(); err != nil {
			return err
		}
	}
	return nil
}

// blankSheet is a picture of a sheet of paper with lines in place of writing.
func blankSheet(ctx context.Context) (paper.Clean, error) {
	p := image.NewGray(image.Rect(0, 0, 420, 594))
	for i := range p.Pix {
		p.Pix[i] = 250
	}
	for y := 60; y < 540; y += 28 {
		for x := 40; x < 380-y%90; x++ {
			for k := range 4 {
				p.SetGray(x, y+k, color.Gray{200})
			}
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, p, nil); err != nil {
		return paper.Clean{}, err
	}
	var c paper.Cleaner
	return c.Clean(ctx, b.Bytes())
}
