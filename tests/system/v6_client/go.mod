// Pins the official Go client of the v6 API that the end-to-end tests drive.
module v6-client

go 1.25.0

require github.com/grafana/k6-cloud-openapi-client-go v0.0.3-0.20260716125012-97c96146fa7c

require gopkg.in/validator.v2 v2.0.1 // indirect
