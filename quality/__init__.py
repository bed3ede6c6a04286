"""Whether the data may be trusted: checks made from the contracts, quarantine of orphans, history, freshness, gate.

Nothing here reads sources or builds models; `pipelines` decides when each part runs.
"""
