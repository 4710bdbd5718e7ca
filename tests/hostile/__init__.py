"""The whole exporter against a k6 Cloud that misbehaves."""
