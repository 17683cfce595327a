// Package krakensim is a Kraken to test against: the part of the exchange's Spot REST API and of its private
// WebSocket feeds (v1 and v2) that a client needs to get a WebSocket token and use it. It checks what Kraken checks,
// answers in Kraken's wire formats, and misbehaves on demand.
//
// An [Exchange] holds all state and is an [http.Handler]; [Exchange.Transport] serves it without sockets, and [Start]
// puts it on a listener, with TLS if asked. It shares no code with this project's own Kraken client, so that each
// checks the other's idea of the protocol.
//
// The wire formats follow docs.kraken.com (Spot REST, WebSocket v1 and v2) and, where the documentation is silent,
// what clients have recorded of the real exchange. Money is made up: every key has a paper account of its own, in
// which limit orders rest until they are cancelled and market orders find nobody to trade with.
package krakensim
