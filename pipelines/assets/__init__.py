"""What Dagster shows: one module per layer, each a thin cover over loading.py and refresh/."""
