"""The Python client of the broker's own interface: thin, synchronous, built on `requests`; results for pandas and
astropy.

from broker_assets.client import Client

broker = Client("http://127.0.0.1:8000", token="…")
curve = broker.lightcurve("313853499600420864").to_pandas()
"""

from broker_assets.client.client import Client
from broker_assets.client.events import Event
from broker_assets.client.problems import BrokerProblem, BrokerUnreachable
from broker_assets.client.rows import Rows

__all__ = ["BrokerProblem", "BrokerUnreachable", "Client", "Event", "Rows"]
