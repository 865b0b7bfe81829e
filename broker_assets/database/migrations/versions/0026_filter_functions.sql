-- Arithmetic of filters: IEEE 754 numbers, and NULL where a result is not finite or does not exist, never an error.
-- broker_assets/filters/values.py has the rules; DuckDB follows the same ones.

CREATE FUNCTION filter_finite(x float8) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN x > '-Infinity'::float8 AND x < 'Infinity'::float8 THEN x END;

-- The results that PostgreSQL calls out of range: too large ones are NULL, too small ones 0.
CREATE FUNCTION filter_rare(sign text, a float8, b float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF filter_finite(a) IS NULL OR filter_finite(b) IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN CASE sign WHEN '+' THEN a + b WHEN '-' THEN a - b WHEN '*' THEN a * b WHEN '/' THEN a / b
        WHEN '^' THEN a ^ b WHEN 'e' THEN exp(a) END;
EXCEPTION
    WHEN numeric_value_out_of_range THEN
        RETURN CASE
            WHEN sign = '*' AND abs(a) < 1 AND abs(b) < 1 THEN 0
            WHEN sign = '/' AND abs(a) < abs(b) THEN 0
            WHEN sign = 'e' AND a < 0 THEN 0
            WHEN sign = '^' AND (abs(a) < 1) = (b > 0) THEN 0
        END;
    WHEN division_by_zero OR invalid_argument_for_power_function THEN
        RETURN NULL;
END
$$;

-- In PL/pgSQL: a function in SQL whose arguments are functions is not inlined, and is then several times slower.
CREATE FUNCTION filter_add(a float8, b float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN CASE WHEN abs(a) < 1e307 AND abs(b) < 1e307 THEN a + b
        ELSE filter_rare('+', a, b) END;
END
$$;

CREATE FUNCTION filter_subtract(a float8, b float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN CASE WHEN abs(a) < 1e307 AND abs(b) < 1e307 THEN a - b
        ELSE filter_rare('-', a, b) END;
END
$$;

CREATE FUNCTION filter_multiply(a float8, b float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN CASE WHEN abs(a) BETWEEN 1e-150 AND 1e150 AND abs(b) BETWEEN 1e-150 AND 1e150 THEN a * b
        ELSE filter_rare('*', a, b) END;
END
$$;

CREATE FUNCTION filter_divide(a float8, b float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN CASE WHEN abs(a) BETWEEN 1e-150 AND 1e150 AND abs(b) BETWEEN 1e-150 AND 1e150 THEN a / b
        ELSE filter_rare('/', a, b) END;
END
$$;

CREATE FUNCTION filter_power(a float8, b float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN CASE WHEN a BETWEEN 1e-150 AND 1e150 AND abs(b) <= 2 THEN a ^ b ELSE filter_rare('^', a, b) END;
END
$$;

CREATE FUNCTION filter_remainder(a float8, b float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN filter_subtract(a, filter_multiply(b, trunc(filter_divide(a, b))));
END
$$;

CREATE FUNCTION filter_round(x float8, scale float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN CASE WHEN abs(x) BETWEEN 1e-100 AND 1e100 THEN sign(x) * floor(abs(x) * scale + 0.5) / scale
        ELSE filter_divide(filter_multiply(sign(x), floor(filter_add(filter_multiply(abs(x), scale), 0.5))), scale) END;
END
$$;

-- Haversine, as broker_assets/filters/numeric.py has it.
CREATE FUNCTION filter_separation(ra float8, decl float8, ra0 float8, decl0 float8) RETURNS float8
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    height float8;
    width float8;
BEGIN
    IF NOT (abs(ra) < 1e6 AND abs(ra0) < 1e6 AND abs(decl) <= 90 AND abs(decl0) <= 90) THEN
        RETURN NULL;
    END IF;
    height := sin(filter_multiply(decl0 - decl, '0.008726646259971648'::float8));
    width := sin(filter_multiply(ra0 - ra, '0.008726646259971648'::float8));
    RETURN '412529.6124941927'::float8 * asin(sqrt(least(1::float8, filter_multiply(height, height) + filter_multiply(
        cos(filter_multiply(decl, '0.017453292519943295'::float8))
        * cos(filter_multiply(decl0, '0.017453292519943295'::float8)), filter_multiply(width, width)))));
END
$$;

CREATE FUNCTION filter_sqrt(x float8) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN x >= 0 AND x < 'Infinity'::float8 THEN sqrt(x) END;

CREATE FUNCTION filter_ln(x float8) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN x > 0 AND x < 'Infinity'::float8 THEN ln(x) END;

CREATE FUNCTION filter_log10(x float8) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN x > 0 AND x < 'Infinity'::float8 THEN log(x) END;

CREATE FUNCTION filter_flux2mag(flux float8) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 31.4::float8 - 2.5::float8 * filter_log10(flux);

CREATE FUNCTION filter_exp(x float8) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN x > -700 AND x < 700 THEN exp(x) WHEN x IS NOT NULL THEN filter_rare('e', x, 0) END;

CREATE FUNCTION filter_sin(x float8) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sin(filter_finite(x));
CREATE FUNCTION filter_cos(x float8) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN cos(filter_finite(x));
CREATE FUNCTION filter_tan(x float8) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN tan(filter_finite(x));
CREATE FUNCTION filter_asin(x float8) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN abs(x) <= 1 THEN asin(x) END;
CREATE FUNCTION filter_acos(x float8) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN abs(x) <= 1 THEN acos(x) END;
CREATE FUNCTION filter_atan(x float8) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN atan(filter_finite(x));
CREATE FUNCTION filter_atan2(y float8, x float8) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN atan2(filter_finite(y), filter_finite(x));
