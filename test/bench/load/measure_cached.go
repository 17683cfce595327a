package main

import (
	"fmt"
	"time"
)

// builtinKV is the KV engine inside Vault.
const builtinKV = "kv-builtin"

// readerCounts are how many readers there are at once.
var readerCounts = []int{1, 16, 64}

// cachedReads compares reads of a cached token to reads of the other plugins.
func cachedReads(w *world) error {
	names, err := w.cachedContenders()
	if err != nil {
		return err
	}
	pids := map[string][]int{} // of who has a part in an answer
	for _, name := range names {
		pids[name] = []int{w.vault.PID()}
		if name == builtinKV {
			continue
		}
		pid, found, err := pluginProcess(name)
		if err != nil {
			return err
		}
		if found {
			pids[name] = append(pids[name], pid)
		}
	}
	for _, readers := range readerCounts {
		var contenders []contender
		for _, name := range names {
			c := w.readers(name, readers, w.span(200*time.Millisecond), name+"/ws-token")
			contenders = append(contenders, c.withProcessor(pids[name]))
		}
		samples, err := interleave(w.rounds(23), contenders...)
		if err != nil {
			return err
		}
		w.compareCached(readers, samples)
		for _, name := range names {
			w.plots.add(name, readers, samples[name])
		}
	}
	return nil
}

// cachedContenders mounts all that answer a read without asking anybody else, each with the same answer at ws-token.
func (w *world) cachedContenders() ([]string, error) {
	for _, name := range []string{kraken, floor, constant, kvExternal} {
		if err := w.mount(name, name); err != nil {
			return nil, err
		}
	}
	if err := w.mount("kv", builtinKV); err != nil {
		return nil, err
	}
	if _, err := w.newAccount(kraken, "", w.near.RESTURL, true); err != nil {
		return nil, err
	}
	token, err := w.vault.client.Logical().ReadWithContext(w.ctx, kraken+"/ws-token")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{kvExternal, builtinKV} {
		if err := w.write(name+"/ws-token", token.Data); err != nil {
			return nil, err
		}
	}
	return []string{kraken, floor, constant, kvExternal, builtinKV}, nil
}

func (w *world) compareCached(readers int, samples map[string][]sample) {
	throughput := func(name string) []float64 { return each(samples[name], sample.throughput) }
	compare := func(id, other string) {
		w.results.set(id, summarize(ratios(throughput(kraken), throughput(other))),
			"%.0f and %.0f reads/s", median(throughput(kraken)), median(throughput(other)))
	}
	compare(fmt.Sprintf("floor-%d", readers), floor)
	compare(fmt.Sprintf("constant-%d", readers), constant)
	if readers == 16 {
		compare("kv-external-16", kvExternal)
		compare("kv-builtin-16", builtinKV)
		ours, theirs := each(samples[kraken], sample.p99), each(samples[floor], sample.p99)
		w.results.set("floor-p99", summarize(ratios(ours, theirs)), "%s and %s; of each round's p99",
			milliseconds(median(ours)), milliseconds(median(theirs)))
		w.compareCost("floor-cost", floor, samples)
		w.compareCost("constant-cost", constant, samples)
	}
}

// compareCost compares what a read takes of the processor, which other programs on the machine don't change much.
func (w *world) compareCost(id, other string, samples map[string][]sample) {
	cost := func(name string) []float64 { return each(samples[name], sample.cost) }
	if median(cost(other)) == 0 {
		w.results.missing("no /proc", id)
		return
	}
	w.results.set(id, summarize(ratios(cost(kraken), cost(other))), "%s and %s",
		milliseconds(median(cost(kraken))), milliseconds(median(cost(other))))
}
