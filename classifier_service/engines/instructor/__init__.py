"""The classification engine that asks a language model through Instructor, and holds it to the taxonomy.

Nothing is imported here: options are read where the libraries of this engine are not installed.
"""
