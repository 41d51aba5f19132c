// Package letter writes the e-mails: to customers, to the dealer, and to manufacturers. It knows what orders are and how people want to read about
// them; who delivers a message, and when, is not known here.
//
// # Templates
//
// An e-mail is two files, NAME.html (html/template) and NAME.txt (text/template). NAME.txt also defines its "subject". Both define
// "content", which layout.html and layout.txt put between what all e-mails have; the layouts also define "lines", "addresses" and
// what else e-mails share. The names are those in Names. A dealer's own folder (--templates DIR) may hold any of these files, each
// in the place of the built-in one; `orderledger notify templates DIR` writes the built-in ones there to begin with. All are checked
// at the start, by writing each e-mail about sample orders; an error names the file and the line.
//
// # Variables
//
// Everything is text, ready to be read: amounts, dates and countries are in the dealer's language, amounts in the order's currency.
// What an order doesn't have is empty.
//
//	.Dealer        .Name .Email .Phone .URL
//	.Customer      .Name .Company .Email .Phone .AccountNumber, .Greeting (the name, else the company)
//	.Order         .Number .Placed (a date) .ShippingMethod .Manufacturer
//	.BillTo        the billing address, line by line; none when it is the shipping address
//	.ShipTo        the shipping address, line by line
//	.Lines         each .SKU .Description .Quantity .UnitPrice .Discount .Amount
//	.Subtotal .Freight .Tax .Total   Freight and Tax are empty where nothing is charged
//	.Payment       .Method (card or account) .Card (Visa ending in 4242) .Provider (Stripe)
//	.Tracking      each .Carrier .Number .URL; URL is empty for carriers that are not known
//	.Fact          what the e-mail tells of: .Date, .Due (until when the manufacturer wants the order confirmed, as its clocks
//	               show it), .Amount (refunded, captured), .Money (cancelled: hold_released,
//	               charge_refunded, nothing_to_release, settled_elsewhere, elsewhere, bank; refunded: stripe, elsewhere,
//	               account)
//	.Language      the dealer's, such as en-US
//
// The dealer's digest (dealer.txt, dealer.html) has .Dealer, .Language, and .Facts, each .Kind .Order (its number) .Customer .Total
// .Date .Due .Detail, and .Title, a sentence without its end.
package letter
