"""`broker-assets tom`: its commands. Names of options may have underscores, as in the original."""

from __future__ import annotations

import typer

from broker_assets.commands.original_options import NORMALISED, with_lists
from broker_assets.commands.tom import brokers, dumps, queries, sending, simulation, versions
from broker_assets.commands.tom.contradictions import contradictions
from broker_assets.commands.tom.scorecards import scorecards
from broker_assets.commands.tom.taxonomies import taxonomy

app = typer.Typer(
    no_args_is_help=True,
    help="Target and observation manager: a simulated survey, and what brokers say about it.",
    context_settings=NORMALISED,
)
app.command("load-snana-fits", cls=with_lists("-d", "--directories", "-f", "--files"), context_settings=NORMALISED)(
    simulation.load_snana_fits
)
app.command("dump-elasticc2-alert-tars", context_settings=NORMALISED)(simulation.dump_alert_tars)
app.command("clock")(simulation.clock)
app.command("write-schemas")(simulation.schemas)
app.command("send-elasticc2-alerts", context_settings=NORMALISED)(sending.send_alerts)
app.command("send-folders", context_settings=NORMALISED)(sending.send_folders)
app.command("fake-broker", context_settings=NORMALISED)(brokers.fake_broker)
app.command("brokerpoll2", context_settings=NORMALISED)(brokers.broker_poll)
app.command("update-elasticc2-sources", context_settings=NORMALISED)(brokers.update_sources)
app.command("import")(dumps.import_file)
app.command("export")(dumps.export_file)
app.command("scorecards")(scorecards)
app.command("contradictions")(contradictions)
app.command("taxonomy")(taxonomy)
app.add_typer(versions.app, name="versions")
app.command("long-query-runner", context_settings=NORMALISED)(queries.long_query_runner)
