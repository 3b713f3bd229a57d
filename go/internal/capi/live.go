//go:build !qntx_debug

package capi

// Live is where each handle was made that is open now; only builds with the tag qntx_debug know.
func Live() []string { return nil }
