"""Settings of equality_reasoning: plain data."""

from __future__ import annotations

from theorylab.core import Case, Claim, Paper, Preset

PAPER = Paper(
    title="Learning richness modulates equality reasoning in neural networks",
    authors=("William L. Tong", "Cengiz Pehlevan"),
    year=2025,
    arxiv="2503.09781",
    claims=(
        Claim("rich", "Trained richly, three or four symbols are enough to tell novel ones apart.", "rich"),
        Claim("two", "Two symbols are not enough: accuracy stays at three quarters.", "rich-2"),
        Claim("lazy", "A lazy network needs a number of symbols that grows with their dimension.", "lazy"),
        Claim("noise", "Under noise the rich network learns the cone of best opening.", "noise"),
    ),
)

INF = float("inf")

RICH = {"dimension": 64, "symbols": 4, "width": 2048, "steps": 300, "records": 3, "tests": 256}
LAZY = {
    "dimension": 16,
    "symbols": 6,
    "width": 2048,
    "batch": INF,
    "richness": 1e-3,
    "theory": "kernel",
    "steps": 300,
    "records": 4,
    "tests": 512,
    "rate": 0.2,
}
NOISE = {
    "dimension": 32,
    "symbols": INF,
    "noisy": "always",
    "noise": 1.0,
    "width": 256,
    "batch": 256,
    "rate": 0.2,
    "steps": 600,
    "records": 4,
    "tests": 512,
}

QUICK = Preset(
    cases=(
        Case(
            "rich",
            fields=RICH,
            runs=16,
            numerics={"particles": 1024},
            about="four training symbols are enough for a rich network",
        ),
        Case("lazy", fields=LAZY, runs=16, about="a lazy network says different to nearly every novel pair"),
        Case(
            "noise",
            fields=NOISE,
            runs=24,
            numerics={"particles": 256, "examples": 128},
            about="fresh noisy symbols: the cone opens as far as the noise asks",
        ),
    ),
    seconds=25,
)

ROW = {"dimension": 128, "width": 1024, "records": 3, "tests": 1024}
VERY_RICH = {**ROW, "richness": 10.0, "rate": 0.1 / (10.0 * 128**0.5), "steps": 3000}
FRESH = {"dimension": 64, "symbols": INF, "noisy": "always", "width": 512, "steps": 3000, "records": 6}
SLOW_LAZY = {**LAZY, "dimension": 16, "width": 4096, "rate": 0.1, "steps": 1000, "tests": 1024}


def _rows(prefix: str, fields: dict[str, object], symbols: tuple[int, ...], about: str) -> tuple[Case, ...]:
    return tuple(
        Case(f"{prefix}-{count}", fields={**fields, "symbols": count}, runs=8, about=f"{about}, {count} symbols")
        for count in symbols
    )


FIGURES = Preset(
    cases=(
        *_rows("rich", {**ROW, "steps": 1500}, (2, 3, 4, 8), "richness 1"),
        *_rows("very-rich", VERY_RICH, (2, 3, 4), "richness 10"),
        *_rows("between", {**ROW, "richness": 0.25, "width": 4096, "steps": 600}, (3, 8), "richness 0.25"),
        *_rows("lazy", SLOW_LAZY, (8, 16), "the lazy limit in 16 dimensions"),
        Case("ladder", fields=RICH, runs=16, sizes=(256, 512, 1024, 2048), about="four symbols at growing width"),
        Case(
            "test-noise",
            fields={**ROW, "symbols": 8, "steps": 600, "noisy": "test", "noise": 0.5},
            runs=8,
            about="trained without noise, tested with it",
        ),
        *(
            Case(
                f"noise-{variance:g}".replace(".", "_"),
                fields={**FRESH, "noise": variance**0.5},
                runs=8,
                about=f"fresh symbols with noise of variance {variance:g}",
            )
            for variance in (0.5, 1.0, 2.0, 4.0)
        ),
    ),
    seconds=1500,
)

ACCELERATOR = Preset(
    cases=(
        *_rows("rich", {**ROW, "dimension": 256, "steps": 25000}, (4, 8, 16), "the paper's length of training"),
        *_rows(
            "between",
            {**ROW, "dimension": 256, "richness": 0.1, "width": 8192, "steps": 25000},
            (8, 16),
            "richness 0.1 at a width where it is judged fairly",
        ),
    ),
    seconds=3600,
)

VISION = Preset(
    seconds=1500,
    experiment="theorylab.systems.equality_reasoning.vision:run",
    about="same or different in images, which no theory predicts: patches and pentominoes, two-layer network and CNN",
)

PRESETS = {"quick": QUICK, "paper": FIGURES, "vision": VISION, "accelerator": ACCELERATOR}
