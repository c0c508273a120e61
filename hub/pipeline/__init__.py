"""From the document to a worker and back: relay, sweep, transports, workers."""
