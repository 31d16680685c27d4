"""`python -m theorylab.fit SYSTEM FILE.csv [options]`: laws, or a system's couplings, from measured curves."""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from theorylab import fit
from theorylab.core import NumericalFailure, Refused, registry, require

PROGRAM = "theorylab.fit"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Refused(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0, 2 for bad usage or a malformed file, 4 for a numerical failure."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print(f"{__doc__}\n\nSystems: {', '.join(registry.names())}\n{PROGRAM} SYSTEM --help shows its options.")
        return 0
    try:
        return _main(given)
    except Refused as refusal:
        print(f"{PROGRAM}: {refusal}", file=sys.stderr)
        return 2
    except NumericalFailure as failure:
        print(f"{PROGRAM}: {failure}", file=sys.stderr)
        return 4


def _main(given: list[str]) -> int:
    name, rest = given[0], given[1:]
    module = fit.fitter(name)
    if "--over" in rest or module is None:
        return _couplings(name, rest)
    return _law(name, module, rest)


def _common(name: str) -> _Parser:
    made = _Parser(prog=f"{PROGRAM} {name}", allow_abbrev=False, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    made.add_argument("file", type=Path, metavar="FILE.csv", help="measurements: a header line, one line each")
    made.add_argument("--json", action="store_true", help="one JSON object on standard output, and nothing else")
    made.add_argument("--out", type=Path, metavar="DIR", help="folder for fit.json and the figures")
    made.add_argument("--seed", type=int, default=0, metavar="N", help="seed of starts, resamples and the split")
    return made


def _law(name: str, module: Any, rest: list[str]) -> int:
    import jax

    parser = _common(name)
    parser.description = inspect.getdoc(module.command)
    for option, parameter in list(inspect.signature(module.command).parameters.items())[2:]:
        flag = f"--{option.replace('_', '-')}"
        if isinstance(parameter.default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=parameter.default, help=" ")
        else:
            parser.add_argument(flag, type=type(parameter.default), default=parameter.default, help=" ")
    options = vars(parser.parse_args(rest))
    file, as_json, out, seed = (options.pop(key) for key in ("file", "json", "out", "seed"))
    answer = module.command(file, jax.random.key(seed), **options)
    tell(answer, as_json, out)
    return 0


def _couplings(name: str, rest: list[str]) -> int:
    import jax

    from theorylab.compare.arguments import system_options
    from theorylab.core.system import couplings
    from theorylab.fit.couplings import run

    cls = registry.load(name)
    parser = _common(name)
    parser.description = "Couplings from measured curves; the file is that of theorylab.compare --against."
    parser.epilog = f"Every other option is a field of {name}: what is not inferred, and where the search starts."
    parser.add_argument("--over", nargs="+", default=[], metavar="COUPLING", help="couplings to infer")
    parser.add_argument("--bootstraps", type=int, default=200, metavar="N", help="resamples; 0: no intervals")
    options, fields = parser.parse_known_args(rest)
    require(bool(options.over), f"name the couplings to infer: --over A B; those are: {', '.join(couplings(cls()))}")
    system = system_options(cls, cls(), fields, f"{PROGRAM} {name}") if fields else cls()
    key = jax.random.key(options.seed)
    tell(run(system, options.file, options.over, key=key, bootstraps=options.bootstraps), options.json, options.out)
    return 0


def tell(answer: Any, as_json: bool, out: Path | None) -> None:
    """Print an answer, and write it with its figures into a folder. Raises: `Refused` where that cannot be written."""
    plain = answer.to_dict()
    written: list[Path] = []
    if out is not None:
        from theorylab.engine import files
        from theorylab.report import overlay
        from theorylab.report.style import style

        files.write_json(out / "fit.json", plain)
        written.append(out / "fit.json")
        for title, draw in answer.figures().items():
            with style():
                content = overlay.png(draw())
            written.append(out / f"{title}.png")
            files.write_bytes(written[-1], content)
    if as_json:
        print(json.dumps(plain))
        return
    print(answer)
    for path in written:
        print(f"written: {path}")


if __name__ == "__main__":
    sys.exit(main())
