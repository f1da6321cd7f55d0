"""Calling the services from Python, with nothing but grpcio and protobuf."""
