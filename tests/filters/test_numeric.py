"""Functions of numbers give the same in both engines, and NULL where there is no number."""

from __future__ import annotations

import math
from typing import Any

import pytest

pytestmark = pytest.mark.database


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("flux2mag(g_psfFlux)", 31.4 - 7.5), ("flux2mag(u_psfFlux)", None), ("flux2mag(y_psfFlux)", None),
        ("flux2mag(r_psfFlux)", None), ("flux2mag(i_psfFlux)", None), ("flux2mag(NULL)", None),
        ("sqrt(u_psfFlux)", None), ("sqrt(9)", 3.0), ("ln(0)", None), ("ln(-1)", None), ("log(8, 64)", None),
        ("log(2, 8)", 3.0), ("log(10)", math.log(10)), ("log2(8)", 3.0), ("log10(1000)", 3.0),
        ("exp(1)", math.e), ("exp(1000)", None), ("exp(-1000)", 0.0), ("exp(-740)", math.exp(-740)),
        ("power(2, 10)", 1024.0), ("power(-1, 0.5)", None), ("power(0, -1)", None), ("power(10, 400)", None),
        ("power(0.1, 400)", 0.0), ("power(0, 0)", 1.0), ("power(-2, 3)", -8.0),
        ("sin(pi() / 2)", 1.0), ("asin(2)", None), ("acos(-1)", math.pi), ("atan2(1, -1)", 3 * math.pi / 4),
        ("tan(i_psfFlux)", None), ("atan(i_psfFlux)", None), ("degrees(pi())", 180.0), ("radians(180)", math.pi),
        ("mod(7, 3)", 1), ("mod(-7, 3)", -1), ("mod(7, 0)", None), ("mod(7.5, 2)", 1.5), ("mod(7.5, 0)", None),
        ("floor(-1.5)", -2.0), ("ceil(1.2)", 2.0), ("trunc(-1.7)", -1.0), ("floor(ndiasources)", 4),
        ("round(2.5)", 3.0), ("round(-2.5)", -3.0), ("round(1.2345, 2)", 1.23), ("round(0.49999999999999994)", 1.0),
        ("sign(-3)", -1), ("sign(r_psfFlux)", None), ("abs(-3)", 3), ("abs(u_psfFlux)", 3.0), ("abs(r_psfFlux)", None),
        ("greatest(1, 2.5, NULL)", 2.5), ("least(ra, r_psfFlux)", 150.0), ("greatest(NULL, ndiasources)", 4),
        ("coalesce(z_psfFlux, 5)", 5.0), ("ifnull(NULL, 'x')", "x"), ("nullif(ndiasources, 4)", None),
        ("if(ndiasources > 3, 'many', 'few')", "many"), ("if(z_psfFlux > 3, 1, 2)", 2),
    ],
)  # fmt: skip
def test_values(evaluate: Any, expression: str, value: Any) -> None:
    found = evaluate(expression)
    if expression == "log(8, 64)":
        assert found == pytest.approx(2)
    elif isinstance(value, float):
        assert found == pytest.approx(value, rel=1e-12)
    else:
        assert found == value


def test_separations_are_true_on_the_sphere(evaluate: Any) -> None:
    assert evaluate("separation(359.9999, 0, 0.0001, 0)") == pytest.approx(0.72, abs=1e-6)
    assert evaluate("separation(0, 89.9999, 180, 89.9999)") == pytest.approx(0.72, abs=1e-6)
    assert evaluate("separation(10, 60, 10, 60)") == 0
    assert evaluate("separation(0, 90, 0, -90)") == pytest.approx(648000)
    assert evaluate("separation(ra, NULL, 1, 2)") is None
    assert evaluate("separation(r_psfFlux, decl, 1, 2)") is None
    assert evaluate("in_cone(ra, decl, 150, 2.5, 1)") is True
    assert evaluate("in_cone(ra, decl, 150, 2.501, 3.5)") is False
