"""`python -m theorylab.plan SYSTEM [options]`: every field of the system and of its planner is an option."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

import tyro

from theorylab import plan
from theorylab.core import NumericalFailure, Refused, registry


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0, 2 for bad usage, 4 for a numerical failure."""
    parser = argparse.ArgumentParser(prog="theorylab.plan", description=__doc__, add_help=False, allow_abbrev=False)
    parser.add_argument("system", nargs="?", help="a system's name")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print(f"{__doc__}\n\nSystems: {', '.join(registry.names())}\n--json prints one JSON object.")
        return 0
    name, rest = given[0], [argument for argument in given[1:] if argument != "--json"]
    try:
        cls, planner = plan.planner(name)
        options = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        for option, parameter in plan.options_of(planner).items():
            options.add_argument(f"--{option}", type=type(parameter.default), default=parameter.default)
        chosen, fields = options.parse_known_args(rest)
        system = tyro.cli(cls, prog=f"theorylab.plan {name}", args=fields)
        answer = planner(system, **vars(chosen))
    except Refused as refusal:
        print(f"theorylab.plan: {refusal}", file=sys.stderr)
        return 2
    except NumericalFailure as failure:
        print(f"theorylab.plan: {failure}", file=sys.stderr)
        return 4
    print(json.dumps(answer.to_dict()) if "--json" in given else answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
