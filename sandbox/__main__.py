"""`python -m sandbox write DIR`: makes the demo company; `python -m sandbox night DIR`: lets a day pass in it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sandbox import edit, generate


def main(arguments: list[str] | None = None) -> int:
    """Run a command; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="The demo company.")
    commands = parser.add_subparsers(dest="command", required=True)
    write = commands.add_parser("write", help="write the company folder: configuration, mappings, exports, truth")
    write.add_argument("folder", type=Path)
    write.add_argument("--scale", type=float, default=1.0, help="1 is about 20,000 customers (default)")
    write.add_argument("--seed", type=int, default=7)
    night = commands.add_parser("night", help="add one more day of orders to the exports")
    night.add_argument("folder", type=Path)
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "night":
            change = edit.add_month(chosen.folder)
            said = f"Added {change.file}: {len(change.added)} orders."
        else:
            written = generate.write(chosen.folder, seed=chosen.seed, scale=chosen.scale)
            said = f"The demo company is in {chosen.folder}{'' if written else ' already; nothing to write'}."
    except (FileExistsError, FileNotFoundError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{said}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
