"""The verbs over gRPC: a process of its own (decisions/0009), of which only `child` runs inside the service."""
