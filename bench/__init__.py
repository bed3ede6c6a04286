"""Benchmarks, run by hand and by `make bench`. The product imports nothing from here."""
