package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/anji-platform/anji/account"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/contribution"
	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/money"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/server"
)

// counter is what an officer's command works with.
type counter struct {
	ctx      context.Context
	cmd      *cobra.Command
	args     []string
	tx       *db.Tx
	actor    string
	today    civil.Date
	register *enrolment.Register
	dues     *contribution.Service
	accounts *account.Service
	codes    *credential.Service
	input    func() (string, error) // the first line of standard input
	out      strings.Builder        // said once all is kept
}

func (c *counter) say(format string, args ...any) { fmt.Fprintf(&c.out, format+"\n", args...) }

// text is a flag's text.
func (c *counter) text(name string) string { return c.cmd.Flag(name).Value.String() }

// amount is a flag's amount in yuan, 0 if it is not given.
func (c *counter) amount(name string) (money.Fen, error) {
	if c.text(name) == "" {
		return 0, nil
	}
	v, err := money.Parse(c.text(name))
	if err != nil {
		return 0, fmt.Errorf("--%s %q: %w", name, c.text(name), err)
	}
	return v, nil
}

// day is a flag's day, today if it is not given.
func (c *counter) day(name string) (civil.Date, error) {
	if c.text(name) == "" {
		return c.today, nil
	}
	return dayFlag(name, c.text(name))
}

// A counterTask is one thing that an officer does.
type counterTask struct {
	use, short, example string
	args                int
	flags               [][2]string // name and what it is
	do                  func(c *counter) error
}

