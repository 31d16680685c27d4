"""Settings of error_broadcast: plain data."""

from __future__ import annotations

from theorylab.core import Case, Claim, Paper, Preset

INF = float("inf")

PAPER = Paper(
    title="Error Broadcast and Decorrelation as a Potential Artificial and Natural Learning Mechanism",
    authors=("Mete Erdogan", "Cengiz Pehlevan", "Alper T. Erdogan"),
    year=2025,
    arxiv="2504.11558",
    claims=(
        Claim("flow", "A linear network follows the flow of error broadcast with a running correlation.", "flow"),
        Claim("dfa-limit", "At forgetting factor 1 error broadcast is direct feedback alignment.", "dfa"),
        Claim(
            "orthogonality",
            "Error broadcast reaches the least mean square error, whose estimator's error is orthogonal to the input.",
            "channel",
        ),
        Claim("bottleneck", "In a bottleneck the final error falls with the memory of the correlation.", "bottleneck"),
        Claim("floor", "A learning readout keeps the correlation below its open-loop floor.", "floor-closed"),
    ),
)

FLOW = {"steps": 1000, "records": 10}
FLOOR = {"model": "floor", "width": 8, "outputs": 1, "batch": 16, "noise": 1.0, "steps": 1000, "records": 5}
BOTTLENECK = {"width": 2, "memory": 20.0, "feedback": 0.6}
CHANNEL = {"model": "channel", "width": 64, "batch": 64, "rate": 0.02, "memory": 200.0, "steps": 12000}
"""memory 200 at rate 0.02: lambda = 0.9999."""

QUICK = Preset(
    cases=(
        Case("bottleneck", fields={**FLOW, **BOTTLENECK}, runs=32, about="two hidden units: features must be learned"),
        Case(
            "floor-closed",
            fields={**FLOOR, "rate": 0.05, "memory": 0.5, "feedback": 0.0},
            runs=256,
            about="how large the correlation stays while the readout learns (lambda = 0.9)",
        ),
    ),
    seconds=15,
)

S1 = {"steps": 2000, "records": 20}
CLOSED = (("90", 0.05, 0.5, 16), ("99", 0.05, 5.0, 16), ("99-large", 0.01, 1.0, 64), ("999", 0.02, 20.0, 16))

FIGURES = Preset(
    cases=(
        Case("flow", fields=S1, runs=16, about="memory 5, feedback 0.3"),
        Case("flow-long", fields={**S1, "memory": 50.0}, runs=16, about="memory 50"),
        Case("flow-none", fields={**S1, "memory": 0.5, "feedback": 0.0}, runs=16, about="short memory, no feedback"),
        Case("flow-small-batch", fields={**S1, "batch": 16}, runs=64, sizes=(1000, 2000, 4000), about="batches of 16"),
        Case("dfa", fields={**S1, "rule": "dfa"}, runs=16, about="direct feedback alignment"),
        Case("bp", fields={**S1, "rule": "bp"}, runs=16, about="backpropagation"),
        Case("ladder", fields=S1, runs=32, sizes=(500, 1000, 2000, 4000), about="the same time in more steps"),
        Case(
            "bottleneck",
            fields={"width": 2, "steps": 6000, "records": 12, "batch": 64},
            runs=16,
            sweep={"memory": (1.0, 10.0, 30.0, 100.0, INF)},
            about="two hidden units, to time 120",
        ),
        *(
            Case(
                f"floor-{name}",
                fields={**FLOOR, "rate": rate, "memory": memory, "feedback": 0.0, "batch": batch, "steps": 8000},
                runs=128,
                about=f"readout step {rate}, lambda {1 - rate / memory:g}, batch {batch}",
            )
            for name, rate, memory, batch in CLOSED
        ),
        Case(
            "floor-open",
            fields={**FLOOR, "readout_rate": 0.0, "memory": 2.0, "feedback": 0.1, "steps": 1000},
            runs=128,
            about="all weights frozen: feedback decays to the open-loop floor (lambda = 0.99)",
        ),
        *(
            Case(
                f"channel-{rule}",
                fields={**CHANNEL, "rule": rule},
                runs=8,
                sweep={"snr": (0.5, 1.0, 2.0)},
                about=f"the least mean square error of a sign in noise, by {rule}",
            )
            for rule in ("bp", "ebd")
        ),
        Case("channel", fields=CHANNEL, runs=8, about="the same at snr 1"),
    ),
    seconds=900,
)

MODULE = "theorylab.systems.error_broadcast"
DIGITS = Preset(
    seconds=3600,
    experiment=f"{MODULE}.digits:run",
    about="handwritten digits: every rule tuned with equal effort on a validation split; regularizers, momentum",
)
ENTROPY = Preset(
    seconds=600,
    experiment=f"{MODULE}.digits:run_entropy",
    about="digits with the entropy regularizer, 128 + 64 units: slow, an elimination a layer and step",
)
MNIST = Preset(seconds=36000, experiment=f"{MODULE}.digits:run_mnist", about="the same on MNIST from a folder (--data)")
CIFAR10 = Preset(
    seconds=100000, experiment=f"{MODULE}.digits:run_cifar10", about="the same on CIFAR-10 from a folder (--data)"
)

ACCELERATOR = Preset(
    cases=(
        Case("ladder", fields=S1, runs=256, sizes=(1000, 4000, 16000), about="the flow's limit of small steps"),
        Case(
            "bottleneck",
            fields={"width": 2, "steps": 50000, "records": 20},
            runs=64,
            sweep={"memory": (1.0, 10.0, 30.0, 100.0, 300.0, INF)},
            about="two hidden units, to time 1000",
        ),
    ),
    seconds=3600,
)

PRESETS = {
    "quick": QUICK,
    "paper": FIGURES,
    "digits": DIGITS,
    "entropy": ENTROPY,
    "mnist": MNIST,
    "cifar10": CIFAR10,
    "accelerator": ACCELERATOR,
}
