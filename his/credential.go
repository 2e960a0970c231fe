package his

import (
	"context"
	"errors"

	"github.com/anji-platform/anji/credential"
	"github.com/anji-platform/anji/db"
)

var codes = map[string]operation{"6101": {(*Server).decode, false}}

// decode is 6101: whose code a provider scanned (电子凭证二维码解码). The national
// interface does it in a library on the provider's machine, which reads the
// scanner; such a library asks here, with what it read in ecQrCode.
func (s *Server) decode(ctx context.Context, tx *db.Tx, r *request, a *answer) error {
	in := r.one("InData")
	code := in.optional("ecQrCode")
	if code == "" {
		return refuse("电子凭证二维码 ecQrCode 不能为空，请填扫码枪读到的内容")
	}
	d, err := s.Credentials.Decode(ctx, tx, credential.Scan{Code: code, Provider: r.provider, Operator: in.optional("operatorId"), Business: in.optional("businessType")})
	var no *credential.Refused
	if errors.As(err, &no) {
		return refuse("电子凭证二维码 ecQrCode 不能接受：%s", no.Reason.Title())
	}
	if err != nil {
		return err
	}
	out := a.add("OutData")
	out.set("userName", d.Person.Name)
	out.set("idNo", d.Person.CitizenID)
	out.set("idType", citizenIDType)
	out.set("ecToken", d.Token)
	out.set("insuOrg", d.Person.Region)
	out.set("gender", sexCode(d.Person.Female))
	out.set("birthday", d.Person.Birth.String())
	return nil
}
