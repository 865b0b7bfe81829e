-- PostgreSQL puts the bodies of these functions into the query, where the range of declinations can use an index; in q3c_join it
-- is there twice, for an index of either table. The distance is compared as that of q3c is, by the square of the sine of its
-- half: the arc tangent takes twice as long.

DO $$
BEGIN
IF EXISTS (SELECT FROM pg_extension WHERE extname = 'q3c') THEN
    RETURN;
END IF;
CREATE OR REPLACE FUNCTION q3c_radial_query(ra float8, "dec" float8, ra0 float8, dec0 float8, radius float8) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN "dec" BETWEEN dec0 - radius AND dec0 + radius AND power(sin(radians("dec" - dec0) / 2), 2)
    + cos(radians("dec")) * cos(radians(dec0)) * power(sin(radians(ra - ra0) / 2), 2)
    < power(sin(radians(least(radius, 180)) / 2), 2);
CREATE OR REPLACE FUNCTION q3c_join(ra1 float8, dec1 float8, ra2 float8, dec2 float8, radius float8) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN dec2 BETWEEN dec1 - radius AND dec1 + radius AND dec1 BETWEEN dec2 - radius AND dec2 + radius AND power(sin(radians(dec2 - dec1) / 2), 2)
    + cos(radians(dec2)) * cos(radians(dec1)) * power(sin(radians(ra2 - ra1) / 2), 2)
    < power(sin(radians(least(radius, 180)) / 2), 2);
END
$$;

CREATE INDEX objects_decl ON objects (decl);

CREATE INDEX crossmatch_tns_decl ON crossmatch_tns (decl);

CREATE INDEX reduced_positions_dec ON reduced_positions ("dec");

CREATE INDEX host_galaxy_dec ON host_galaxy ("dec");

CREATE INDEX elasticc_diaobject_decl ON elasticc_diaobject (decl);

CREATE INDEX elasticc_diasource_decl ON elasticc_diasource (decl);

CREATE INDEX elasticc2_ppdbdiaobject_decl ON elasticc2_ppdbdiaobject (decl);

CREATE INDEX elasticc2_trainingdiaobject_decl ON elasticc2_trainingdiaobject (decl);

CREATE INDEX elasticc2_ppdbdiasource_decl ON elasticc2_ppdbdiasource (decl);

CREATE INDEX elasticc2_trainingdiasource_decl ON elasticc2_trainingdiasource (decl);
