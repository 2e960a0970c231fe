// Package rulebook keeps the versions of policy packages that officers bring in
// while the system serves (政策包): a version is uploaded, checked, tried on cases,
// compared with the one in force, submitted, and issued by a second person, to
// hold from a day that is yet to come. Until that day two persons may withdraw it.
//
// What was uploaded is never changed and never removed. An issued version joins
// the packages of the policy.Store that every process of the server settles by;
// a process learns of it by a number that it asks the store for (see Refresh).
package rulebook

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/anji-platform/anji/audit"
	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/gm"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/settlement"
)

// MaxFile bounds what is uploaded, each of the package and its cases, in bytes.
const MaxFile = 1 << 20

// maxOpen is how many versions of a region may be drafts or wait to be issued.
const maxOpen = 20

// notice is how long before its first day a version is issued at the latest: every
// process has read it by then, whatever it was busy with.
const notice = 5 * time.Minute

// Error is a fault of the request: which field, what it holds, what is allowed.
type Error struct {
	Field string
	Value string
	Want  string // in Chinese
}

func (e *Error) Error() string {
	if e.Value == "" {
		return e.Field + "：" + e.Want
	}
	return e.Field + "「" + e.Value + "」：" + e.Want
}

// Refusal says what of the request is refused, and why.
func (e *Error) Refusal() (field, value, want string) { return e.Field, e.Value, e.Want }

// Faults refuse a package file, every fault with its line and column.
type Faults struct{ policy.LoadErrors }

// Refusal says how many there are.
func (f *Faults) Refusal() (field, value, want string) {
	return "package", "", fmt.Sprintf("政策包有 %d 处错误，没有保存；请按行号改好再上传", len(f.LoadErrors))
}

// State is how a version stands.
type State string

// The states of a version.
const (
	Draft       State = "draft"       // 草稿
	Submitted   State = "submitted"   // 待启用
	Issued      State = "issued"      // 已启用: it holds from its first day on
	Withdrawing State = "withdrawing" // 待撤回: issued, unless a second person agrees
	Withdrawn   State = "withdrawn"   // 已撤回: before its first day
	Refused     State = "refused"     // 未通过
	Discarded   State = "discarded"   // 已作废: a draft that is of no more use
)

// Title is the state in Chinese.
func (s State) Title() string {
	return map[State]string{Draft: "草稿", Submitted: "待启用", Issued: "已启用", Withdrawing: "待撤回", Withdrawn: "已撤回", Refused: "未通过", Discarded: "已作废"}[s]
}

// Open reports whether something is still to be done with the version.
func (s State) Open() bool { return s == Draft || s == Submitted || s == Withdrawing }

// issued are the states of versions that the server settles by.
func (s State) issued() bool { return s == Issued || s == Withdrawing }

// Step is one thing that was done with a version.
type Step struct {
	State  State
	At     time.Time
	Actor  string
	Reason string
}

// Version is a version of a region's package that was uploaded.
type Version struct {
	ID       string
	Region   string // six digits; 000000 is the nation
	Name     string // of the region
	Version  string
	From, To civil.Date // To 0: until the next version
	Text     []byte     // the package file
	Cases    []byte     // the file of its own cases; empty: none
	Digest   []byte     // SM3, of both
	State    State
	Steps    []Step // in order; those of a list are left out
}

// File is the version as a package of the store.
func (v *Version) File() policy.File {
	return policy.File{Name: v.Region + "/" + v.From.String() + ".yaml", Text: v.Text}
}

// Uploader is who uploaded it.
func (v *Version) Uploader() string { return v.last(Draft) }

// last is who last brought the version into the state.
func (v *Version) last(s State) string {
	for _, x := range slices.Backward(v.Steps) {
		if x.State == s {
			return x.Actor
		}
	}
	return ""
}

// Service keeps the versions of a server.
type Service struct {
	store *policy.Store
	cases fs.FS
	now   func() time.Time
	seen  seen
}

