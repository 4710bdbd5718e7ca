// The same facts served by client_golang: a custom Collector of const metrics, and promhttp with compression.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

type family struct {
	Name    string
	Help    string
	Type    string
	Labels  []string
	Samples []sample

	desc *prometheus.Desc
	kind prometheus.ValueType
}

// A sample is written as [["label", "values"], value].
type sample struct {
	labels []string
	value  float64
}

func (s *sample) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&s.labels, &s.value})
}

type facts []*family

func (f facts) Describe(descs chan<- *prometheus.Desc) {
	for _, family := range f {
		descs <- family.desc
	}
}

func (f facts) Collect(metrics chan<- prometheus.Metric) {
	for _, family := range f {
		for _, s := range family.Samples {
			metrics <- prometheus.MustNewConstMetric(family.desc, family.kind, s.value, s.labels...)
		}
	}
}

func read(file string) (facts, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var families facts
	if err := json.Unmarshal(text, &families); err != nil {
		return nil, err
	}
	for _, family := range families {
		family.desc = prometheus.NewDesc(family.Name, family.Help, family.Labels, nil)
		family.kind = prometheus.GaugeValue
		if family.Type == "counter" {
			family.kind = prometheus.CounterValue
		}
	}
	return families, nil
}

func versions() string {
	text := runtime.Version()
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, module := range build.Deps {
			if module.Path == "github.com/prometheus/client_golang" {
				text += ", client_golang " + module.Version
			}
		}
	}
	return text
}

func main() {
	if os.Args[1] == "-version" {
		fmt.Println(versions())
		return
	}
	families, err := read(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(families)
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	fmt.Printf("http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
