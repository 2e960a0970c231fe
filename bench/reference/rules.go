package reference

// Rule is one rule of 990100 as an expression over the facts and the results
// of the rules before it. Amounts are whole fen, ratios whole 10^-8; the
// arithmetic is the engine's, rounding half up. The syntax is common to CEL
// and expr, but for whole division, which expr writes with a function.
type Rule struct {
	Name string
	CEL  string
	Expr string
}

// LineRules divide one line.
var LineRules = []Rule{
	{Name: "full_own", CEL: `klass == "丙" ? amount : 0`},
	{Name: "over", CEL: `klass != "丙" && ceiling >= 0 && amount > ceiling ? amount - ceiling : 0`},
	{Name: "first_own", CEL: `klass == "乙" ? ((amount - over) * (first_pay >= 0 ? first_pay : 10000000) + 50000000) / 100000000 : 0`,
		Expr: `klass == "乙" ? div((amount - over) * (first_pay >= 0 ? first_pay : 10000000) + 50000000, 100000000) : 0`},
	{Name: "scope", CEL: `klass == "丙" ? 0 : amount - over - first_own`},
}

// StayRules settle the stay on the sums of its lines.
var StayRules = []Rule{
	{Name: "refused", CEL: `cause in ["work_injury", "third_party", "public_health", "abroad"] || !designated && visit != "emergency" || insured != "normal"`},
	{Name: "poor", CEL: `"特困" in classes || "低保" in classes || "返贫致贫" in classes`},
	{Name: "deductible_full", CEL: `scheme == "employee" ? (level == "3" ? 80000 : level == "2" ? 40000 : 20000) : (level == "3" ? 60000 : level == "2" ? 30000 : 10000)`},
	{Name: "deductible", CEL: `nth == 1 ? deductible_full : deductible_full / 2`, Expr: `nth == 1 ? deductible_full : div(deductible_full, 2)`},
	{Name: "borne", CEL: `in_scope < deductible ? in_scope : deductible`},
	{Name: "ratio", CEL: `(scheme == "resident" ? (level == "3" ? 50000000 : level == "2" ? 60000000 : 65000000) : retired ? (level == "3" ? 90000000 : level == "2" ? 92000000 : 95000000) : (level == "3" ? 85000000 : level == "2" ? 87000000 : 90000000)) - (care != home && filing == "none" ? 10000000 : 0)`},
	{Name: "basic_uncut", CEL: `((in_scope - borne) * ratio + 50000000) / 100000000`, Expr: `div((in_scope - borne) * ratio + 50000000, 100000000)`},
	{Name: "cap_left", CEL: `(scheme == "employee" ? 48000000 : 24000000) - ytd_basic`},
	{Name: "basic", CEL: `cap_left < 0 ? 0 : basic_uncut < cap_left ? basic_uncut : cap_left`},
	{Name: "threshold", CEL: `scheme == "employee" ? 1000000 : poor ? 1000000 : 2000000`},
	{Name: "cat_to", CEL: `ytd_cat_base + in_scope - basic - threshold`},
	{Name: "cat_from", CEL: `ytd_cat_base - threshold`},
	{Name: "tilt", CEL: `poor ? 5000000 : 0`},
	{Name: "g_to", CEL: `cat_to <= 0 ? 0 : (cat_to < 3000000 ? cat_to : 3000000) * (60000000 + tilt) + (cat_to <= 3000000 ? 0 : (cat_to < 8000000 ? cat_to : 8000000) - 3000000) * (70000000 + tilt) + (cat_to <= 8000000 ? 0 : cat_to - 8000000) * (80000000 + tilt)`},
	{Name: "g_from", CEL: `cat_from <= 0 ? 0 : (cat_from < 3000000 ? cat_from : 3000000) * (60000000 + tilt) + (cat_from <= 3000000 ? 0 : (cat_from < 8000000 ? cat_from : 8000000) - 3000000) * (70000000 + tilt) + (cat_from <= 8000000 ? 0 : cat_from - 8000000) * (80000000 + tilt)`},
	{Name: "catastrophic", CEL: `(g_to - g_from + 50000000) / 100000000`, Expr: `div(g_to - g_from + 50000000, 100000000)`},
	{Name: "aid", CEL: `"特困" in classes ? 100000000 : "低保" in classes ? 80000000 : "返贫致贫" in classes ? 70000000 : 0`},
	{Name: "aid_uncut", CEL: `((in_scope - basic - catastrophic) * aid + 50000000) / 100000000`, Expr: `div((in_scope - basic - catastrophic) * aid + 50000000, 100000000)`},
	{Name: "assistance", CEL: `aid_uncut < 3000000 - ytd_aid ? aid_uncut : 3000000 - ytd_aid`},
	{Name: "fund", CEL: `basic + catastrophic + assistance`},
	{Name: "person", CEL: `total - fund`},
	{Name: "account", CEL: `scheme != "employee" || balance <= 0 ? 0 : balance < person ? balance : person`},
	{Name: "cash", CEL: `person - account`},
}

func (r Rule) expr() string {
	if r.Expr != "" {
		return r.Expr
	}
	return r.CEL
}
