"""One module per source system: how that system exports the demo company.

Each has `write(out)`, which lays files into the source's folder and adds to the truth.
"""
