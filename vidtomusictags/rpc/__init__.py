"""How a gRPC service is hosted and called; knows no service."""