var counterTasks = []counterTask{
	{"register PERSON", "Register for insurance (参保登记)", "anji counter register PERSON --kind resident --ground household", 1,
		[][2]string{{"kind", "resident, student, newborn or flexible"}, {"ground", "household or permit, of residents"}, {"wage", "monthly base in yuan, of flexible employment"}},
		func(c *counter) error {
			wage, err := c.amount("wage")
			if err != nil {
				return err
			}
			return c.dues.Register(c.ctx, c.tx, contribution.Registration{Person: c.args[0], Kind: contribution.Kind(c.text("kind")), Ground: contribution.Ground(c.text("ground")), Wage: wage, Actor: c.actor})
		}},
	{"bill PERSON", "Make a bill (核定应缴)", "anji counter bill PERSON --scheme resident", 1, [][2]string{{"scheme", "resident or employee"}},
		func(c *counter) error {
			scheme, ok := map[string]policy.Scheme{"": policy.Resident, "resident": policy.Resident, "employee": policy.Employee}[c.text("scheme")]
			if !ok {
				return fmt.Errorf("--scheme %q: resident or employee", c.text("scheme"))
			}
			b, err := c.dues.Make(c.ctx, c.tx, contribution.Request{Person: c.args[0], Scheme: scheme, Actor: c.actor})
			if err != nil {
				return err
			}
			c.say("%s  %s  %s – %s  due 应缴 %s 元  %s", b.ID, b.State.Title(), b.From, b.To, b.Due, b.Why)
			for _, p := range b.Parts {
				c.say("  %s  %s 元  %s", p.Title, p.Amount, p.Source)
			}
			return nil
		}},
	{"pay BILL", "Take a payment at the counter (窗口缴费)", "anji counter pay BILL --amount 400 --reference 20261124-0001", 1, [][2]string{{"amount", "yuan"}, {"reference", "the receipt's number"}},
		func(c *counter) error {
			amount, err := c.amount("amount")
			if err != nil {
				return err
			}
			p, err := c.dues.Collect(c.ctx, c.tx, contribution.Notice{Channel: "counter", Reference: c.text("reference"), Bill: c.args[0], Amount: amount, At: time.Now(), Actor: c.actor})
			if err == nil {
				c.say("%s  %s", p.State.Title(), p.Note)
			}
			return err
		}},
	{"refund CHANNEL REFERENCE", "Pay a payment back (退费)", "anji counter refund counter 20261124-0001 --why 重复缴费", 2, [][2]string{{"why", "reason"}},
		func(c *counter) error {
			p, err := c.dues.Repay(c.ctx, c.tx, contribution.RefundRequest{Channel: c.args[0], Reference: c.args[1], Reason: c.text("why"), Actor: c.actor})
			if err == nil {
				c.say("%s  %s 元", p.State.Title(), p.Amount)
			}
			return err
		}},
	{"duplicates REGION", "List who is in both schemes (重复参保)", "anji counter duplicates 990100", 1, nil,
		func(c *counter) error {
			all, err := c.dues.Duplicates(c.ctx, c.tx, c.args[0], c.today)
			for _, d := range all {
				c.say("%s  %s", d.Person, d.Why)
			}
			return err
		}},
	{"resolve PERSON", "End duplicate insurance in favour of the employees' (重复参保处理)", "anji counter resolve PERSON", 1, nil,
		func(c *counter) error {
			d, err := c.dues.Resolve(c.ctx, c.tx, c.args[0], c.actor)
			if err == nil {
				c.say("%s", d.Why)
			}
			return err
		}},
	{"recognise PERSON MONTHS", "Add months paid elsewhere (视同、转入缴费月数)", "anji counter recognise PERSON 36 --place 110000 --document 参保凭证001", 2, [][2]string{{"place", "where they were paid"}, {"document", "by which they are recognised"}},
		func(c *counter) error {
			var months int
			if _, err := fmt.Sscan(c.args[1], &months); err != nil {
				return fmt.Errorf("months %q: a number is needed", c.args[1])
			}
			return c.dues.Recognise(c.ctx, c.tx, contribution.Prior{Person: c.args[0], Months: months, Place: c.text("place"), Document: c.text("document"), Actor: c.actor})
		}},
	{"retire PERSON", "Register a retirement (退休登记)", "anji counter retire PERSON --day 2026-11-30 --wage 8000", 1, [][2]string{{"day", "last day as an employee (default: today)"}, {"wage", "base of what is wanting, in yuan"}},
		func(c *counter) error {
			day, err := c.day("day")
			if err != nil {
				return err
			}
			wage, err := c.amount("wage")
			if err != nil {
				return err
			}
			r, err := c.dues.Retire(c.ctx, c.tx, contribution.RetireRequest{Person: c.args[0], Day: day, Wage: wage, Actor: c.actor})
			if err != nil {
				return err
			}
			c.say("paid 实际缴费 %d, recognised 视同 %d, required 应满 %d, wanting 还差 %d months 个月", r.Paid, r.Prior, r.Required, r.Shortfall())
			if r.Bill != nil {
				c.say("%s  due 应缴 %s 元", r.Bill.ID, r.Bill.Due)
			}
			return nil
		}},
	{"grant OWNER BENEFICIARY", "Let a relative use an account (家庭共济授权)", "anji counter grant OWNER BENEFICIARY --relation parent --yearly 2000", 2, [][2]string{{"relation", strings.Join(policy.RelativeNames(), ", ")}, {"yearly", "most in a year, in yuan (default: no limit)"}, {"per-use", "most in one settlement, in yuan (default: no limit)"}},
		func(c *counter) error {
			g := account.Grant{Owner: c.args[0], Beneficiary: c.args[1]}
			var ok bool
			if g.Relation, ok = policy.ParseRelative(c.text("relation")); !ok {
				return fmt.Errorf("--relation %q: one of %s", c.text("relation"), strings.Join(policy.RelativeNames(), ", "))
			}
			var err error
			if g.Yearly, err = c.amount("yearly"); err != nil {
				return err
			}
			if g.PerUse, err = c.amount("per-use"); err != nil {
				return err
			}
			return c.accounts.Grant(c.ctx, c.tx, g, c.actor)
		}},
	{"revoke OWNER BENEFICIARY", "End that (解除共济)", "anji counter revoke OWNER BENEFICIARY", 2, nil,
		func(c *counter) error { return c.accounts.Revoke(c.ctx, c.tx, c.args[0], c.args[1], c.actor) }},
	{"close PERSON", "Close an account by death, emigration or transfer (个人账户清退)", "anji counter close PERSON --reason death --day 2026-11-20 --heirs HEIR=600,HEIR=400", 1, [][2]string{{"reason", "death, emigration or transfer"}, {"day", "of it (default: today)"}, {"to", "region, of a transfer"}, {"heirs", "PERSON=yuan,… of a death"}},
		func(c *counter) error {
			day, err := c.day("day")
			if err != nil {
				return err
			}
			q := account.Closing{Person: c.args[0], Reason: account.Reason(c.text("reason")), Day: day, To: c.text("to"), Actor: c.actor}
			for h := range strings.SplitSeq(c.text("heirs"), ",") {
				person, yuan, ok := strings.Cut(h, "=")
				if h == "" {
					continue
				}
				amount, err := money.Parse(yuan)
				if !ok || err != nil {
					return fmt.Errorf("--heirs %q: PERSON=yuan is needed", h)
				}
				q.Heirs = append(q.Heirs, account.Heir{Person: person, Amount: amount})
			}
			closed, err := c.accounts.Close(c.ctx, c.tx, q)
			if err == nil {
				c.say("paid out 清退 %s 元", closed.Paid)
			}
			return err
		}},
	{"arrive PERSON", "Take over a person from another region (关系转入)", "anji counter arrive PERSON --from 110000 --to 990100 --balance 1234.56 --document 转移凭证001", 1, [][2]string{{"from", "region"}, {"to", "region"}, {"balance", "of the account there, in yuan"}, {"document", "by which it was handed over"}},
		func(c *counter) error {
			balance, err := c.amount("balance")
			if err != nil {
				return err
			}
			return c.accounts.Arrive(c.ctx, c.tx, account.Arrival{Person: c.args[0], From: c.text("from"), To: c.text("to"), Balance: balance, Document: c.text("document"), Actor: c.actor})
		}},
	{"activate PERSON", "Activate an e-credential; the password is read from standard input (窗口激活)", "anji counter activate PERSON < password.txt", 1, nil,
		func(c *counter) error {
			password, err := c.input()
			if err == nil {
				_, err = c.codes.ActivateAtCounter(c.ctx, c.tx, c.args[0], password, credential.Device{}, c.actor)
			}
			return err
		}},
	{"stop PERSON", "Freeze an e-credential, or report it or the card lost (冻结、挂失、注销)", "anji counter stop PERSON --what lost --why 手机丢失", 1, [][2]string{{"what", "frozen, lost, revoked or card"}, {"why", "reason"}},
		func(c *counter) error {
			if c.text("what") == "card" {
				return c.codes.StopCard(c.ctx, c.tx, c.args[0], c.actor, c.text("why"))
			}
			to, ok := map[string]credential.State{"frozen": credential.Frozen, "lost": credential.Lost, "revoked": credential.Revoked}[c.text("what")]
			if !ok {
				return fmt.Errorf("--what %q: frozen, lost, revoked or card", c.text("what"))
			}
			return c.codes.Stop(c.ctx, c.tx, c.args[0], to, c.actor, c.text("why"))
		}},
	{"voucher PERSON", "Make a voucher for one use (临时凭证)", "anji counter voucher PERSON --why 无卡", 1, [][2]string{{"why", "reason"}},
		func(c *counter) error {
			v, err := c.codes.Voucher(c.ctx, c.tx, c.args[0], c.actor, c.text("why"))
			if err == nil {
				c.say("%s", v.Code)
			}
			return err
		}},
}

func counterCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "counter", Short: "What an officer does at the counter: register, take payments, accounts, credentials (窗口业务)"}
	for _, task := range counterTasks {
		var f dataFlags
		var policyDir, actor string
		sub := &cobra.Command{Use: task.use, Short: task.short, Example: "  " + task.example + " --actor 王经办", Args: cobra.ExactArgs(task.args)}
		sub.RunE = func(cmd *cobra.Command, args []string) error {
			policies, sealer, err := f.open(policyDir)
			if err != nil {
				return err
			}
			issuer, err := server.Issuer(f.data, policies)
			if err != nil {
				return err
			}
			register := enrolment.New(sealer)
			input := sync.OnceValues(func() (string, error) {
				line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
				if line != "" {
					err = nil
				}
				return strings.TrimSpace(line), err
			})
			var c *counter
			err = f.store(cmd.Context(), func(d *db.DB) error {
				return d.Update(cmd.Context(), func(tx *db.Tx) error {
					c = &counter{ctx: cmd.Context(), cmd: cmd, args: args, tx: tx, actor: actor, input: input, today: civil.Of(time.Now().In(time.FixedZone("CST", 8*60*60))),
						register: register, dues: contribution.New(policies, register, nil), accounts: account.New(policies, register, nil),
						codes: credential.New(credential.Config{DB: d, Register: register, Issuer: issuer})}
					return task.do(c)
				})
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), c.out.String())
			return err
		}
		f.add(sub)
		for _, flag := range task.flags {
			sub.Flags().String(flag[0], "", flag[1])
		}
		sub.Flags().StringVar(&policyDir, "policies", "", "folder of packages (default: those in the binary)")
		sub.Flags().StringVar(&actor, "actor", "", "who does it, for the audit record (needed)")
		_ = sub.MarkFlagRequired("actor")
		cmd.AddCommand(sub)
	}
	return cmd
}
