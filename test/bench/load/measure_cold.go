package main

import (
	"errors"
	"time"
)

// coldReads compares reads for which the engine needs a new connection to Kraken to those for which it has one.
func coldReads(w *world) error {
	if err := w.mount(kraken, kraken); err != nil {
		return err
	}
	if _, err := w.newAccount(kraken, "cold", w.far.URL(), false); err != nil {
		return err
	}
	const path = kraken + "/ws-token/cold"
	after := func(pause time.Duration) (time.Duration, error) {
		before := w.far.Traffic().Connections
		if err := w.nearTLS.closeConnections(w.ctx); err != nil {
			return 0, err
		}
		time.Sleep(pause)
		took, err := w.read(w.client, path)
		if err == nil && w.far.Traffic().Connections == before {
			err = errors.New("the connection to Kraken wasn't closed")
		}
		return took, err
	}
	if _, err := w.read(w.client, path); err != nil {
		return err
	}
	var warm, cold, race []float64
	for range w.rounds(12) {
		// The engine learns of the close after half a round trip, long before 15 idle minutes are over; or not yet.
		noticed, err := after(4 * roundTrip)
		if err != nil {
			return err
		}
		again, err := w.read(w.client, path)
		if err != nil {
			return err
		}
		unnoticed, err := after(0)
		if err != nil {
			return err
		}
		warm, cold, race = append(warm, again.Seconds()), append(cold, noticed.Seconds()), append(race, unnoticed.Seconds())
	}
	more := func(slow []float64) summary {
		trips := make([]float64, len(slow))
		for i := range slow {
			trips[i] = (slow[i] - warm[i]) / roundTrip.Seconds()
		}
		return summarize(trips)
	}
	w.results.set("cold", more(cold), "%s and %s", milliseconds(median(cold)), milliseconds(median(warm)))
	w.results.set("cold-race", more(race), "%s", milliseconds(median(race)))
	return nil
}
