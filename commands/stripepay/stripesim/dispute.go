package stripesim

import "strings"

// The shape of disputes: see objects.go.

type dispute struct {
	*fixedDispute

	ID                   string             `json:"id"`
	Amount               int64              `json:"amount"`
	Charge               any                `json:"charge"` // its id; in an expanded answer, the charge
	Created              int64              `json:"created"`
	Currency             string             `json:"currency"`
	Evidence             map[string]*string `json:"evidence"`
	EvidenceDetails      evidenceDetails    `json:"evidence_details"`
	IsChargeRefundable   bool               `json:"is_charge_refundable"`
	Metadata             map[string]string  `json:"metadata"`
	PaymentIntent        any                `json:"payment_intent"` // its id; in an expanded answer, the PaymentIntent
	PaymentMethodDetails disputeMethod      `json:"payment_method_details"`
	Reason               string             `json:"reason"`
	Status               string             `json:"status"`

	Course course `json:"-"` // how it goes on by itself
}

// disputeRecord is a dispute as stored.
type disputeRecord struct {
	Dispute *dispute `json:"dispute"`
	Course  course   `json:"course"`
}

// fixedDispute is what every dispute here has in common.
type fixedDispute struct {
	Object              string `json:"object"`
	BalanceTransactions []any  `json:"balance_transactions"`
	Livemode            bool   `json:"livemode"`
}

type evidenceDetails struct {
	DueBy           int64 `json:"due_by"`
	HasEvidence     bool  `json:"has_evidence"`
	PastDue         bool  `json:"past_due"`
	SubmissionCount int   `json:"submission_count"`
}

type disputeMethod struct {
	Card struct {
		Brand             string `json:"brand"`
		NetworkReasonCode string `json:"network_reason_code"`
	} `json:"card"`
	Type string `json:"type"`
}

var theDispute = &fixedDispute{Object: "dispute", BalanceTransactions: []any{}}

// networkReasons are the reasons for which disputes are opened, as Visa numbers them.
var networkReasons = map[string]string{
	"credit_not_processed": "13.7", "duplicate": "12.6.1", "fraudulent": "10.4", "general": "13.5", "product_not_received": "13.1",
	"product_unacceptable": "13.3", "subscription_canceled": "13.2", "unrecognized": "10.4",
}

var evidenceNames = strings.Fields(`access_activity_log billing_address cancellation_policy cancellation_policy_disclosure
	cancellation_rebuttal customer_communication customer_email_address customer_name customer_purchase_ip customer_signature
	duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id product_description receipt refund_policy
	refund_policy_disclosure refund_refusal_explanation service_date service_documentation shipping_address shipping_carrier
	shipping_date shipping_documentation shipping_tracking_number uncategorized_file uncategorized_text`)

// wholeEvidence gives what was given, and null for everything else.
func wholeEvidence(given map[string]*string) map[string]*string {
	all := make(map[string]*string, len(evidenceNames))
	for _, name := range evidenceNames {
		all[name] = given[name]
	}
	return all
}

// inquiry says that the bank only asks.
func (d *dispute) inquiry() bool { return strings.HasPrefix(d.Status, "warning_") }

func (d *dispute) closed() bool {
	return d.Status == disputeWon || d.Status == disputeLost || d.Status == inquiryClosed
}

// leavesMoney says that the bank has not taken the money, or has given it again.
func (d *dispute) leavesMoney() bool { return d.inquiry() || d.Status == disputeWon }

// whole puts back what is not stored.
func (d *dispute) whole() *dispute {
	d.fixedDispute, d.Evidence = theDispute, wholeEvidence(d.Evidence)
	return d
}

// stored gives a copy without what is not stored.
func (d *dispute) stored() disputeRecord {
	bare := *d
	bare.fixedDispute, bare.Evidence = nil, map[string]*string{}
	for name, text := range d.Evidence {
		if text != nil {
			bare.Evidence[name] = text
		}
	}
	return disputeRecord{Dispute: &bare, Course: d.Course}
}
