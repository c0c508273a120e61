"""Code generated from `protos/` by `scripts/generate`: used by the gRPC adapter and the client alone."""
