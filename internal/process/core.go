package process

import "errors"

// NoCoreDump sees to it that a crash leaves no copy of the memory, with the keys in it, on a disk; and, on Linux, that other processes of the same user can't
// read it either, nor the environment and the list of open files. The error says what the system has refused; what it can has been done. Windows writes
// no such dump unless it is told to for this program, and nothing is done there.
func NoCoreDump() error { return errors.Join(limitCore(), hideMemory()) }
