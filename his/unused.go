package his

import "strings"

// An omission says why fields are used for nothing here: those of a request
// are validated and no more, those of a reply stay empty.
type omission struct {
	numbers string // of the transactions; "*" is all, for what no other row is about
	side    string // in or out
	fields  string
	reason  string // in Chinese
}

// omissions are the reasons of all fields that are not used. A test keeps the
// list exact.
var omissions = []omission{
	{"*", "in", "exp_content", "扩展字段，内容由各省自定"},
	{"*", "out", "exp_content", "扩展字段，本平台没有扩展内容"},
	{"2001", "in", "exp_content", "第三方责任等在就诊登记时判断"},

	{"1101", "out", "psn_type_lv", "人员身份不分等级"},
	{"1312 1316 1317 1318 1319", "out", "crter_id crter_name crte_optins_no opter_id opter_name optins_no", "目录和对照不记经办的人和机构"},
	{"1318 1319", "out", "tabname", "不公开库表名称"},
	{"1901", "in", "admdvs", "各地字典相同"},
	{"1901", "in", "date", "字典不分日期"},
	{"1901", "out", "parentValue", "字典没有上下级"},
	{"1901", "out", "createUser createDate", "字典随程序发布，不记创建的人和日期"},

	{"2001", "in", "oprn_oprt_code oprn_oprt_name", "待遇不因手术操作而异"},
	{"2001", "in", "matn_type birctrl_type", "生育待遇按医疗类别 med_type 判断"},
	{"2203A", "in", "rxfixmedinsCode rxfixmedinsName rxIn rxfilename rxExpContent", "本平台没有开通电子处方流转"},
	{"2204 2301 5204 5205", "out", "list_sp_item_flag", "目录没有特项标志"},
	{"2204 2301 5204", "out", "drt_reim_flag", "目录没有直报标志"},
	{"2206 2207", "in", "pub_hosp_rfom_flag", "待遇不因公立医院改革而异"},
	{"2305", "out", "psn_insu_rlts_id", "参保登记没有参保关系的编号"},
	{"2305", "out", "setl_type", "接口没有公布结算类别的代码"},
	{"2501", "in", "refl_used_flag", "备案是否用过，以就诊为准"},
	{"2503", "in", "trt_dcla_detl_sn", "新的申报由本平台编号"},
	{"2503", "in", "selfdef_splm_flag", "接口没有公布它的含义"},
	{"2507", "in", "psn_insu_rlts_id", "参保登记没有参保关系的编号"},
	{"2507", "in", "emp_no", "参保登记只有单位名称，没有编号"},

	{"3101 3102", "in", "poolarea medins_name medins_admdvs medins_type medins_lv", "机构以登记的为准"},
	{"3101 3102", "in", "insutype matn_stas", "参保以登记的为准"},
	{"3101 3102", "in", "wardarea_codg wardno bedno adm_dept_codg adm_dept_name dscg_dept_codg dscg_dept_name drord_dept_codg drord_dept_name", "规则不看病区和科室"},
	{"3101 3102", "in", "dr_codg drord_dr_codg drord_dr_name drord_dr_profttl", "规则不看医师"},
	{"3101 3102", "in", "med_mdtrt_type", "就诊的类别看 med_type"},
	{"3101 3102", "in", "medfee_sumamt ownpay_amt selfpay_amt acct_payamt ma_amt hifp_payamt setl_totlnum reim_flag out_setl_flag", "分析在结算之前，规则不看结算的金额和状态"},
	{"3101 3102", "in", "dscg_main_dise_name dise_name dise_id inout_dise_type maindise_flag dias_srt_no dise_date", "规则只看诊断的编码"},
	{"3101 3102", "in", "dise_no sinc_heal_lv his_md_cnt", "规则不看病种和医院自报的等级、次数"},
	{"3101 3102", "in", "fsi_operation_dtos setl_list_oprn_id oprn_code oprn_name main_oprn_flag oprn_date anst_way oper_dr_name oper_dr_code anst_dr_name anst_dr_code", "规则不看手术操作"},
	{"3101 3102", "in", "rxno grpno long_drord_flag drord_bhvr extend_order_map", "规则逐条看医嘱，不看处方、分组和医嘱的状态"},
	{"3101 3102", "in", "hilist_type chrg_type hilist_dosform hilist_lv lv1_hosp_item_pric lv2_hosp_item_pric lv3_hosp_item_pric hilist_memo", "项目以医保目录为准"},
	{"3101 3102", "in", "hosplist_code hosplist_name hosplist_dosform pric spec spec_unt", "规则不看院内目录和单价"},

	{"5101", "in", "infno msgid mdtrtarea_admvs insuplc_admdvs recer_sys_code dev_no dev_safe_info cainfo signtype infver opter_type opter opter_name inf_time fixmedins_name sign_no", "以报文的信封为准"},
	{"5101", "out", "memo", "科室没有备注"},
	{"5201 5203", "out", "flxempe_flag", "参保登记不分灵活就业"},
	{"6101", "in", "orgId", "机构以信封的 fixmedins_code 为准"},
	{"6101", "in", "operatorName officeId officeName businessInfo deviceType", "记录只留操作员工号和用码业务类型"},
	{"6101", "out", "authNo ecIndexNo", "授权以身份核验令牌为准，没有另外的编号"},
	{"6101", "out", "nationality email", "参保登记没有国籍和邮箱"},
	{"5201", "out", "pre_pay_flag", "没有交易上传先行支付标志"},
}

// explain gives every unused field the reason why.
func (s *Spec) explain() {
	for _, general := range []bool{true, false} { // so that the particular reason stays
		for _, o := range omissions {
			if (o.numbers == "*") != general {
				continue
			}
			for _, f := range s.omitted(&o) {
				f.Reason = o.reason
			}
		}
	}
}

// omitted are the unused fields that an omission is about.
func (s *Spec) omitted(o *omission) (out []*Field) {
	numbers := strings.Fields(o.numbers)
	if o.numbers == "*" {
		numbers = numbers[:0]
		for _, t := range s.Transactions {
			numbers = append(numbers, t.Number)
		}
	}
	for _, number := range numbers {
		t := s.transactions[number]
		nodes := t.Input
		if o.side == "out" {
			nodes = t.Output
		}
		for _, n := range nodes {
			for _, name := range strings.Fields(o.fields) {
				if i, ok := n.byName[name]; ok && !n.Fields[i].InUse() {
					out = append(out, n.Fields[i])
				}
			}
		}
	}
	return out
}

// InUse is Used or, of a field of rows, whether one of theirs is.
func (f *Field) InUse() bool {
	if f.rows == nil {
		return f.Used
	}
	for _, inner := range f.rows.Fields {
		if inner.InUse() {
			return true
		}
	}
	return false
}
