"""The notification hub: one async core behind REST, GraphQL and gRPC."""

__version__ = "0.1.0"
