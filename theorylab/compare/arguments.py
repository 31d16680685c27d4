"""The command line: engine options here, a system's own options made from its fields by tyro."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from theorylab.core import AbstractSystem, Case, Refused, registry, require
from theorylab.core.documentation import summary
from theorylab.core.system import fields_of

PROGRAM = "python -m theorylab.compare"
SWEPT = "sweep a field over START:STOP:lin|log:COUNT or A,B,...; given several times, over a grid"


@dataclass(frozen=True)
class Job:
    """One case to compare: the system as it will be, and how often it is run."""

    name: str
    preset: str
    case: Case
    system: AbstractSystem
    runs: int
    sizes: tuple[int, ...]
    command: str
    swept: tuple[str, str, float] | None = None
    """Case, coupling and value, where the job is one setting of a sweep over one coupling."""


@dataclass(frozen=True)
class Asked:
    """An experiment of a system, and the command that runs it."""

    name: str
    preset: str
    command: str


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Refused(message)


def parser() -> argparse.ArgumentParser:
    """The engine's options."""
    made = _Parser(prog=PROGRAM, add_help=False, allow_abbrev=False, description=__doc__)
    add = made.add_argument
    add("system", nargs="?", help="a system's name; all systems where none is given")
    add("-h", "--help", action="store_true", help="show this, and the options of the system that is named")
    add("--list", action="store_true", help="list systems, papers, claims, presets and what they cost")
    add("--cite", action="store_true", help="print what to cite, as BibTeX")
    add("--version", action="store_true", help="print the version")
    add("--preset", default="quick", metavar="NAME", help='cases to run (default: "quick")')
    add("--case", metavar="NAME", help="one case of the preset; without it a system's options go to its first case")
    add("--runs", type=int, metavar="N", help="independent runs, in place of the case's own number")
    add("--seed", type=int, default=0, metavar="N", help="seed of the random key (default: 0)")
    add("--sizes", type=int, nargs="+", metavar="N", help="finite-size ladder: simulate each size and extrapolate")
    add("--sweep", action="append", metavar="FIELD=VALUES", help=SWEPT)
    add("--theory-only", action="store_true", help="a sweep's predictions, without simulations")
    add("--claims", action="store_true", help="check the papers' claims, each by a number, instead of comparing")
    add("--data", type=Path, metavar="DIR", help="folder of your own data sets, for presets that need one")
    add("--against", type=Path, metavar="FILE.csv", help="judge your own measured curves in place of a simulation")
    add("--out", type=Path, default=Path("results"), metavar="DIR", help='where results go (default: "results")')
    add("--json", action="store_true", help="print one JSON object and nothing else on standard output")
    add("--shard", default="0/1", metavar="I/N", help="compute only the I-th of N parts of the missing runs")
    add("--tile", type=int, metavar="N", help="runs in one compiled program, in place of the system's own number")
    add("--distributed", action="store_true", help="spread runs over the processes of a jax.distributed job")
    add("--force", action="store_true", help="simulate and predict again what is stored")
    add("--quiet", action="store_true", help="no progress")
    return made


def parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Engine options, and what is left for the system's own. Raises: `Refused` for bad usage."""
    options, rest = parser().parse_known_args(list(argv))
    require(
        options.system is not None or options.help or not rest,
        f"unknown options without a system's name: {' '.join(rest)}",
    )
    require(options.runs is None or options.runs >= 1, f"--runs must be at least 1, got {options.runs}")
    require(options.tile is None or options.tile >= 1, f"--tile must be at least 1, got {options.tile}")
    require(0 <= options.seed < 2**63, f"--seed must be between 0 and 2^63 - 1, got {options.seed}")
    shard(options.shard)
    require(not options.sweep or options.system is not None, "--sweep needs a system's name")
    require(not options.theory_only or options.sweep, "--theory-only goes with --sweep")
    return options, rest


