package his

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/anji-platform/anji/civil"
	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/db"
	"github.com/anji-platform/anji/enrolment"
	"github.com/anji-platform/anji/fund"
	"github.com/anji-platform/anji/ident"
	"github.com/anji-platform/anji/policy"
	"github.com/anji-platform/anji/provider"
)

// knownProvider refuses a provider that is not registered, and a care region
// that is not the provider's.
func knownProvider(ctx context.Context, tx *db.Tx, r *request) error {
	p, ok, err := provider.Get(ctx, tx, r.provider)
	if err != nil {
		return err
	}
	if !ok {
		return refuse("机构编号 fixmedins_code“%s”未登记", clip(r.provider, 30))
	}
	if !r.care.Within(ident.Region(p.Region)) {
		return refuse("就医地区划 mdtrtarea_admvs“%s”与机构 %s 的区划 %s 不一致", r.care, p.Code, p.Region)
	}
	return nil
}

// findPerson is 1101: who a person is and how insured (人员信息获取).
func (s *Server) findPerson(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("data")
	p, err := s.byCredential(ctx, tx, r, in)
	if err != nil {
		return err
	}
	if err := sameRegion(r, p); err != nil {
		return err
	}
	on := r.today()
	if t := in.text("begntime"); t != "" {
		on = day(t)
	}
	base := a.add("baseinfo")
	base.set("psn_no", p.ID)
	describePerson(base, p, r.today())
	spells, err := enrolment.Insurances(ctx, tx, p.ID, on)
	if err != nil {
		return err
	}
	for _, i := range spells {
		row := a.add("insuinfo")
		row.set("insutype", insutype(i.Scheme))
		row.set("psn_type", personType(i.Scheme, i.Retired, on.Age(p.Birth)))
		row.set("psn_insu_stas", insuredStates[i.Status])
		row.set("psn_insu_date", i.From.String())
		if i.Status == policy.Arrears || i.Status == policy.Suspended {
			row.set("paus_insu_date", i.From.String())
		}
		row.set("cvlserv_flag", notCivilServant)
		row.set("insuplc_admdvs", p.Region)
		if i.Scheme == policy.Employee {
			row.set("emp_name", p.Employer)
			balance, err := fund.Balance(ctx, tx, fund.PersonAccount(p.ID))
			if err != nil {
				return err
			}
			row.money("balc", balance)
		}
	}
	classes, err := enrolment.Classes(ctx, tx, p.ID, on)
	if err != nil {
		return err
	}
	for _, c := range classes {
		row := a.add("idetinfo")
		code, ok := identities[c.Name]
		if !ok {
			code = otherIdentity
		}
		row.set("psn_idet_type", code)
		row.set("memo", c.Name)
		row.set("begntime", dayStart(c.From))
		row.set("endtime", dayStart(c.To))
	}
	return nil
}

// notCivilServant is 公务员标志 (cvlserv_flag): nobody is marked as a civil
// servant in the register.
const notCivilServant = "0"

// citizenIDType is 人员证件类型 (psn_cert_type) of the ID people are registered with.
const citizenIDType = "01"

// cardType is 人员证件类型 of the social security card, whose number may stand
// for the ID.
const cardType = "90"

func dayStart(d civil.Date) string {
	if d == 0 {
		return ""
	}
	return d.String() + " 00:00:00"
}

// describePerson sets the fields about a person that several nodes share, as
// far as the node has them.
func describePerson(l *line, p enrolment.Person, on civil.Date) {
	l.offer("psn_cert_type", citizenIDType)
	l.offer("certno", p.CitizenID)
	l.offer("psn_name", p.Name)
	l.offer("gend", sexCode(p.Female))
	l.offer("naty", p.Ethnicity)
	l.offer("brdy", p.Birth.String())
	l.offer("age", strconv.Itoa(max(0, on.Age(p.Birth))))
}

