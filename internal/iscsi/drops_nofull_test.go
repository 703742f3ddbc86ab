//go:build !full

package iscsi

// drops is how many connections come and go.
const drops = 2000
