"""`python -m theorylab.store`: what the store holds, how large it is, and removing from it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from theorylab.core.errors import Refused
from theorylab.engine.store import Entry, default_root, entries, remove
from theorylab.report.format import memory

DAY = 86400.0


def main(argv: Sequence[str] | None = None) -> int:
    """List the store; with --clean, remove what is named (nothing else ever removes anything)."""
    parser = argparse.ArgumentParser(prog="python -m theorylab.store", description=__doc__)
    parser.add_argument("system", nargs="?", help="only this system's addresses")
    parser.add_argument("--root", type=Path, default=None, help="where the store is (default: results/store)")
    parser.add_argument("--clean", action="store_true", help="remove the addresses that are listed")
    parser.add_argument("--older-than", type=float, metavar="DAYS", help="only addresses not written to for so long")
    parser.add_argument("--damaged", action="store_true", help="only addresses with files that were set aside")
    options = parser.parse_args(argv)
    root = options.root or default_root()
    try:
        found = [entry for entry in entries(root) if _wanted(entry, options)]
        if not found:
            print(f"nothing in {root}" + (" that fits" if root.exists() else " (no store there)"))
            return 0
        for entry in found:
            aside = f", {entry.damaged} set aside" if entry.damaged else ""
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.modified))
            print(f"{entry.system}  {entry.address}  {entry.items} files{aside}  {memory(entry.bytes)}  {when}")
            if options.clean:
                remove(entry)
        total = memory(sum(entry.bytes for entry in found))
        print(f"{'removed' if options.clean else 'in all'}: {len(found)} addresses, {total}, in {root}")
    except (Refused, OSError) as refusal:
        print(f"theorylab: {refusal}", file=sys.stderr)
        return 2
    return 0


def _wanted(entry: Entry, options: argparse.Namespace) -> bool:
    old = options.older_than is None or time.time() - entry.modified > options.older_than * DAY
    return (
        (options.system is None or entry.system == options.system)
        and old
        and (not options.damaged or entry.damaged > 0)
    )


if __name__ == "__main__":
    sys.exit(main())
