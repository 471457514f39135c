"""The verbs over gRPC: a process of its own (decisions/0009), of which only `child` runs inside the service."""

import os

# Before grpc is imported, which else writes a line for every connection that does not become TLS.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
