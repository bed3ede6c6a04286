"""What connectors of web interfaces share: asking, pacing, paging, resuming, deleting, counting, watching for drift.

What a system's interface is like belongs in the system's own folder; `docs/add-a-connector.md` says how to write one.
"""
