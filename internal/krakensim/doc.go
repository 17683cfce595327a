// Package krakensim is a Kraken to test against: the part of the exchange's Spot REST API and of its private
// WebSocket feeds (v1 and v2) that a client needs to get a WebSocket token and use it. It checks what Kraken checks,
// answers in Kraken's wire formats, and misbehaves on demand.
//
// An [Exchange] is the whole of it, and an [http.Handler]; [Exchange.Transport] serves its REST API without sockets, and
// [Start] puts it on a listener, with TLS if asked. Keys and REST are here; package feed has the WebSockets, package paper
// the accounts behind both, package fault what goes wrong, and package control the way to command it over HTTP. It shares no
// code with this project's own Kraken client, so that each checks the other's idea of the protocol.
//
// The wire formats follow docs.kraken.com (Spot REST, WebSocket v1 and v2) and, where the documentation is silent,
// what clients have recorded of the real exchange. Where both are silent, it takes the stricter way.
package krakensim
