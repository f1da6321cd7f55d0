"""Any video model of Hugging Face transformers, many clips at once. Runs in a process of its own.

Nothing here but the worker's entry may be imported by the service: it has no torch.
"""
