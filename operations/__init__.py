"""The border between the pipeline and its readers: lock, publish, history, exports, backup, alerts, erasure."""
