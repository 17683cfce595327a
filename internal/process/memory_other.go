//go:build !linux

package process

func hideMemory() error { return nil } // only Linux has PR_SET_DUMPABLE
