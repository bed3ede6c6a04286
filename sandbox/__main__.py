"""`python -m sandbox write|serve|night DIR`: makes the demo company, serves it, lets a day pass in it."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from sandbox import generate
from sandbox.serve import PORT, Sandbox, next_night, serving


def main(arguments: list[str] | None = None) -> int:
    """Run a command; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="The demo company.")
    commands = parser.add_subparsers(dest="command", required=True)
    write = commands.add_parser(
        "write", help="write the company folder: configuration, exports, vendors' records, truth"
    )
    write.add_argument("folder", type=Path)
    write.add_argument("--scale", type=float, default=1.0, help="1 is about 20,000 customers (default)")
    write.add_argument("--seed", type=int, default=7)
    serve = commands.add_parser(
        "serve",
        help="serve the company's systems on 127.0.0.1, as their vendors do",
        epilog="After -- a command: it is served for, is told the address in SANDBOX_URL, and its exit status is ours.",
    )
    serve.add_argument("folder", type=Path)
    serve.add_argument("--port", type=int, default=PORT)
    night = commands.add_parser("night", help="let a day pass: new, changed and deleted records in every system")
    night.add_argument("folder", type=Path)
    words = sys.argv[1:] if arguments is None else arguments
    end = words.index("--") if "--" in words else len(words)
    chosen = parser.parse_args(words[:end])
    chosen.run = words[end + 1 :]
    try:
        return {"write": _write, "serve": _serve, "night": _night}[chosen.command](chosen)
    except (FileExistsError, FileNotFoundError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _write(chosen: argparse.Namespace) -> int:
    written = generate.write(chosen.folder, seed=chosen.seed, scale=chosen.scale)
    sys.stdout.write(f"The demo company is in {chosen.folder}{'' if written else ' already; nothing to write'}.\n")
    return 0


def _serve(chosen: argparse.Namespace) -> int:
    """Serve until interrupted, or while a command runs that is told the address in SANDBOX_URL."""
    generate.require(chosen.folder)
    with serving(Sandbox(chosen.folder), port=chosen.port, any_port=bool(chosen.run)) as running:
        if chosen.run:
            # The command is what the caller asked for on this command line.
            return subprocess.call(chosen.run, env={**os.environ, "SANDBOX_URL": running.url})  # noqa: S603, TID251
        sys.stdout.write(f"The demo company's systems are at {running.url}/<vendor> (Ctrl-C ends it).\n")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return 0


def _night(chosen: argparse.Namespace) -> int:
    generate.require(chosen.folder)
    changes = next_night(chosen.folder)
    generate.next_day(chosen.folder)
    counts = [
        (sum(len(getattr(c, kind)) for vendor in changes.values() for c in vendor.values()))
        for kind in ("added", "changed", "deleted")
    ]
    sys.stdout.write("A day has passed: {} records are new, {} changed, {} deleted.\n".format(*counts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
