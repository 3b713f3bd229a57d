//go:build !linux

package clustertest

import "syscall"

// dieWithUs is only there on Linux; elsewhere the test's clean-up ends a node.
func dieWithUs() *syscall.SysProcAttr { return nil }
