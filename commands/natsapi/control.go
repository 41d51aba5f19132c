package natsapi

import (
	"encoding/json"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// The protocol of micro services (NATS' ADR-32) is spoken here, with the types of nats.go's micro package. That package's own server
// lets an endpoint answer one request at a time, can't count what is answered later, and answers its control subjects wherever a
// request says.

// endpoint is one verb.
type endpoint struct {
	operation operation
	subject   string

	mu    sync.Mutex
	stats micro.EndpointStats
}

func newEndpoint(o operation, ledger string) *endpoint {
	subject := ledger + ".cmd." + o.verb
	return &endpoint{
		operation: o, subject: subject,
		stats: micro.EndpointStats{Name: o.verb, Subject: subject, QueueGroup: micro.DefaultQueueGroup},
	}
}

func (e *endpoint) count(took time.Duration, failure string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stats.NumRequests++
	e.stats.ProcessingTime += took
	e.stats.AverageProcessingTime = e.stats.ProcessingTime / time.Duration(e.stats.NumRequests)
	if failure != "" {
		e.stats.NumErrors++
		code, _, _ := strings.Cut(failure, ":") // the sentence behind it may speak of an order
		e.stats.LastError = code
	}
}

func (s *Service) ping() ([]byte, error) {
	return json.Marshal(micro.Ping{ServiceIdentity: s.identity, Type: micro.PingResponseType})
}

// info is large, and the same for ever: it is written once, since anybody may ask for it.
func (s *Service) info() ([]byte, error) {
	i := micro.Info{
		ServiceIdentity: s.identity, Type: micro.InfoResponseType,
		Description: "An order ledger: its commands and queries, as in the HTTP API. Send a token in the header Authorization.",
	}
	for _, e := range s.endpoints {
		i.Endpoints = append(i.Endpoints, micro.EndpointInfo{
			Name: e.operation.verb, Subject: e.subject, QueueGroup: micro.DefaultQueueGroup, Metadata: maps.Clone(e.operation.about),
		})
	}
	return json.Marshal(i)
}

func (s *Service) stats() ([]byte, error) {
	st := micro.Stats{ServiceIdentity: s.identity, Type: micro.StatsResponseType, Started: s.started}
	for _, e := range s.endpoints {
		e.mu.Lock()
		copied := e.stats
		e.mu.Unlock()
		st.Endpoints = append(st.Endpoints, &copied)
	}
	return json.Marshal(st)
}

// subscribeControl answers those who look for services: at all, of this name, and of this id.
func (s *Service) subscribeControl() error {
	info := sync.OnceValues(s.info)
	for verb, answer := range map[micro.Verb]func() ([]byte, error){micro.PingVerb: s.ping, micro.InfoVerb: info, micro.StatsVerb: s.stats} {
		for _, who := range [][2]string{{"", ""}, {Name, ""}, {Name, s.identity.ID}} {
			subject, err := micro.ControlSubject(verb, who[0], who[1])
			if err != nil {
				return err
			}
			sub, err := s.cfg.Conn.Subscribe(subject, func(m *nats.Msg) { s.control(m, answer) })
			if err != nil {
				return err
			}
			s.subs = append(s.subs, sub)
		}
	}
	return nil
}

func (s *Service) control(m *nats.Msg, answer func() ([]byte, error)) {
	if !s.answerable(m) {
		return
	}
	body, err := answer()
	if err == nil {
		err = s.cfg.Conn.Publish(m.Reply, body)
	}
	if err != nil {
		s.cfg.Logger.Warn("who looks for services on NATS could not be answered", "subject", m.Subject, "error", err)
	}
}
