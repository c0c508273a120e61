"""A client for internal services: `from hub.client import HubClient`. Needs nothing of the hub but its stubs.

Requests and answers are the messages of `hub.rpc.v1`; what the hub refuses is raised as HubClientError.
"""

from hub.client.client import HubClient
from hub.client.errors import HubClientError, Violation
from hub.client.options import ClientOptions, Tls
from hub.client.retries import Backoff

__all__ = ["Backoff", "ClientOptions", "HubClient", "HubClientError", "Tls", "Violation"]
