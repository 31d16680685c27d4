"""Numbers as they are read: with their errors, and no more digits than those allow."""

from __future__ import annotations

import math

NOTHING = "n/a"
"""Printed for what is not known."""


def _exponent(x: float) -> int:
    """Decimal exponent of x; 0 for 0."""
    return math.floor(math.log10(abs(x))) if x else 0


def _rounded(x: float, digits: int) -> float:
    return float(f"{x:.{digits - 1}e}")


def significant(value: float, digits: int = 3) -> str:
    """`value` with `digits` significant digits, trailing zeros kept; powers of ten below 1e-4 and from 1e6 on."""
    value = float(value)
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    value = _rounded(value, digits)
    power = _exponent(value)
    if not -4 <= power < 6:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(digits - 1 - power, 0)}f}"


def value_error(value: float, error: float, digits: int = 2) -> str:
    """Value and standard error in parentheses, in units of the last digit: 0.0123(45) is 0.0123 +- 0.0045.

    An error of one or more that keeps decimals shows its point: 12.3(4.5). The error has `digits` significant
    digits and the value as many decimals. Without an error (0, nan) the value has five digits.
    """
    value, error = float(value), abs(float(error))
    if math.isinf(error):
        return f"{significant(value)} +- inf"
    if not math.isfinite(value) or math.isnan(error) or error == 0:
        return significant(value, 5)
    error = _rounded(error, digits)
    largest = max(_exponent(value), _exponent(error))
    if not -4 <= largest < 6:
        scale = 10.0**-largest
        return f"{value_error(value * scale, error * scale, digits)}e{largest:+03d}"
    decimals = digits - 1 - _exponent(error)
    if decimals <= 0:
        return f"{_rounded_to(value, decimals)}({error:.0f})"
    inside = f"{error:.{decimals}f}" if error >= 1 else f"{round(error * 10**decimals)}"
    return f"{value:.{decimals}f}({inside})"


def _rounded_to(value: float, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:.0f}"


def percent(value: float, digits: int = 3) -> str:
    """A fraction in percent: 0.0123 is "1.23 %"."""
    text = significant(100 * float(value), digits)
    return text if text == NOTHING else f"{text} %"


def percent_interval(deviation: float, low: float, high: float) -> str:
    """A relative deviation and the interval of the true one: "1.23 % [0.91, 1.58]"; "n/a" where nothing is known.

    All have one digit more than the interval's half-width needs, so that an end is told from a margin nearby.
    """
    values = [100 * float(v) for v in (deviation, low, high)]
    if math.isnan(values[0]):
        return NOTHING
    if any(math.isnan(v) for v in values[1:]):
        return percent(deviation)
    if any(math.isinf(v) for v in values[1:]):
        ends = ", ".join(significant(v) for v in values[1:])
        return f"{percent(deviation)} [{ends}]"
    half = (values[2] - values[1]) / 2
    if half <= 0:
        return percent(deviation)
    decimals = max(1 - _exponent(_rounded(half, 1)), 0)
    if decimals > 4:
        return f"{percent(deviation)} [{significant(values[1])}, {significant(values[2])}]"
    ends = ", ".join("0" if v == 0 else f"{v:.{decimals}f}" for v in values[1:])
    return f"{values[0]:.{decimals}f} % [{ends}]"


def seconds(x: float) -> str:
    """A duration: "45 us", "3.2 ms", "1.23 s", "2 min 05 s", "1 h 02 min"."""
    x = float(x)
    if not math.isfinite(x):
        return NOTHING
    for unit, size in (("us", 1e-6), ("ms", 1e-3)):
        if abs(x) < 0.9995 * 1000 * size:
            return f"{significant(x / size, 2 if abs(x) < 100 * size else 3)} {unit}"
    if abs(x) < 59.95:
        return f"{significant(x, 3)} s"
    if x < 3599.5:
        minutes, rest = divmod(round(x), 60)
        return f"{minutes} min {rest:02d} s"
    hours, rest = divmod(round(x / 60), 60)
    return f"{hours} h {rest:02d} min"


def memory(size: float) -> str:
    """A number of bytes in binary units: "512 B", "1.50 GiB"."""
    size = float(size)
    if not math.isfinite(size):
        return NOTHING
    if abs(size) < 1024:
        return f"{size:.0f} B"
    units = ("KiB", "MiB", "GiB", "TiB", "PiB")
    for unit in units:
        size /= 1024
        if abs(size) < 999.5 or unit == units[-1]:
            return f"{significant(size, 3)} {unit}"
    raise AssertionError
