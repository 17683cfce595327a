// Package krakensim is a Kraken to test against: the part of the exchange's Spot REST API and of its private
// WebSocket feeds (v1 and v2) with which a client gets a WebSocket token, uses it, and trades on a paper account. It
// checks what Kraken checks, answers in Kraken's wire formats, and misbehaves on demand.
//
// An [Exchange] is the whole of it, and an [http.Handler]. [Exchange.Transport] serves its REST API without sockets,
// and [Start] puts it on a listener, with TLS if asked. Here are keys and REST. The packages below it have the rest:
//
//   - feed: the WebSockets
//   - paper: the accounts behind WebSockets and REST
//   - permission: what a key may do
//   - fault: what goes wrong with an answer
//   - ca: certificates
//   - control: a way to command a [Server] over HTTP
//   - line: a network between client and server, which can be cut and slow
//   - wiretest: what the tests share
//
// It shares no code with this project's own Kraken client, so that each checks the other's idea of the protocol.
//
// The wire formats follow docs.kraken.com (Spot REST, WebSocket v1 and v2) and, where the documentation is silent,
// what clients have recorded of the real exchange. Where both are silent, it takes the stricter way.
package krakensim
