package process

func limitCore() error { return nil } // Windows has no such limit
