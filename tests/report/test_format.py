"""Numbers are printed with the digits that their errors allow."""

from __future__ import annotations

import math

import pytest

from theorylab.report.format import memory, percent, percent_interval, seconds, significant, value_error


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.01234, 0.00452, "0.0123(45)"),
        (0.01234, 0.000996, "0.0123(10)"),
        (-1.5, 0.012, "-1.500(12)"),
        (12.34, 4.52, "12.3(4.5)"),
        (12345.0, 678.0, "12340(680)"),
        (0.0, 0.031, "0.000(31)"),
        (1.2345e-9, 6.7e-11, "1.234(67)e-09"),
        (3.21e7, 4.4e5, "3.210(44)e+07"),
        (1.0, 0.0, "1.0000"),
        (1.0, math.nan, "1.0000"),
        (1.0, math.inf, "1.00 +- inf"),
        (math.nan, 0.1, "n/a"),
        (99.96, 0.1, "99.96(10)"),
        (0.4, 55.0, "0(55)"),
    ],
)
def test_value_has_the_digits_of_its_error(value: float, error: float, text: str) -> None:
    assert value_error(value, error) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1230"), (0.99996, "1.00"), (-0.00012345, "-0.000123"), (1.5e-7, "1.50e-07"), (0.0, "0")],
)
def test_significant_digits(value: float, text: str) -> None:
    assert significant(value) == text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((0.01234, 0.0091, 0.0158), "1.23 % [0.91, 1.58]"),
        ((0.0123, 0.0, math.inf), "1.23 % [0, inf]"),
        ((0.25, 0.0, 0.61), "25 % [0, 61]"),
        ((0.5, 0.31, 0.69), "50 % [31, 69]"),
        ((0.012345, 0.01231, 0.01238), "1.2345 % [1.2310, 1.2380]"),
        ((0.012, 0.012, 0.012), "1.20 %"),
        ((0.012, math.nan, math.nan), "1.20 %"),
        ((math.nan, math.nan, math.nan), "n/a"),
        ((1e-10, 0.0, 3e-10), "1.00e-08 % [0, 3.00e-08]"),
    ],
)
def test_deviation_and_interval_in_percent(values: tuple[float, float, float], text: str) -> None:
    assert percent_interval(*values) == text


def test_percent() -> None:
    assert percent(0.0123) == "1.23 %"
    assert percent(math.nan) == "n/a"


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (4.56e-5, "46 us"),
        (0.00321, "3.2 ms"),
        (0.1234, "123 ms"),
        (0.9999, "1.00 s"),
        (1.234, "1.23 s"),
        (59.97, "1 min 00 s"),
        (125.2, "2 min 05 s"),
        (3725.0, "1 h 02 min"),
        (math.nan, "n/a"),
    ],
)
def test_durations(x: float, text: str) -> None:
    assert seconds(x) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(512, "512 B"), (1536, "1.50 KiB"), (1.5 * 2**30, "1.50 GiB"), (1023 * 2**20, "0.999 GiB"), (2**60, "1020 PiB")],
)
def test_memory(size: float, text: str) -> None:
    assert memory(size) == text
