"""The life of a resource, written once: check, create or adopt, await, read, diff, update, delete.

Nothing here knows a resource; each file in `resources` declares one. Start reading at `run.py`;
`life.py` says which kinds live another way.
"""
