package clustertest

import "syscall"

// dieWithUs ends a node when this process ends, however it does.
func dieWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
