"""Makes the data service known to a TOM."""

from __future__ import annotations

from django.apps import AppConfig


class TomBrokerAssetsConfig(AppConfig):
    """The application."""

    name = "tom_broker_assets"
    verbose_name = "Broker Assets"

    def data_services(self) -> list[dict[str, str]]:
        """Data services of this application."""
        return [{"class": "tom_broker_assets.data_service.BrokerAssetsDataService"}]
