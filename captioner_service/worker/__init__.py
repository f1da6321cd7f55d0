"""The process that owns a model which works on many clips at once, and the service's side of it."""
