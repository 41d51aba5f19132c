package main

import (
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"github.com/orderledger/orderledger/cmd/app"
)

// mailFlags defines those of serve's flags that say who is told by e-mail, and in whose name.
func mailFlags(f *pflag.FlagSet, d app.Mail) {
	f.String("smtp", d.SMTP, "HOST:PORT of the mail server (default none: e-mails go to the folder outbox, and the pages show them)")
	f.String("smtp-tls", d.SMTPTLS, "starttls, tls or none (on this machine alone); default tls on port 465, else starttls, which is then required")
	f.String("smtp-auth-file", d.SMTPAuth, "file that holds the mail server's user and password, in two lines")
	f.String("mail-from", d.From, `whom e-mails come from, such as "Harbor Parts <orders@harbor.example>"`)
	f.String("mail-reply-to", d.ReplyTo, "where answers go (default --mail-from)")
	f.Float64("mail-rate", d.Rate, "e-mails a second, by SMTP")
	f.String("dealer-name", d.DealerName, "in e-mails and on packing slips (default the name in --mail-from)")
	f.String("dealer-phone", d.DealerPhone, "in e-mails and on packing slips")
	f.String("dealer-url", d.DealerURL, "of the web store, in e-mails and on packing slips")
	f.String("dealer-address", d.DealerAddress, "where the dealer is told of new orders, what is due, and what failed (default nowhere)")
	f.String("locale", d.Locale, "language and place for amounts and dates in e-mails and on pages, such as de-DE")
	f.String("time-zone", d.TimeZone, "zone of dates in e-mails and on pages, such as America/New_York")
	f.String("templates", d.Templates, "folder of your own e-mails; begin with: orderledger notify templates DIR")
	f.String("notify-also", d.NotifyAlso, "tell customers of these too: accepted, captured, archived")
	f.Duration("history-after", d.HistoryAfter, "an order that its store took so long before is history as it comes in: nobody is told that it was placed; 0 for never")
	f.String("notify", d.Notify, "on, or off (nobody is told of what happens meanwhile, nor later)")
}

func readMail(k *koanf.Koanf) app.Mail {
	return app.Mail{
		SMTP: k.String("smtp"), SMTPTLS: k.String("smtp-tls"), SMTPAuth: k.String("smtp-auth-file"),
		From: k.String("mail-from"), ReplyTo: k.String("mail-reply-to"), Rate: k.Float64("mail-rate"),
		DealerName: k.String("dealer-name"), DealerPhone: k.String("dealer-phone"), DealerURL: k.String("dealer-url"),
		DealerAddress: k.String("dealer-address"), Locale: k.String("locale"), TimeZone: k.String("time-zone"),
		Templates: k.String("templates"), NotifyAlso: k.String("notify-also"), HistoryAfter: k.Duration("history-after"),
		Notify: k.String("notify"),
	}
}

// slipFlags defines those that say what stands on packing slips, beside the dealer's name, phone and web store.
func slipFlags(f *pflag.FlagSet, d app.Slip) {
	f.String("dealer-postal-address", d.Address, `on packing slips; lines end with semicolons, such as "12 Quay St; Portland, ME 04101"`)
	f.Bool("packing-slip-prices", d.Prices, "put prices on packing slips, unless the page is asked for one without")
}

func readSlip(k *koanf.Koanf) app.Slip {
	return app.Slip{Address: k.String("dealer-postal-address"), Prices: k.Bool("packing-slip-prices")}
}
