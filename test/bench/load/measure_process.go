package main

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// idle compares plugins that have given one answer.
func idle(w *world) error {
	ours, err := os.Stat(w.binary(kraken))
	if err != nil {
		return err
	}
	theirs, err := os.Stat(w.binary(constant))
	if err != nil {
		return err
	}
	const mebibyte = 1 << 20
	w.results.set("binary", summarize([]float64{float64(ours.Size()) / float64(theirs.Size())}), "%.2f and %.2f MiB",
		float64(ours.Size())/mebibyte, float64(theirs.Size())/mebibyte)

	var names []string
	for i := range w.rounds(5) {
		for _, plugin := range []string{kraken, constant} {
			name := fmt.Sprintf("%s-idle-%d", plugin, i)
			if err := w.mountAndRead(plugin, name); err != nil {
				return err
			}
			names = append(names, name)
		}
	}
	resident, err := w.settledMemory(names...)
	if err != nil || resident == nil {
		w.results.missing("no /proc", "idle-memory")
		return err
	}
	var first, second []float64
	for i := 0; i < len(resident); i += 2 {
		first, second = append(first, resident[i]), append(second, resident[i+1])
	}
	w.results.set("idle-memory", summarize(ratios(first, second)), "%.1f and %.1f MiB", median(first), median(second))
	return nil
}

// mountAndRead mounts a plugin, with an account at the near TLS Kraken if it is ours, and reads once.
func (w *world) mountAndRead(plugin, name string) error {
	if err := w.mount(plugin, name); err != nil {
		return err
	}
	if plugin == kraken {
		if _, err := w.newAccount(name, "", w.nearTLS.RESTURL, false); err != nil {
			return err
		}
	}
	_, err := w.read(w.client, name+"/ws-token")
	return err
}

// starts compares first answers: Vault finds the plugin's process gone, starts another, and has it answer. (A reload
// would start it twice: once to ask what it is.)
func starts(w *world) error {
	const ours, theirs, call = "kraken-start", "constant-start", "cold TLS call"
	for plugin, name := range map[string]string{kraken: ours, constant: theirs} {
		if err := w.mountAndRead(plugin, name); err != nil {
			return err
		}
	}
	if _, found, err := pluginProcess(ours); err != nil || !found {
		w.results.missing("no /proc to find the plugin in", "start")
		return err
	}
	bare, err := w.newCaller(w.nearTLS, w.nearTLS.RESTURL)
	if err != nil {
		return err
	}
	defer bare.close()
	first := func(name string) contender {
		return contender{name, func() (sample, error) { return w.firstAnswer(name) }}
	}
	samples, err := interleave(w.rounds(13), first(ours), first(theirs), contender{call, func() (sample, error) {
		bare.connect()
		return once(bare.call())
	}})
	if err != nil {
		return err
	}
	p50 := func(name string) []float64 { return each(samples[name], sample.p50) }
	parts := make([]float64, len(p50(theirs)))
	for i := range parts {
		parts[i] = p50(theirs)[i] + p50(call)[i]
	}
	w.results.set("start", summarize(ratios(p50(ours), parts)), "%s; constant plugin %s, call %s",
		milliseconds(median(p50(ours))), milliseconds(median(p50(theirs))), milliseconds(median(p50(call))))
	return nil
}

// firstAnswer is a read that finds the plugin's process gone. Now and then Vault has not noticed yet, and the read is refused; then it is another
// one's turn.
func (w *world) firstAnswer(name string) (taken sample, err error) {
	for range 5 {
		if err := endPlugin(name); err != nil {
			return sample{}, err
		}
		if taken, err = once(w.read(w.client, name+"/ws-token")); err == nil {
			return taken, nil
		}
		for range 50 { // until a process runs that can be ended
			time.Sleep(100 * time.Millisecond)
			if _, again := w.read(w.client, name+"/ws-token"); again == nil {
				break
			}
		}
	}
	return sample{}, err
}

// once is a sample of one.
func once(took time.Duration, err error) (sample, error) {
	return sample{latencies: []time.Duration{took}, elapsed: took}, err
}

// endPlugin kills a plugin, and gives Vault the time to notice.
func endPlugin(name string) error {
	pid, _, err := pluginProcess(name)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond)
	return nil
}
