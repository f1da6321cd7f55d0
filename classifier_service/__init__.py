"""A summary and a taxonomy in, scored tags out: the service that owns vocabularies and the language model."""
