// Package notify tells people of what happened to orders: customers, the dealer, manufacturers. Like the saga it follows the log,
// and the log is its queue: a fact asks for a notice, and a receipt in the companion stream notice-<order> answers it.
//
// The package has a pure core and a runner around it:
//
//   - React folds the log into the notices that are wanted and not answered. It has no channels, so replaying a log can't reach
//     anybody.
//   - Runner.Run follows the log, and holds the channels. It sends only after it has caught up with the log as it was when it
//     began.
//
// What people are told of is a Kind: which facts ask for it, who is told, how it is written, and by which Lane it goes. The
// program's one composition root registers kinds; nothing here knows what they say. Package letter writes e-mails, package post
// delivers them.
//
// What is promised:
//
//   - One fact is one notice, for ever: its id is made of the event's, the kind and who is told. Each has one receipt,
//     NotificationSent or NotificationFailed, and what has a receipt is not sent again, unless a person asks for that.
//   - A crash between sending and receipt repeats a message with the same id (an e-mail's Message-ID); none is lost.
//   - Nobody is told of the past. NotificationsBegan, in the log itself, says of which kinds of facts people are told from there
//     on; it is written before anything else can be. Facts before it, and of other kinds, are never told. An order that its store
//     took long before it came in is history too: see Fact.History.
//   - A refusal for now is tried again for three days, then it is a NotificationFailed; a refusal for good is one at once.
//   - Orders don't wait for each other, and lanes don't.
//
// One process of a ledger sends. Two of them would both see a fact at once and could both tell it, with the same message id.
package notify
