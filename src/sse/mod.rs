//! Event streams as frames: SSE, NDJSON, JSON array.
