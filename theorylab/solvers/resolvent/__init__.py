"""Deterministic equivalents of resolvents of random matrices, of one and of two, and contours."""

from theorylab.solvers.resolvent.contours import (
    PARABOLA_NODES,
    ellipse,
    ellipse_nodes,
    integrate_pairs,
    parabola,
    smallest_parabola_node,
)
from theorylab.solvers.resolvent.exponents import data_exponent, model_exponent, require_exponents
from theorylab.solvers.resolvent.features import (
    descent_stages,
    renormalised_nodes,
    renormalised_nodes_host,
    upper_edge,
)
from theorylab.solvers.resolvent.modes import Modes, PairSums, equal_modes, pair_sums
from theorylab.solvers.resolvent.one_point import (
    AbstractSTransform,
    FreeProduct,
    Projector,
    Wishart,
    kappa_of_ridge,
    resolvent_product,
    sample_noise,
    vertex,
)
from theorylab.solvers.resolvent.ridge import RidgeMoments, renormalised_ridge, ridge_moments, ridgeless_kappa
from theorylab.solvers.resolvent.two_point import Pair, Transforms, diagonal_kernels, feature_transforms

__all__ = [
    "PARABOLA_NODES",
    "AbstractSTransform",
    "FreeProduct",
    "Modes",
    "Pair",
    "PairSums",
    "Projector",
    "RidgeMoments",
    "Transforms",
    "Wishart",
    "data_exponent",
    "descent_stages",
    "diagonal_kernels",
    "ellipse",
    "ellipse_nodes",
    "equal_modes",
    "feature_transforms",
    "integrate_pairs",
    "kappa_of_ridge",
    "model_exponent",
    "pair_sums",
    "parabola",
    "renormalised_nodes",
    "renormalised_nodes_host",
    "renormalised_ridge",
    "require_exponents",
    "resolvent_product",
    "ridge_moments",
    "ridgeless_kappa",
    "sample_noise",
    "smallest_parabola_node",
    "upper_edge",
    "vertex",
]
