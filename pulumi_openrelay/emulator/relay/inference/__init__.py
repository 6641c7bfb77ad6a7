"""Inference: every category's routes, with canned but well-formed answers."""
