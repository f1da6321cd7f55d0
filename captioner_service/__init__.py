"""Frames of a clip in, a summary in plain language out: the service that scales with GPUs."""
