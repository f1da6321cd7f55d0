"""Untrusted video: opened, sampled and decoded, only ever in worker processes."""
