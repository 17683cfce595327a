package main

import (
	"io"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/krakensecrets/vault-plugin-secrets-kraken/internal/krakensim/line"
)

// roundTrip is how far away the Kraken is that isn't on this machine.
const roundTrip = 40 * time.Millisecond

// layFarLine lays a line to a server, a round trip long. It is in this process, which has nothing else to do while a call
// takes 40 ms.
func layFarLine(serverURL string) (*line.Line, error) {
	late, err := lateness()
	if err != nil {
		return nil, err
	}
	far, err := line.New(serverURL)
	if err == nil {
		far.SetLatency((roundTrip - late) / 2)
	}
	return far, err
}

// lateness is by how much a round trip over a line is longer than its latencies: what it takes to get going itself. It is
// some 0.5 ms, which would count against who is measured over it.
func lateness() (time.Duration, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		}
	}()
	far, err := line.New((&url.URL{Scheme: "http", Host: listener.Addr().String()}).String())
	if err != nil {
		return 0, err
	}
	defer far.Close()
	far.SetLatency(roundTrip / 2)
	end, err := url.Parse(far.URL())
	if err != nil {
		return 0, err
	}
	conn, err := net.Dial("tcp", end.Host)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	var took []time.Duration
	for range 21 { // the first of which makes the connection
		began := time.Now()
		if _, err := conn.Write([]byte("ping")); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(conn, make([]byte, len("ping"))); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return min(max(0, took[len(took)/2]-roundTrip), roundTrip/10), nil
}
