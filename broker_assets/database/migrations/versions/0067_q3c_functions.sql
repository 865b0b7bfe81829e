-- Queries over DESC's TOM and FASTDB search by position with these names and arguments, in degrees. The extension of that
-- name is left alone where an operator has installed it. PostgreSQL puts the bodies into the query (neither is STRICT), and
-- tests the declination first, which is cheap.

DO $$
BEGIN
IF EXISTS (SELECT FROM pg_extension WHERE extname = 'q3c') THEN
    RETURN;
END IF;
CREATE FUNCTION q3c_dist(ra1 float8, dec1 float8, ra2 float8, dec2 float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN atan2d(
    sqrt((cosd(dec2) * sind(ra2 - ra1)) ^ 2 + (cosd(dec1) * sind(dec2) - sind(dec1) * cosd(dec2) * cosd(ra2 - ra1)) ^ 2),
    sind(dec1) * sind(dec2) + cosd(dec1) * cosd(dec2) * cosd(ra2 - ra1)
);
CREATE FUNCTION q3c_radial_query(ra float8, "dec" float8, ra0 float8, dec0 float8, radius float8) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN "dec" BETWEEN dec0 - radius AND dec0 + radius AND q3c_dist(ra, "dec", ra0, dec0) < radius;
CREATE FUNCTION q3c_join(ra1 float8, dec1 float8, ra2 float8, dec2 float8, radius float8) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN dec2 BETWEEN dec1 - radius AND dec1 + radius AND q3c_dist(ra1, dec1, ra2, dec2) < radius;
END
$$;
