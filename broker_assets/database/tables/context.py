"""Sky context of objects: associations with the sources of catalogues, and the association of each alert."""

from __future__ import annotations

import sqlalchemy as sa

from broker_assets.database.tables.columns import (
    bigint,
    by_width,
    double,
    fact_columns,
    integer,
    metadata,
    real,
    text,
    timestamp,
)

DEGREES = "deg, ICRS"

associations = sa.Table(
    "associations",
    metadata,
    *by_width(
        [
            bigint("diaObjectId", "object", primary_key=True, autoincrement=False),
            bigint("associationId", "hash of the row without its object", primary_key=True, autoincrement=False),
            double("ra", "right ascension that was searched: that of the object in the alert", DEGREES, nullable=False),
            double("decl", "declination that was searched", DEGREES, nullable=False),
            bigint("healpix", "HEALPix cell of order 29, nested scheme, of the position", nullable=False),
            double("raDeg", "right ascension of the catalogue source", DEGREES),
            double("decDeg", "declination of the catalogue source", DEGREES),
            real("separationArcsec", "great-circle separation from the source", "arcsec"),
            real("northSeparationArcsec", "offset of the position from the source to the north", "arcsec"),
            real("eastSeparationArcsec", "offset of the position from the source to the east", "arcsec"),
            real("physical_separation_kpc", "projected distance from the source", "kpc"),
            real("direct_distance", "distance of the source that is not based on its redshift", "Mpc"),
            real("best_distance", "direct distance, else that of the spectroscopic, else the photometric one", "Mpc"),
            real("z", "spectroscopic redshift of the source"),
            real("zErr", "error of z"),
            real("photoZ", "photometric redshift of the source"),
            real("photoZErr", "error of photoZ"),
            real("Mag", "magnitude of the source in MagFilter", "mag"),
            real("MagErr", "error of Mag", "mag"),
            real("major_axis_arcsec", "major axis of the source", "arcsec"),
            integer("classificationReliability", "1 synonym, 2 association, 3 annotation; null for an orphan"),
            text("classification", "AGN, BS, CV, HPMS, NT, ORPHAN, SN, UNCLEAR or VS", nullable=False),
            text("association_type", "synonym, association or annotation; null for an orphan"),
            text("catalogue_table_name", "catalogues that have the source, joined by /"),
            text("catalogue_object_id", "identifier of the source in the catalogue that gives the class"),
            text("catalogue_object_type", "star, galaxy, agn, qso, cv or unknown"),
            text("best_distance_flag", "dd direct, sz spectroscopic redshift, pz photometric redshift"),
            text("best_distance_source", "catalogue of best_distance"),
            text("MagFilter", "filter of Mag"),
            text("annotator", "version of the code", nullable=False),
            text("description", "the association in a sentence", nullable=False),
        ]
    ),
    sa.Index("associations_healpix", "healpix"),
    comment="The best association of each position of an object with the sources of catalogues; equal ones are one row",
)
"""What positions of objects are near to."""

context_compared = sa.Table(
    "context_compared",
    metadata,
    text("name", "catalogue, or (rules)", primary_key=True),
    text("version", "version up to which facts were compared", nullable=False),
    text("content", "for rules: their content, as JSON"),
    timestamp("compared_at", "when that was", server_default=sa.func.now(), nullable=False),
    comment="Up to which version of each catalogue and of the rules stale facts are marked",
)
"""How far facts have been compared with catalogues and rules."""

context_matches = sa.Table(
    "context_matches",
    metadata,
    *fact_columns(),
    bigint("associationId", "association of the alert's object, see associations", nullable=False),
    sa.Index("context_matches_night", "night"),
    sa.Index("context_matches_association", "diaobjectid", "associationid"),
    comment="Association of the object of each alert with catalogue sources; alerts that arrived while no catalogue "
    "was loaded have none",
)
"""Association of each alert."""
