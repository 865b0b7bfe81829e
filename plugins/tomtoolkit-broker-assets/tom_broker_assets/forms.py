"""The form of a query."""

from __future__ import annotations

from typing import Any

from django import forms
from tom_dataservices.forms import BaseQueryForm

WAYS = ("name", "cone", "filter")


class BrokerAssetsForm(BaseQueryForm):
    """A name, a cone, or a filter."""

    object_name = forms.CharField(
        required=False, max_length=100, label="Object", help_text="diaObjectId, ZTF name, or name at TNS"
    )
    ra = forms.FloatField(required=False, min_value=0, max_value=360, label="RA", help_text="degrees, ICRS")
    dec = forms.FloatField(required=False, min_value=-90, max_value=90, label="Dec", help_text="degrees, ICRS")
    radius = forms.FloatField(required=False, min_value=0.01, max_value=36_000, label="Radius", help_text="arcsec")
    filter_id = forms.IntegerField(
        required=False, min_value=1, label="Filter", help_text="number of a filter of the broker: what it passed"
    )
    since = forms.DateField(required=False, label="Since", help_text="first night of the filter, YYYY-MM-DD")
    limit = forms.IntegerField(required=False, min_value=1, max_value=1000, initial=100, label="Objects, at most")

    def clean(self) -> dict[str, Any]:
        """Require exactly one way of asking."""
        given = super().clean() or self.cleaned_data
        cone = [given.get(name) is not None for name in ("ra", "dec", "radius")]
        ways = [bool(given.get("object_name")), any(cone), given.get("filter_id") is not None]
        if sum(ways) != 1:
            raise forms.ValidationError("Give an object, or a cone, or a filter.")
        if any(cone) and not all(cone):
            raise forms.ValidationError("A cone has right ascension, declination and radius.")
        return given
