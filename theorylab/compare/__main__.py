"""`python -m theorylab.compare`: predict, simulate, judge, report."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from theorylab.core.errors import NumericalFailure, Refused

USAGE, FAILED, INTERRUPTED = 2, 4, 130
LONG = 60.0
"""Seconds above which a preset's cost is announced before it starts."""
WIDTH = 140
"""Columns of the table where it goes to no terminal."""
CACHE_VARIABLE = "JAX_COMPILATION_CACHE_DIR"


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; its exit code: 0 all agree or converge, 1 something differs, 2 usage, 3 undecided,
    4 numerical failure, 130 interrupted."""
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        return _main(argv)
    except Refused as refusal:
        print(f"theorylab: {refusal}", file=sys.stderr)
        return USAGE
    except NumericalFailure as failure:
        print(f"theorylab: failed: {failure}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as stop:
        print(f"theorylab: interrupted; {stop if str(stop) else 'the same command resumes'}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return USAGE


def _main(argv: list[str]) -> int:
    from theorylab.compare import arguments

    options, rest = arguments.parse(argv)
    if options.version:
        from theorylab import __version__

        print(f"theorylab {__version__}")
    elif options.list:
        print(arguments.listing())
    elif options.cite:
        print(arguments.citations(options))
    elif options.help:
        _help(options)
    else:
        return _compare(options, rest, argv)
    return 0


def _help(options: argparse.Namespace) -> None:
    from theorylab.compare import arguments
    from theorylab.core import registry

    print(arguments.help_text(options), flush=True)
    if options.system:
        cls = registry.load(options.system)
        try:
            arguments.system_options(cls, cls(), ["--help"], f"{arguments.PROGRAM} {options.system}")
        except SystemExit:
            return


def _compare(options: argparse.Namespace, rest: list[str], argv: list[str]) -> int:
    from theorylab.compare import arguments

    _configure(options)
    if options.claims:
        return _claims(options)
    jobs = arguments.jobs(options, rest, argv)
    if options.sweep:
        return _sweep(options, jobs[0], argv)
    asked = arguments.experiments(options)

    from theorylab.compare.case import Options
    from theorylab.compare.comparison import exit_code
    from theorylab.compare.session import PAGE, Session, run_jobs
    from theorylab.core import registry
    from theorylab.engine.progress import Lines, Silent
    from theorylab.report import plain

    progress = Silent() if options.quiet else Lines()
    if options.against is not None:
        return _against(options, jobs)
    cost = sum(registry.load(name).presets[options.preset].seconds for name in {job.name for job in [*jobs, *asked]})
    if cost > LONG:
        progress.note(f"{options.preset}: about {cost / 60:.0f} minutes on two cores; what is stored is not run again")
    chosen = Options(
        tile=options.tile,
        store=True,
        progress=progress,
        shard=arguments.shard(options.shard),
        force=options.force,
    )
    session = run_jobs(jobs, options.out, options.seed, chosen) if jobs else Session([], [], [])
    outcomes = _experiments(options, asked, progress)
    for sentence in session.incomplete:
        progress.note(sentence)
    code = exit_code([result["verdict"] for result in session.results])
    if options.json:
        _print_json(session.results, code, outcomes)
        return code
    for outcome in outcomes:
        print(plain.outcome(outcome), end="\n\n")
    if outcomes and not session.results:
        print(f"report: {options.out / PAGE}")
    if session.results:
        _print_table(session.results)
        fresh = sum(not result["cached"] for result in session.results)
        others = "" if fresh == len(session.results) else "; the others were stored, and nothing of them is simulated"
        print(f"\n{fresh} of {len(session.results)} cases computed now{others}")
        for figure in session.overviews:
            print(f"sweep: {figure}")
        print(f"report: {options.out / PAGE}")
    return code


def _experiments(options: argparse.Namespace, asked: Sequence[Any], progress: Any) -> list[dict[str, Any]]:
    from theorylab.compare import experiments
    from theorylab.compare.session import write_page
    from theorylab.engine.store import default_root

    found = [experiments.run(one, options.out, default_root(), options.data, options.force, progress) for one in asked]
    if found:
        write_page(options.out, [])
    return found


def _sweep(options: argparse.Namespace, job: Any, argv: Sequence[str]) -> int:
    from theorylab.compare import arguments, sweeping
    from theorylab.compare.case import Options
    from theorylab.compare.comparison import exit_code
    from theorylab.compare.session import write_page
    from theorylab.engine.progress import Lines, Silent

    progress = Silent() if options.quiet else Lines()
    chosen = Options(tile=options.tile, store=True, progress=progress, force=options.force)
    part = arguments.shard(options.shard)
    over = arguments.swept(options.sweep)
    command = " ".join([arguments.PROGRAM, *argv])
    result = sweeping.run(job, over, options.theory_only, part, options.out, options.seed, chosen, command)
    if result["folder"] is not None:
        write_page(options.out, [])
    print(json.dumps(result, indent=2, ensure_ascii=False) if options.json else sweeping.text(result))
    return exit_code(result["words"])


def _claims(options: argparse.Namespace) -> int:
    from theorylab.compare import claims
    from theorylab.compare.session import write_page
    from theorylab.core import registry
    from theorylab.engine import files
    from theorylab.engine.progress import Lines, Silent
    from theorylab.report import plain

    files.check_writable(options.out)
    names = [options.system] if options.system else list(registry.names())
    progress = Silent() if options.quiet else Lines()
    found = [row for name in names for row in claims.checked(name, options.out, progress)]
    code = claims.exit_code(found)
    if options.json:
        print(json.dumps({"exit_code": code, "claims": found}, indent=2, ensure_ascii=False))
    else:
        print(plain.claims(found))
    write_page(options.out, [])
    return code


def _configure(options: argparse.Namespace) -> None:
    """What JAX needs to know before it is first used."""
    import jax

    jax.config.update("jax_enable_x64", True)
    if CACHE_VARIABLE not in os.environ:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "theorylab" / "jax"
        jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    if options.distributed:
        try:
            jax.distributed.initialize()
        except (ValueError, RuntimeError) as error:
            raise Refused(
                f"--distributed found no cluster ({error}); start one process a host under SLURM, MPI or a TPU pod, "
                "or set JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID"
            ) from error


def _against(options: argparse.Namespace, jobs: Sequence[Any]) -> int:
    from theorylab.compare.against import compare_measured
    from theorylab.compare.comparison import exit_code

    if options.system is None:
        raise Refused("--against needs a system's name")
    results = [compare_measured(jobs[0], options.against, options.out, options.seed)]
    words = [one["word"] for result in results for one in result["observables"] if one["word"] != "drawn"]
    code = exit_code(words)
    if options.json:
        _print_json(results, code)
    else:
        _print_table(results)
        print(f"\nfigure: {results[0]['figure']}")
    return code


def _print_json(results: Sequence[dict[str, Any]], code: int, experiments: Sequence[dict[str, Any]] = ()) -> None:
    from theorylab.compare.export import SCHEMA

    said = {"schema": SCHEMA, "exit_code": code, "results": list(results), "experiments": list(experiments)}
    print(json.dumps(said, indent=2, ensure_ascii=False))


def _print_table(results: Sequence[dict[str, Any]]) -> None:
    from theorylab.report.table import table

    live = sys.stdout.isatty()
    print(table(list(results), width=None if live else WIDTH, colour=live), end="")
    for result in results:
        for warning in result["warnings"]:
            print(f"\nwarning: {result['system']} {result['case']}: {warning}")


if __name__ == "__main__":
    sys.exit(main())
