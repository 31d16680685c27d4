"""The systems by class name: `theorylab.systems.RNNIntegrator(...)`; resolved lazily from the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from theorylab.core.registry import entry_points

if TYPE_CHECKING:
    from theorylab.systems.adaptive_kernels import AdaptiveKernels as AdaptiveKernels
    from theorylab.systems.deep_linear_dmft import DeepLinearDMFT as DeepLinearDMFT
    from theorylab.systems.equality_reasoning import EqualityReasoning as EqualityReasoning
    from theorylab.systems.error_broadcast import ErrorBroadcast as ErrorBroadcast
    from theorylab.systems.flow_autoencoder import FlowAutoencoder as FlowAutoencoder
    from theorylab.systems.precision_scaling import PrecisionScaling as PrecisionScaling
    from theorylab.systems.rf_ensembles import RFEnsembles as RFEnsembles
    from theorylab.systems.rl_posttraining import RLPosttraining as RLPosttraining
    from theorylab.systems.rnn_integrator import RNNIntegrator as RNNIntegrator
    from theorylab.systems.sgd_resolvent import SGDResolvent as SGDResolvent


def __getattr__(name: str) -> Any:
    for point in entry_points().values():
        if point.attr == name:
            return point.load()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__dir__())}")


def __dir__() -> list[str]:
    return sorted(point.attr for point in entry_points().values())