// byCredential finds the person of the credential in a row (就诊凭证), and
// refuses if the name or ID in the row is another's.
func (s *Server) byCredential(ctx context.Context, tx *db.Tx, r *request, in *record) (p enrolment.Person, err error) {
	kind, number := in.text("mdtrt_cert_type"), in.text("mdtrt_cert_no")
	var ok bool
	switch kind {
	case "01":
		var id string
		if id, err = s.Credentials.Holder(ctx, tx, number, r.provider); err == nil && id != "" {
			p, ok, err = s.Enrolment.ByID(ctx, tx, id)
		}
		var no *credential.Refused
		if errors.As(err, &no) {
			err = refuse("就诊凭证编号 mdtrt_cert_no：%s", no)
		}
	case "02":
		id, bad := ident.ParseCitizenID(number)
		if bad != nil {
			return p, refuse("就诊凭证编号 mdtrt_cert_no 不对：%s", bad)
		}
		p, ok, err = s.Enrolment.ByCitizenID(ctx, tx, string(id))
	default:
		p, ok, err = s.Enrolment.ByCard(ctx, tx, strings.ToUpper(number))
		if err == nil && ok {
			var stopped bool
			if stopped, err = credential.CardStopped(ctx, tx, p.ID); stopped {
				err = refuse("社会保障卡 mdtrt_cert_no“%s”已挂失，请改用医保电子凭证或居民身份证", ident.Mask(number))
			}
		}
	}
	if err != nil {
		return p, err
	}
	if !ok {
		label, _ := s.spec.Dictionary("mdtrt_cert_type").Label(kind)
		return p, refuse("没有%s（mdtrt_cert_type %s）为“%s”的参保人员", label, kind, ident.Mask(number))
	}
	return p, s.sameIdentity(in, p)
}

// sameIdentity refuses a row whose ID, name or card, if stated, is another's.
func (s *Server) sameIdentity(in *record, p enrolment.Person) error {
	certno, fitting := strings.ToUpper(in.optional("certno")), []string{citizenIDType, cardType}
	switch certno {
	case "":
	case p.CitizenID:
		fitting = fitting[:1]
	case "C" + p.CitizenID:
		fitting = fitting[1:]
	default:
		return refuse("证件号码 certno“%s”与所持凭证的人员不符", ident.Mask(certno))
	}
	for _, name := range []string{"psn_cert_type", "cert_type"} {
		if kind := in.optional(name); kind != "" && !slices.Contains(fitting, kind) {
			label, _ := s.spec.Dictionary("psn_cert_type").Label(fitting[0])
			return refuse("证件类型 %s“%s”与该人员登记的证件不符，应为 %s %s", name, clip(kind, 6), fitting[0], label)
		}
	}
	if serial := in.optional("card_sn"); serial != "" && !s.Enrolment.HasCardSerial(p, serial) {
		return refuse("卡识别码 card_sn“%s”不是该人员社会保障卡的", clip(printable(serial), 32))
	}
	if name := in.optional("psn_name"); name != "" && name != p.Name {
		return refuse("人员姓名 psn_name“%s”与所持凭证的人员不符", clip(name, 20))
	}
	return nil
}

// sameType warns where a row states another 人员类别 (psn_type) than the
// person's: the register decides. A finer code of the same class is the same.
func (r *request) sameType(in *record, registered string) {
	if stated := in.optional("psn_type"); stated != "" && !strings.HasPrefix(stated, registered) {
		r.warnings = append(r.warnings, "人员类别 psn_type“"+clip(printable(stated), 6)+"”与登记的 "+registered+" 不符，按登记的处理")
	}
}

// sameRegion refuses a request that names another insured region than the
// person's.
func sameRegion(r *request, p enrolment.Person) error {
	if r.insured == "" || ident.Region(r.insured).Within(ident.Region(p.Region)) {
		return nil
	}
	return refuse("参保地区划 insuplc_admdvs“%s”与该人员的参保地 %s 不一致", r.insured, p.Region)
}

// holder finds the person of the person number in a row, and checks the
// credential in the same row if one is given.
func (s *Server) holder(ctx context.Context, tx *db.Tx, r *request, in *record) (enrolment.Person, error) {
	id := in.text("psn_no")
	p, ok, err := s.Enrolment.ByID(ctx, tx, id)
	if err != nil {
		return p, err
	}
	if !ok {
		return p, refuse("人员编号 psn_no“%s”不存在，请用 1101 取得", clip(id, 30))
	}
	if in.optional("mdtrt_cert_no") != "" {
		bearer, err := s.byCredential(ctx, tx, r, in)
		if err != nil {
			return p, err
		}
		if bearer.ID != p.ID {
			return p, refuse("就诊凭证的人员与人员编号 psn_no“%s”不是同一人（人证不符）", id)
		}
	} else if err := s.sameIdentity(in, p); err != nil {
		return p, err
	}
	if err := within(in, p.Region); err != nil {
		return p, err
	}
	if care := in.optional("mdtrtarea_admvs"); care != "" && !r.care.Within(ident.Region(care)) {
		return p, refuse("%smdtrtarea_admvs“%s”与报文的就医地 %s 不一致", in.place(), clip(printable(care), 10), r.care)
	}
	return p, sameRegion(r, p)
}