// New returns a service. Issued versions join the packages of store; beside is
// where the cases stand that came with those that it read from files, as
// REGION/cases/*.yaml. now tells the time; nil is time.Now.
func New(store *policy.Store, beside fs.FS, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{store: store, cases: beside, now: now, seen: seen{n: -1}}
}

// zone is the one time of the country (北京时间).
var zone = time.FixedZone("CST", 8*60*60)

// earliest is the first day from which a version may hold that is issued now.
func (s *Service) earliest() civil.Date {
	return civil.Of(s.now().Add(notice).In(zone)).AddDays(1)
}

// Upload is a package file with its cases.
type Upload struct {
	Text, Cases []byte
	Region      string // whose packages the officer keeps, "" for all
	Actor       string
}

// Upload checks a package and keeps it as a draft. Faults of the package are
// *Faults.
func (s *Service) Upload(ctx context.Context, tx *db.Tx, q Upload) (*Version, error) {
	for _, f := range []struct {
		field string
		data  []byte
	}{{"package", q.Text}, {"cases", q.Cases}} {
		switch {
		case len(f.data) > MaxFile:
			return nil, &Error{f.field, "", fmt.Sprintf("文件不能超过 %d KB", MaxFile>>10)}
		case !utf8.Valid(f.data):
			return nil, &Error{f.field, "", "应为 UTF-8 编码的 YAML 文本"}
		}
	}
	if len(bytes.TrimSpace(q.Text)) == 0 {
		return nil, &Error{"package", "", "请选择政策包文件（YAML）"}
	}
	if err := lock(ctx, tx); err != nil {
		return nil, err
	}
	// The file's own name is not known before it is read.
	v := &Version{ID: newID(s.now()), Text: q.Text, Cases: q.Cases, State: Draft, Digest: digest(q.Text, q.Cases)}
	base, err := s.base(ctx, tx, "")
	if err != nil {
		return nil, err
	}
	_, p, err := try(base, policy.File{Name: uploaded, Text: q.Text})
	if err != nil {
		return nil, err
	}
	v.Region, v.Name, v.Version, v.From, v.To = p.Region, p.Name, p.Version, p.From, p.To
	switch {
	case q.Region != "" && v.Region != q.Region:
		return nil, &Error{"package", v.Region, "您只能上传 " + q.Region + " 的政策包"}
	case len(s.store.Versions(v.Region)) == 0:
		return nil, &Error{"package", v.Region, "没有这个统筹区；现有 " + strings.Join(s.store.Regions(), "、")}
	case v.From < s.earliest():
		return nil, &Error{"package", v.From.String(), "施行日期 from 最早为 " + s.earliest().String() + "：已经过去的日子不能改"}
	}
	if _, err := examples(v); err != nil {
		return nil, &Error{"cases", "", err.Error()}
	}
	open, err := List(ctx, tx, v.Region)
	if err != nil {
		return nil, err
	}
	if n := len(slices.DeleteFunc(open, func(v *Version) bool { return !v.State.Open() })); n >= maxOpen {
		return nil, &Error{"package", "", fmt.Sprintf("该统筹区已有 %d 个草稿或待启用的版本，请先办结或作废", n)}
	}
	if err := tx.Exec(ctx, `INSERT INTO package_version (id, region, name, version, from_day, to_day, text, cases, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		v.ID, v.Region, v.Name, v.Version, int(v.From), int(v.To), v.Text, v.Cases, v.Digest); err != nil {
		return nil, err
	}
	return v, s.step(ctx, tx, v, Draft, q.Actor, "")
}

// uploaded is how the file is called in faults.
const uploaded = "上传的文件"

// newID makes an identifier that sorts by time.
func newID(at time.Time) string {
	b := make([]byte, 4)
	rand.Read(b)
	return at.In(zone).Format("20060102150405") + hex.EncodeToString(b)
}

func digest(text, cases []byte) []byte {
	return gm.Digest(slices.Concat(gm.Digest(text), gm.Digest(cases)))
}

// try compiles a package as the one to follow those of the store.
func try(base *policy.Store, f policy.File) (*policy.Store, *policy.Package, error) {
	next, err := base.With(f)
	if faults, ok := err.(policy.LoadErrors); ok {
		return nil, nil, &Faults{faults}
	}
	if err != nil {
		return nil, nil, err
	}
	for _, region := range append(next.Regions(), nation) {
		for _, p := range next.Versions(region) {
			if p.File == f.Name {
				return next, p, nil
			}
		}
	}
	return nil, nil, fmt.Errorf("rulebook: %s holds no package", f.Name)
}

// nation is the region of the packages that others inherit.
const nation = "000000"

// base is a store of all packages that are issued, but for the version without.
func (s *Service) base(ctx context.Context, tx *db.Tx, without string) (*policy.Store, error) {
	files, err := issued(ctx, tx, without)
	if err != nil {
		return nil, err
	}
	return s.store.After(files...)
}

// lock makes what is done with versions happen one after the other.
func lock(ctx context.Context, tx *db.Tx) error { return tx.Lock(ctx, "rulebook") }

// step writes that a version is brought into a state, and puts it on record.
func (s *Service) step(ctx context.Context, tx *db.Tx, v *Version, to State, actor, reason string) error {
	at := s.now()
	was := v.State.issued()
	if err := tx.Exec(ctx, `INSERT INTO package_step (package, n, state, at, actor, reason) VALUES (?, ?, ?, ?, ?, ?)`,
		v.ID, len(v.Steps)+1, string(to), at.UTC().Format(time.RFC3339), actor, reason); err != nil {
		return err
	}
	v.State = to
	v.Steps = append(v.Steps, Step{to, at, actor, reason})
	if was != to.issued() {
		if err := tx.Exec(ctx, `UPDATE package_issue SET n = n + 1 WHERE id = 1`); err != nil {
			return err
		}
	}
	return audit.Append(ctx, tx, audit.Record{At: at, Actor: actor, Action: "rulebook." + string(to), Subject: v.ID,
		Details: map[string]string{"region": v.Region, "from": v.From.String(), "version": v.Version, "digest": hex.EncodeToString(v.Digest), "reason": reason}})
}

// Submit asks for a draft to be issued: it must still fit among the packages, and
// come with cases of its own that all hold.
func (s *Service) Submit(ctx context.Context, tx *db.Tx, id, actor string) error {
	v, err := s.change(ctx, tx, id, "提交", Draft)
	if err != nil {
		return err
	}
	if err := s.ready(ctx, tx, v); err != nil {
		return err
	}
	return s.step(ctx, tx, v, Submitted, actor, "")
}

// ready refuses a version that cannot be issued as things are.
func (s *Service) ready(ctx context.Context, tx *db.Tx, v *Version) error {
	if v.From < s.earliest() {
		return &Error{"from", v.From.String(), "施行日期最早为 " + s.earliest().String() + "；请改好日期重新上传"}
	}
	r, err := s.Try(ctx, tx, v)
	switch {
	case err != nil:
		return err
	case len(r.Faults) > 0:
		return &Faults{r.Faults}
	case len(r.Own) == 0:
		return &Error{"cases", "", "政策包须有自带算例；请连同算例文件重新上传"}
	case r.OwnFailed > 0:
		return &Error{"cases", "", fmt.Sprintf("%d 个自带算例没有通过；请改好政策包或算例重新上传", r.OwnFailed)}
	}
	return nil
}

// Issue makes a submitted version hold from its first day on (启用). Who uploaded or
// submitted it cannot.
func (s *Service) Issue(ctx context.Context, tx *db.Tx, id, actor string) error {
	v, err := s.change(ctx, tx, id, "启用", Submitted)
	if err != nil {
		return err
	}
	if err := another(v, actor, Draft, Submitted); err != nil {
		return err
	}
	if err := s.ready(ctx, tx, v); err != nil {
		return err
	}
	return s.step(ctx, tx, v, Issued, actor, "")
}

// another refuses one who brought the version into one of the states.
func another(v *Version, actor string, states ...State) error {
	for _, s := range states {
		if v.last(s) == actor {
			return &Error{"actor", "", "须由另一人办理：上传、提交或申请的人不能自己决定"}
		}
	}
	return nil
}

// reasoned refuses to act without a reason.
func reasoned(reason string) error {
	if n := utf8.RuneCountInString(reason); n < 4 || n > 500 {
		return &Error{"reason", "", "请写明原因，4 至 500 个字"}
	}
	return nil
}

// Refuse refuses a submitted version. Who uploaded or submitted it cannot, but may
// discard it.
func (s *Service) Refuse(ctx context.Context, tx *db.Tx, id, actor, reason string) error {
	v, err := s.change(ctx, tx, id, "决定", Submitted)
	if err != nil {
		return err
	}
	if err := another(v, actor, Draft, Submitted); err != nil {
		return err
	}
	if err := reasoned(reason); err != nil {
		return err
	}
	return s.step(ctx, tx, v, Refused, actor, reason)
}

// Discard ends a version that was not issued. It is for who uploaded it.
func (s *Service) Discard(ctx context.Context, tx *db.Tx, id, actor string) error {
	v, err := s.change(ctx, tx, id, "作废", Draft, Submitted)
	if err != nil {
		return err
	}
	if v.Uploader() != actor {
		return &Error{"actor", "", "只能由上传的人作废"}
	}
	return s.step(ctx, tx, v, Discarded, actor, "")
}

// AskWithdrawal asks for an issued version to be withdrawn before its first day.
func (s *Service) AskWithdrawal(ctx context.Context, tx *db.Tx, id, actor, reason string) error {
	v, err := s.change(ctx, tx, id, "撤回", Issued)
	if err != nil {
		return err
	}
	if err := reasoned(reason); err != nil {
		return err
	}
	if err := s.withdrawable(ctx, tx, v); err != nil {
		return err
	}
	return s.step(ctx, tx, v, Withdrawing, actor, reason)
}

// withdrawable refuses a version by which something may have been decided, or on
// which another rests.
func (s *Service) withdrawable(ctx context.Context, tx *db.Tx, v *Version) error {
	if v.From < s.earliest() {
		return &Error{"from", v.From.String(), "已经施行或即将施行，不能撤回；请上传新版本"}
	}
	if decided, err := settlement.DecidedBy(ctx, tx, v.Region, v.From, v.Version); err != nil {
		return err
	} else if decided {
		return &Error{"from", v.From.String(), "已有按它办理的结算，不能撤回"}
	}
	if _, err := s.base(ctx, tx, v.ID); err != nil {
		return &Error{"from", v.From.String(), "其他政策包以它为依据，不能撤回：" + err.Error()}
	}
	return nil
}

// Withdraw agrees to a withdrawal. Who asked for it cannot.
func (s *Service) Withdraw(ctx context.Context, tx *db.Tx, id, actor string) error {
	v, err := s.change(ctx, tx, id, "撤回", Withdrawing)
	if err != nil {
		return err
	}
	if err := another(v, actor, Withdrawing); err != nil {
		return err
	}
	if err := s.withdrawable(ctx, tx, v); err != nil {
		return err
	}
	return s.step(ctx, tx, v, Withdrawn, actor, "")
}

// Keep ends a withdrawal that was asked for: the version stays issued.
func (s *Service) Keep(ctx context.Context, tx *db.Tx, id, actor, reason string) error {
	v, err := s.change(ctx, tx, id, "决定", Withdrawing)
	if err != nil {
		return err
	}
	return s.step(ctx, tx, v, Issued, actor, reason)
}

// change finds a version to be changed, which must be in one of the states.
func (s *Service) change(ctx context.Context, tx *db.Tx, id, what string, states ...State) (*Version, error) {
	if err := lock(ctx, tx); err != nil {
		return nil, err
	}
	v, ok, err := Get(ctx, tx, id)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, &Error{"version", id, "没有这个版本"}
	case !slices.Contains(states, v.State):
		return nil, &Error{"version", "", "这个版本" + v.State.Title() + "，不能" + what}
	}
	return v, nil
}
