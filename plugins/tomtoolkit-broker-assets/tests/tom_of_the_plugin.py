"""A TOM with the plugin alone, run by the Python of a virtual environment with `tomtoolkit`; prints what it found."""

from __future__ import annotations

import json
import sys

import django
from django.conf import settings


def main(url: str, token: str) -> None:
    """Ask the broker at an address."""
    from tom_common.default_settings import TOMTOOLKIT_INSTALLED_APPS, TOMTOOLKIT_MIDDLEWARE

    settings.configure(
        SECRET_KEY="x", USE_TZ=True, SITE_ID=1, INSTALLED_APPS=[*TOMTOOLKIT_INSTALLED_APPS, "tom_broker_assets"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField", TARGET_TYPE="SIDEREAL", EXTRA_FIELDS=[], HOOKS={},
        MIDDLEWARE=TOMTOOLKIT_MIDDLEWARE,
        AUTHENTICATION_BACKENDS=("django.contrib.auth.backends.ModelBackend",), ROOT_URLCONF="tom_common.urls",
        DATA_SERVICES={"Broker Assets": {"base_url": url, "api_key": token}}, TOM_NAME="test",
    )  # fmt: skip
    django.setup()
    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)
    from tom_dataproducts.models import PhotometryReducedDatum
    from tom_dataservices.dataservices import QueryServiceError, get_data_service_class

    service = get_data_service_class("Broker Assets")()
    form_class = service.get_form_class()

    def asked(**fields: object) -> list[dict[str, object]]:
        form = form_class({"data_service": "Broker Assets", **fields})
        assert form.is_valid(), form.errors
        return list(service.query_targets(service.build_query_parameters(form.cleaned_data)))

    found: dict[str, object] = {
        "cone": [one["name"] for one in asked(ra=150.1, dec=2.2, radius=25)],
        "name": [one["name"] for one in asked(object_name="2")],
        "nothing": asked(object_name="99999"),
        "filter": [one["name"] for one in asked(filter_id=1)],
        "refused forms": [
            form_class({"data_service": "x", **fields}).is_valid()
            for fields in ({}, {"ra": 1}, {"object_name": "1", "filter_id": 1}, {"ra": 1, "dec": 95, "radius": 1})
        ],
    }
    target = service.to_target(asked(object_name="1")[0])
    numbers = []
    for _ in range(2):  # the second time nothing is new
        service.to_reduced_datums(target, service.query_reduced_data(target))
        numbers.append(PhotometryReducedDatum.objects.count())
    first = PhotometryReducedDatum.objects.order_by("timestamp").first()
    found |= {"points": numbers, "target": [target.name, target.ra], "brightness": round(first.brightness, 4),
              "time": first.timestamp.isoformat(), "value": first.value, "unit": first.unit}  # fmt: skip
    try:
        asked(filter_id=77)
    except QueryServiceError as error:
        found["error"] = str(error)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
