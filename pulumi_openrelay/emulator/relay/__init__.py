"""Relay: rented machines, keys, the account, and inference of every category."""