def swept(texts: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Values by field of "FIELD=START:STOP:lin|log:COUNT" or "FIELD=A,B,..."; whole numbers stay integers.

    Raises: `Refused` for anything else.
    """
    found: dict[str, tuple[float, ...]] = {}
    for text in texts:
        name, _, values = text.partition("=")
        name = name.replace("-", "_")
        sentence = f"--sweep takes FIELD=START:STOP:lin|log:COUNT or FIELD=A,B,..., got {text!r}"
        require(name.isidentifier() and bool(values), sentence)
        require(name not in found, f"--sweep names {name} twice")
        parts = values.split(":")
        try:
            if len(parts) == 1:
                numbers = [float(part) for part in values.split(",")]
            else:
                require(len(parts) == 4 and parts[2] in ("lin", "log"), sentence)
                start, stop, count = float(parts[0]), float(parts[1]), int(parts[3])
                require(count >= 2, f"--sweep {name}: COUNT must be at least 2, got {count}")
                require(parts[2] == "lin" or min(start, stop) > 0, f"--sweep {name}: log needs positive ends")
                space = np.linspace if parts[2] == "lin" else np.geomspace
                numbers = [float(x) for x in space(start, stop, count)]
        except ValueError as error:
            raise error if isinstance(error, Refused) else Refused(sentence) from error
        found[name] = tuple(numbers)
    return found


def shard(text: str) -> tuple[int, int]:
    """(i, n) of "i/n". Raises: `Refused`."""
    index, _, count = text.partition("/")
    sentence = f"--shard must be I/N with 0 <= I < N, for example 0/4, got {text!r}"
    require(index.isdigit() and count.isdigit(), sentence)
    require(int(index) < int(count), sentence)
    return int(index), int(count)


def jobs(options: argparse.Namespace, rest: list[str], argv: Sequence[str]) -> list[Job]:
    """Everything that is to be compared, every setting checked before anything is computed.

    Raises: `Refused` for an unknown system, preset or case, or a setting that a system refuses; `SystemExit` from
    tyro, which says what is wrong with a system's own options.
    """
    names = [options.system] if options.system else list(registry.names())
    found: list[Job] = []
    for name in names:
        cls = registry.load(name)
        if options.preset not in cls.presets:
            # of all systems, those that have the preset
            require(not options.system, f"{name} has no preset {options.preset!r}; it has: {', '.join(cls.presets)}")
            continue
        preset = cls.presets[options.preset]
        if preset.experiment:
            refused = f"preset {options.preset!r} of {name} is an experiment, which takes neither cases nor {rest}"
            require(not (rest or options.case or options.runs or options.sizes), refused)
            continue
        cases = (preset.case(options.case),) if options.case else preset.cases
        if rest and not options.case:
            cases = cases[:1]
        for case in cases:
            system = cls.from_case(case)
            if rest:
                system = system_options(cls, system, rest, f"{PROGRAM} {name}")
            sizes = tuple(options.sizes) if options.sizes else case.sizes
            runs = options.runs or case.runs
            command = (
                " ".join([PROGRAM, *argv])
                if options.system and (rest or options.case)
                else _command(name, options, case)
            )
            found += _swept(Job(name, options.preset, case, system, runs, sizes, command))
    require(bool(found or experiments(options)), f"no system has a preset {options.preset!r}")
    return found


def experiments(options: argparse.Namespace) -> list[Asked]:
    """Presets of that name that are experiments."""
    names = [options.system] if options.system else list(registry.names())
    found = []
    for name in names:
        preset = registry.load(name).presets.get(options.preset)
        if preset is not None and preset.experiment:
            data = ["--data", str(options.data)] if options.data else []
            found.append(Asked(name, options.preset, " ".join([PROGRAM, name, "--preset", options.preset, *data])))
    return found


def _command(name: str, options: argparse.Namespace, case: Case) -> str:
    parts = [PROGRAM, name]
    if options.preset != "quick":
        parts += ["--preset", options.preset]
    parts += ["--case", case.name]
    if options.runs:
        parts += ["--runs", str(options.runs)]
    if options.sizes:
        parts += ["--sizes", *map(str, options.sizes)]
    if options.seed:
        parts += ["--seed", str(options.seed)]
    return " ".join(parts)


def _swept(job: Job) -> list[Job]:
    """A case with a sweep is one job a value; without, it is itself."""
    import dataclasses
    import itertools

    if not job.case.sweep:
        return [job]
    expanded = []
    for values in itertools.product(*job.case.sweep.values()):
        changes = dict(zip(job.case.sweep, values, strict=True))
        label = "-".join([job.case.name, *(f"{name}_{value:.6g}" for name, value in changes.items())])
        options = " ".join(f"--{name.replace('_', '-')} {value!r}" for name, value in changes.items())
        expanded.append(
            dataclasses.replace(
                job,
                case=dataclasses.replace(job.case, name=label.replace(".", "p").replace("+", ""), sweep={}),
                system=dataclasses.replace(job.system, **changes),
                command=f"{job.command} {options}",
                swept=(job.case.name, *next(iter(changes.items()))) if len(changes) == 1 else None,
            )
        )
    return expanded


def system_options(cls: type[AbstractSystem], default: AbstractSystem, rest: list[str], program: str) -> AbstractSystem:
    """A system with the fields that the command line names changed; exits with 2 where tyro refuses them."""
    import tyro

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tyro cannot resolve the type of a system's instance, nor need it
        return tyro.cli(cls, prog=program, default=_as_typed(default), args=rest, description=summary(cls))


def _as_typed(system: AbstractSystem) -> AbstractSystem:
    """The system with its arrays as tuples of numbers: tyro offers options for those, and fixes an array."""
    shown = object.__new__(type(system))
    for field in fields_of(system):
        value = getattr(system, field.name)
        if isinstance(value, np.ndarray) and value.ndim:
            value = tuple(map(tuple, value.tolist())) if value.ndim == 2 else tuple(value.tolist())
        object.__setattr__(shown, field.name, value)
    return shown


def help_text(options: argparse.Namespace) -> str:
    """Engine options, and how to see a system's own."""
    text = parser().format_help()
    if not options.system:
        text += f"\nsystems: {', '.join(registry.names())}\n{PROGRAM} SYSTEM --help shows a system's own options.\n"
    return text


def listing() -> str:
    """Systems, papers, presets with their cases and costs, claims."""
    lines: list[str] = []
    for name in registry.names():
        cls = registry.load(name)
        lines += [f"{name}: {summary(cls)}", f"  {cls.paper.short}, {cls.paper.title}, {cls.paper.url}"]
        for preset_name, preset in cls.presets.items():
            cases = ", ".join(case.name for case in preset.cases) or f"experiment. {preset.about}"
            lines.append(f"  --preset {preset_name} (about {_cost(preset.seconds)} on two cores): {cases}")
        lines += [f"  claim {claim.name}: {claim.statement}" for claim in cls.paper.claims]
        lines.append("")
    return "\n".join(lines).rstrip()


def _cost(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.0f} h"
    )


def citations(options: argparse.Namespace) -> str:
    """BibTeX of the package and of the papers (one system's, or all)."""
    from theorylab import __version__

    names: list[Any] = [options.system] if options.system else list(registry.names())
    own = (
        "@software{theorylab,\n  title   = {{theorylab: theories of neural-network learning beside simulations}},\n"
        f"  author  = {{{{The theorylab developers}}}},\n  version = {{{__version__}}},\n  year    = {{2026}},\n}}"
    )
    return "\n\n".join([own, *(registry.load(name).paper.bibtex() for name in names)])
