CREATE OR REPLACE FUNCTION shared_with_me(kind text) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
AS $body$
SELECT shared_with($1, current_setting('broker.user', true))
WHERE session_user NOT IN ('postgres_elasticc_ro', 'postgres_elasticc_admin_ro')
$body$;
