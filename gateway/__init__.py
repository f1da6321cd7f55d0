"""A video in, its tags out: the service that owns untrusted video and composes the other two."""
