package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// patience is how long the storage may take to answer; Prometheus waits 10 s.
const patience = 5 * time.Second

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("bootes_"+name, help, labels, nil)
}

func ofVolume(name, help string) *prometheus.Desc {
	return desc("volume_"+name, help, "volume", "machine", "mode")
}

var (
	diskFree       = desc("disk_free_bytes", "Free space on the file system of the data folder.")
	diskReserve    = desc("disk_reserve_bytes", "Free space that volumes and images may never take (limits.min_free).")
	diskNearlyFull = desc("disk_nearly_full", "1 while the free space is less than twice the reserve.")
	freeing        = desc("freeing_bytes", "Space of removed images and volumes that is being freed.")

	imageOwn     = desc("image_own_bytes", "Space that the removal of the image would free; what others stand on, too, is not in it.", "image")
	imageVirtual = desc("image_virtual_bytes", "Size of the image as a machine sees it.", "image")

	volumeSize       = ofVolume("size_bytes", "Size of the volume as its machine sees it.")
	volumeUsed       = ofVolume("used_bytes", "What the volume holds beyond its image, as the limit counts it.")
	volumeLimit      = ofVolume("limit_bytes", "What the volume may hold beyond its image; absent without a limit.")
	volumeOwn        = ofVolume("own_bytes", "Space that the removal of the volume and its snapshots would free.")
	volumeOpen       = ofVolume("open", "1 while a machine or a command has the volume open.")
	volumeNearlyFull = ofVolume("nearly_full", "1 while the volume is near its limit (limits.warn).")
	volumeWarnings   = ofVolume("warnings_total", "Warnings that the volume came near its limit, since the server's start.")

	all = []*prometheus.Desc{
		diskFree, diskReserve, diskNearlyFull, freeing, imageOwn, imageVirtual,
		volumeSize, volumeUsed, volumeLimit, volumeOwn, volumeOpen, volumeNearlyFull, volumeWarnings,
	}
)

// usage collects what the storage says at the moment of a scrape.
type usage struct{ storage Storage }

// Describe sends all that Collect may send.
func (c usage) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range all {
		ch <- d
	}
}

// Collect asks the storage once.
func (c usage) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	u, err := c.storage.Usage(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(diskFree, err)
		return
	}
	gauge(ch, diskFree, u.Free)
	gauge(ch, diskReserve, u.Reserve)
	gauge(ch, diskNearlyFull, truth(u.NearlyFull))
	gauge(ch, freeing, u.Freeing)
	for _, i := range u.Images {
		gauge(ch, imageOwn, i.Own, i.Name)
		gauge(ch, imageVirtual, i.Virtual, i.Name)
	}
	for _, v := range u.Volumes {
		v.collect(ch)
	}
}

func (v Volume) collect(ch chan<- prometheus.Metric) {
	labels := []string{v.ID, v.Machine, v.Mode}
	gauge(ch, volumeSize, v.Size, labels...)
	gauge(ch, volumeUsed, v.Used, labels...)
	if v.Limit > 0 {
		gauge(ch, volumeLimit, v.Limit, labels...)
	}
	gauge(ch, volumeOwn, v.Own, labels...)
	gauge(ch, volumeOpen, truth(v.Open), labels...)
	gauge(ch, volumeNearlyFull, truth(v.NearlyFull), labels...)
	ch <- prometheus.MustNewConstMetric(volumeWarnings, prometheus.CounterValue, float64(v.Warnings), labels...)
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, n int64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
