"""What an account owns, as a document that its user can take away."""

from __future__ import annotations

import datetime
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from broker_assets.access.accounts import User, groups_of

Connection = psycopg.Connection[Any]
_PARTS: Final[dict[str, str]] = {
    "filters": "SELECT * FROM filters WHERE owner = %s ORDER BY filterid",
    "filter_versions": "SELECT version.filterid, version.version, definition, saved_at FROM filter_versions AS version"
    " JOIN filters USING (filterid) WHERE owner = %s ORDER BY filterid, version.version",
    "filter_periods": "SELECT period.* FROM filter_periods AS period JOIN filters USING (filterid) WHERE owner = %s"
    " ORDER BY filterid, revision_from",
    "sinks": "SELECT sink.* FROM filter_sinks AS sink WHERE owner = %s ORDER BY sinkid",
    "watchlists": "SELECT * FROM watchlists WHERE owner = %s ORDER BY wl_id",
    "watchlist_cones": "SELECT cone.wl_id, cone.name, ra, decl, cone.radius FROM watchlist_cones AS cone"
    " JOIN watchlists USING (wl_id) WHERE owner = %s ORDER BY wl_id, cone_id",
    "areas": "SELECT ar_id, name, description, public, active, date_created, date_expire, encode(moc, 'base64') AS moc"
    " FROM areas WHERE owner = %s ORDER BY ar_id",
    "annotators": "SELECT * FROM annotators WHERE owner = %s ORDER BY topic",
    "annotations": "SELECT said.* FROM annotations AS said JOIN annotators USING (topic) WHERE owner = %s"
    " ORDER BY topic, diaobjectid",
    "targets": "SELECT * FROM access.targets WHERE owner = %s ORDER BY targetid",
    "target_lists": "SELECT list.*, array(SELECT targetid FROM access.target_members AS inside"
    " WHERE inside.listid = list.listid ORDER BY targetid) AS targets FROM access.target_lists AS list WHERE owner = %s"
    " ORDER BY listid",
    "target_comments": "SELECT * FROM access.target_comments WHERE author = %s ORDER BY commentid",
    "observations": "SELECT observationid, targetid, facility, target, parameters, state, remote, begins, ends, created"
    " FROM access.observations WHERE owner = %s ORDER BY observationid",
    "calendar_events": "SELECT * FROM access.calendar_events WHERE owner = %s ORDER BY eventid",
    "spectra": "SELECT spectrum.*, version.version, file_name, encode(content, 'base64') AS content, remark, at"
    " FROM access.spectra AS spectrum JOIN access.spectrum_versions AS version USING (spectrumid) WHERE owner = %s"
    " ORDER BY spectrumid, version.version",
    "contact": "SELECT email FROM owner_contacts WHERE owner = %s",
    "messages": "SELECT subject, body, created_at, state FROM owner_messages WHERE owner = %s ORDER BY messageid",
    "feeds": "SELECT * FROM change_feeds WHERE owner = %s ORDER BY name",
}
_ACCOUNT: Final[dict[str, str]] = {
    "tokens": "SELECT name, scope, date_created, date_expires, last_used FROM access.tokens WHERE userid = %s"
    " ORDER BY tokenid",
    "sessions": "SELECT date_created, last_used FROM access.sessions WHERE userid = %s ORDER BY date_created",
    "identities": "SELECT issuer, subject, date_created FROM access.identities WHERE userid = %s ORDER BY issuer",
    "queries": "SELECT parameters, phase, asked_at, finished_at FROM access.tap_jobs WHERE userid = %s"
    " ORDER BY asked_at",
    "queued_sql": "SELECT queryid, submitted, started, finished, queries, subdicts, format, errortext"
    " FROM db_queryqueue WHERE userid = %s ORDER BY submitted, queryid",
    "trials": "SELECT filterid, definition, nights, state, said, result, asked_at FROM access.trials WHERE userid = %s"
    " ORDER BY trialid",
    "uploads": "SELECT kind, name, at, accepted, rejected FROM access.uploads WHERE userid = %s ORDER BY uploadid",
    "facilities": "SELECT facility, since FROM spectrum_facilities WHERE userid = %s ORDER BY facility",
    "wanted_spectra": "SELECT diaobject_id, requester, priority, wanttime FROM elasticc2_wantedspectra"
    " WHERE user_id = %s ORDER BY diaobject_id, requester",
    "wanted_root_spectra": "SELECT root_diaobject_id, requester, priority, wanttime, is_host FROM wantedspectra"
    " WHERE user_id = md5('account ' || %s)::uuid ORDER BY root_diaobject_id, requester",
    "changes": "SELECT at, action, subject, details FROM access.changes WHERE userid = %s ORDER BY changeid",
}


def export(connection: Connection, user: User) -> dict[str, Any]:
    """Everything that is stored about an account and what it owns, without secrets.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection of a role that may read accounts and the tables of owners.
    user : User
        The account.

    Returns
    -------
    dict
        Values of JSON: times are ISO 8601 UTC, MOCs FITS as base64.
    """
    account = {
        "username": user.username,
        "email": user.email,
        "roles": sorted(user.roles),
        "groups": groups_of(connection, user.userid),
        "date_joined": _plain(user.date_joined),
        "last_login": _plain(user.last_login),
    }
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        of_account = {name: _rows(cursor, query, user.userid) for name, query in _ACCOUNT.items()}
        owned = {name: _rows(cursor, query, user.username) for name, query in _PARTS.items()}
    return {"account": account | of_account} | owned


def _rows(cursor: psycopg.Cursor[Any], query: str, key: int | str) -> Any:
    return _plain(cursor.execute(query, (key,)).fetchall())  # type: ignore[call-overload]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
