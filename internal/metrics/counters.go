package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Counters count what happens, as it happens. Every label has few values, none
// of which a client can make up. Its methods may be called from any goroutine.
type Counters struct {
	messages  *prometheus.CounterVec
	transfers *prometheus.HistogramVec
	bytes     *prometheus.CounterVec
	scripts   *prometheus.CounterVec
	boots     *prometheus.CounterVec
	stages    *prometheus.HistogramVec
	syncs     prometheus.Histogram
}

// seconds are the bounds of what takes a boot's time: milliseconds to minutes.
var seconds = []float64{.001, .004, .016, .064, .25, 1, 2, 4, 8, 15, 30, 60, 120, 300}

// NewCounters returns counters that are at zero.
func NewCounters() *Counters {
	return &Counters{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bootes_dhcp_messages_total", Help: "DHCP messages that came in, by what they were answered with; \"none\" are those that are no business of ours, \"error\" those that failed.",
		}, []string{"message", "answer"}),
		transfers: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "bootes_transfer_seconds", Help: "How long transfers of loaders took, by TFTP or HTTP.", Buckets: seconds,
		}, []string{"protocol", "outcome"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bootes_transfer_bytes_total", Help: "Bytes of loaders that were sent.",
		}, []string{"protocol"}),
		scripts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bootes_scripts_total", Help: "iPXE scripts that were asked for.",
		}, []string{"outcome"}),
		boots: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bootes_boots_ended_total", Help: "Boots that ended, by outcome, the stage that they had reached, and the kind of their diagnosis; one that stalls and goes on after all is counted as both.",
		}, []string{"outcome", "stage", "kind"}),
		stages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "bootes_boot_stage_seconds", Help: "How long boots stayed in a stage before they came to the next.", Buckets: seconds,
		}, []string{"stage"}),
		syncs: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "bootes_journal_sync_seconds", Help: "How long writes of the leases' journal took, synced.", Buckets: prometheus.ExponentialBuckets(.0001, 2, 15),
		}),
	}
}

func (c *Counters) all() []prometheus.Collector {
	return []prometheus.Collector{c.messages, c.transfers, c.bytes, c.scripts, c.boots, c.stages, c.syncs}
}

// DHCP counts a message, such as "DISCOVER", and its answer, such as "OFFER".
func (c *Counters) DHCP(message, answer string) { c.messages.WithLabelValues(message, answer).Inc() }

// Transfer counts a file that was sent by a protocol, in lower case.
func (c *Counters) Transfer(protocol, outcome string, bytes int64, took time.Duration) {
	c.transfers.WithLabelValues(protocol, outcome).Observe(took.Seconds())
	c.bytes.WithLabelValues(protocol).Add(float64(bytes))
}

// Script counts a script, or its refusal.
func (c *Counters) Script(outcome string) { c.scripts.WithLabelValues(outcome).Inc() }

// BootEnded counts a boot; kind is "" without a diagnosis.
func (c *Counters) BootEnded(outcome, stage, kind string) {
	c.boots.WithLabelValues(outcome, stage, kind).Inc()
}

// StageLeft counts that a boot has come from a stage to the next.
func (c *Counters) StageLeft(stage string, took time.Duration) {
	c.stages.WithLabelValues(stage).Observe(took.Seconds())
}

// JournalSynced counts a write of the leases' journal, which is on disk now.
func (c *Counters) JournalSynced(took time.Duration) { c.syncs.Observe(took.Seconds()) }
