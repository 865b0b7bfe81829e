"""The data service: targets by position, name and filter, and their photometry."""

from __future__ import annotations

import datetime
import math
from typing import Any

from astropy.time import Time
from django.db import IntegrityError
from tom_dataproducts.models import PhotometryReducedDatum
from tom_dataservices.dataservices import DataService, QueryServiceError
from tom_targets.models import Target

from tom_broker_assets.client import Broker, BrokerError
from tom_broker_assets.forms import BrokerAssetsForm

ZERO_POINT = 31.4
"""AB magnitude of 1 nJy."""


class BrokerAssetsDataService(DataService):
    """Alerts of the broker broker_assets."""

    name = "Broker Assets"
    verbose_name = "Broker Assets, alerts of Rubin, ZTF and ELAsTiCC"
    service_notes = "Ask by object, by cone, or by a filter of the broker. Photometry is that of difference images."

    @classmethod
    def get_form_class(cls) -> type[BrokerAssetsForm]:
        """The form of a query."""
        return BrokerAssetsForm

    @classmethod
    def urls(cls, **_: Any) -> dict[str, str]:
        """Addresses of the broker, from the settings of the TOM."""
        base = str(cls.get_configuration("base_url", "http://127.0.0.1:8000")).rstrip("/")
        return {"base_url": base, "info_url": f"{base}/help", "object_url": f"{base}/object"}

    def build_query_parameters(self, parameters: dict[str, Any], **_: Any) -> dict[str, Any]:
        """What is asked, from what was filled in."""
        since = parameters.get("since")
        self.query_parameters = {
            "object": str(parameters.get("object_name") or "").strip() or None,
            "cone": [parameters.get(name) for name in ("ra", "dec", "radius")],
            "filter": parameters.get("filter_id"),
            "since": since.isoformat() if isinstance(since, datetime.date) else since or None,
            "limit": int(parameters.get("limit") or 100),
        }
        return self.query_parameters

    def build_query_parameters_from_target(self, target: Any, **_: Any) -> dict[str, Any]:
        """The object of a target: by the identifier among its names, else by its name."""
        names = [target.name, *(alias.name for alias in target.aliases.all())]
        identifiers = [one for one in names if str(one).isdecimal()]
        return {"object": str((identifiers or names)[0])}

    def query_service(self, query_parameters: dict[str, Any], **_: Any) -> list[dict[str, Any]]:
        """Objects of the broker.

        Raises
        ------
        QueryServiceError
            If it does not answer, or refuses.
        """
        broker = self._broker()
        try:
            if query_parameters.get("object"):
                found = broker.object(query_parameters["object"])
                self.query_results = [found] if found is not None else []
            elif query_parameters.get("filter"):
                self.query_results = broker.passed(
                    int(query_parameters["filter"]), query_parameters["since"], query_parameters["limit"]
                )
            else:
                ra, dec, radius = (float(value) for value in query_parameters["cone"])
                self.query_results = broker.cone(ra, dec, radius, query_parameters["limit"])
        except BrokerError as error:
            raise QueryServiceError(str(error.args[0])) from error
        return self.query_results

    def query_targets(self, query_parameters: dict[str, Any], **kwargs: Any) -> list[dict[str, Any]]:
        """Targets that the query finds."""
        return [_target(one) for one in self.query_service(query_parameters, **kwargs)]

    def query_photometry(self, query_parameters: dict[str, Any], **_: Any) -> list[dict[str, Any]]:
        """Points of the object of a target."""
        if not query_parameters.get("object"):
            return []
        try:
            curve = self._broker().lightcurve(query_parameters["object"])
        except BrokerError as error:
            if error.args[1:] == (404,):
                return []
            raise QueryServiceError(str(error.args[0])) from error
        points = [_detection(one) for one in curve.get("diaSources", [])]
        points += [_limit(one) for one in curve.get("diaNondetectionLimits", [])]
        self.photometry_results = {"points": [one for one in points if one is not None]}
        return list(self.photometry_results["points"])

    def create_target_from_query(self, target_result: dict[str, Any], **_: Any) -> Any:
        """A target that is not saved yet."""
        return Target(name=target_result["name"], type="SIDEREAL", ra=target_result["ra"], dec=target_result["dec"])

    def create_reduced_datums_from_query(
        self, target: Any, data: Any, data_type: str | None = None, **_: Any
    ) -> list[Any]:
        """Points as data of a target; those that it has already stay as they are.

        Raises
        ------
        QueryServiceError
            If one cannot be stored.
        """
        found = []
        for point in data if data_type == "photometry" else []:
            values = {name: point[name] for name in ("timestamp", "bandpass", "brightness", "limit", "unit")}
            more = {"brightness_error": point["error"], "value": point["value"], "source_name": self.name}
            try:
                stored, _made = PhotometryReducedDatum.objects.get_or_create(target=target, **values, defaults=more)
            except IntegrityError as error:
                raise QueryServiceError(f"a point of {target} cannot be stored: {error}") from error
            found.append(stored)
        return found

    def _broker(self) -> Broker:
        return Broker(self.urls()["base_url"], self.get_configuration("api_key", "") or None)


def _target(found: dict[str, Any]) -> dict[str, Any]:
    identifier, at_tns = str(found["diaObjectId"]), found.get("tns_name") or found.get("tnsName")
    name = str(at_tns) if at_tns else identifier
    return {
        "name": name,
        "ra": found["ra"],
        "dec": found["decl"] if "decl" in found else found["dec"],
        "aliases": [identifier] if identifier != name else [],
        "survey": found.get("survey"),
        "detections": found.get("nDiaSources"),
        "last_detection": found.get("lastDiaSourceMjdTai"),
    }


def _when(mjd_tai: float) -> datetime.datetime:
    found: datetime.datetime = Time(mjd_tai, format="mjd", scale="tai").utc.to_datetime(timezone=datetime.UTC)
    return found


def _detection(point: dict[str, Any]) -> dict[str, Any] | None:
    flux, error = point.get("psfFlux"), point.get("psfFluxErr")
    if flux is None or flux <= 0:
        return None
    return {
        "timestamp": _when(point["midpointMjdTai"]),
        "bandpass": point["band"],
        "brightness": ZERO_POINT - 2.5 * math.log10(flux),
        "error": None if error is None else 2.5 / math.log(10) * error / flux,
        "limit": None,
        "unit": "mag",
        "value": {"diaSourceId": str(point.get("diaSourceId", "")), "psfFlux_nJy": flux, "psfFluxErr_nJy": error},
    }


def _limit(point: dict[str, Any]) -> dict[str, Any] | None:
    noise = point.get("diaNoise")
    if noise is None or noise <= 0:
        return None
    return {
        "timestamp": _when(point["midpointMjdTai"]),
        "bandpass": point["band"],
        "brightness": None,
        "error": None,
        "limit": ZERO_POINT - 2.5 * math.log10(5 * noise),
        "unit": "mag",
        "value": {"diaNoise_nJy": noise},
    }
