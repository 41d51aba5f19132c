// Package eventstore is the log as the rest of the program knows it: the port Store, the envelope of a recorded event, and
// the Codec that alone knows the stored form of the domain's events. Stores live in its subfolders; what they promise is
// written here once and proven for each of them by storetest. Nothing in this package does I/O.
package eventstore
