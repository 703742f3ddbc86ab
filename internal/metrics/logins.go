package metrics

import "github.com/prometheus/client_golang/prometheus"

var loginsRefused = desc("iscsi_logins_refused_total", "iSCSI logins that were refused or broken off, since the server's start.", "reason")

// logins collects what became of logins.
type logins struct{ refused func() map[string]uint64 }

// Describe sends all that Collect may send.
func (c logins) Describe(ch chan<- *prometheus.Desc) { ch <- loginsRefused }

// Collect asks the iSCSI server once.
func (c logins) Collect(ch chan<- prometheus.Metric) {
	for reason, n := range c.refused() {
		ch <- prometheus.MustNewConstMetric(loginsRefused, prometheus.CounterValue, float64(n), reason)
	}
}
