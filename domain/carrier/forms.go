package carrier

import "regexp"

// form is one kind of a carrier's numbers.
type form struct {
	carrier string
	pattern *regexp.Regexp
	// check says whether what stands from there on, check digit and all, adds up; nil where no check digit is published.
	check func(string) bool
	from  int
	tells tells
}

// tells says when a number of a form can only be of the form's carrier.
type tells int

const (
	never     tells = iota // others have such numbers, too
	whenRight              // when its check digit is right
	always
)

func kind(carrier, pattern string, check func(string) bool, from int, t tells) form {
	return form{carrier, regexp.MustCompile(`^(?:` + pattern + `)$`), check, from, t}
}

// forms are the kinds of numbers, as the carriers publish them: UPS's help on tracking; FedEx's Ground label specification and
// the guides of its Ship Manager; USPS Publications 91 and 199; standard S10 of the Universal Postal Union; DHL's waybill
// numbers, and Deutsche Post's Identcode and SSCC.
var forms = []form{
	kind("ups", `1Z[0-9A-Z]{16}`, upsSum, 2, always),
	kind("ups", `[TK]\d{10}|\d{9}|\d{12}|MI\d{6}[0-9A-Z]{1,22}`, nil, 0, never), // freight, notices at the door, Mail Innovations
	kind("ups", `9[1-5]\d{20}|9[1-5]\d{24}`, mod10, 0, never),                   // brought by the post

	kind("fedex", `\d{12}`, fedexSum, 0, whenRight),
	kind("fedex", `\d{15}`, mod10, 0, whenRight),
	kind("fedex", `0[0-4]\d{16}`, mod10, 2, whenRight),             // a container: its type does not count
	kind("fedex", `96\d{20}`, mod10, 7, always),                    // Ground's barcode; the number is its end
	kind("fedex", `(?:96[23]2|100\d)\d{30}`, fedexSum, 20, always), // the long barcodes
	kind("fedex", `926129\d{16}`, mod10, 0, always),                // Ground Economy, once SmartPost
	kind("fedex", `6129\d{16}`, smartPost, 0, whenRight),
	kind("fedex", `DT\d{12}`, nil, 0, always), // the notice at the door

	kind("usps", `9[1-5]\d{20}|9[1-5]\d{24}`, mod10, 0, whenRight),
	kind("usps", `420\d{5}(?:9[1-5]\d{20}|9[1-5]\d{24})`, mod10, 8, whenRight), // behind the ZIP code
	kind("usps", `420\d{9}9[1-5]\d{20}`, mod10, 12, whenRight),
	kind("usps", `(?:0[1-9]|[1-57-9]\d)\d{18}`, label20, 0, whenRight),
	kind("usps", `[A-Z]{2}\d{9}US`, s10, 2, always),
	kind("usps", `[A-Z]{2}\d{9}[A-Z]{2}`, s10, 2, never), // mail of other posts, which USPS delivers
	kind("usps", `82\d{8}`, nil, 0, never),               // Global Express Guaranteed

	kind("dhl", `\d{10}`, mod7, 0, whenRight),
	kind("dhl", `\d{12}`, identcode, 0, never),
	kind("dhl", `00\d{18}`, mod10, 2, whenRight), // SSCC
	kind("dhl", `[A-Z]{2}\d{9}DE`, s10, 2, always),
	kind("dhl", `J[A-Z]{1,3}\d{9,20}`, nil, 0, always),                                  // pieces
	kind("dhl", `GM\d{10,39}`, nil, 0, always),                                          // eCommerce
	kind("dhl", `(?:LX|RX|UV|CN|SG|TH|IN|HK|MY)\d{10,39}`, nil, 0, never),               // likewise
	kind("dhl", `9[1-5]\d{20}|9[1-5]\d{24}`, mod10, 0, never),                           // likewise, brought by the post
	kind("dhl", `420\d{5}(?:9[1-5]\d{20}|9[1-5]\d{24})`, mod10, len("42012345"), never), // likewise
}
