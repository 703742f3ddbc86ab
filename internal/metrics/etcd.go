package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// fromEtcd are those of etcd's own metrics that tell how the store does, by the
// names that they have wherever etcd runs. It registers all of its own with the
// default registry, and most are of no use without a cluster.
var fromEtcd = []string{
	"etcd_disk_backend_commit_duration_seconds",
	"etcd_disk_wal_fsync_duration_seconds",
	"etcd_mvcc_db_total_size_in_bytes",
	"etcd_mvcc_db_total_size_in_use_in_bytes",
	"etcd_server_proposals_failed_total",
	"etcd_server_proposals_pending",
	"etcd_server_quota_backend_bytes",
}

// etcd gathers from what etcd has registered.
type etcd struct{ prometheus.Gatherer }

// Gather makes etcd a prometheus.Gatherer.
func (e etcd) Gather() ([]*dto.MetricFamily, error) {
	all, err := e.Gatherer.Gather()
	return slices.DeleteFunc(all, func(f *dto.MetricFamily) bool { return !slices.Contains(fromEtcd, f.GetName()) }), err
}
