"""The steps of a refresh, from raw files to a published warehouse, each safe to repeat.

Plain functions over the build database; assets/ shows them in Dagster. A step whose inputs did not change leaves
its tables alone; the fingerprints in meta.built say what each table was built from.
"""
