ALTER TABLE code ADD COLUMN automation text;

COMMENT ON COLUMN code.automation IS 'what automation does about what is stale of it; null if nothing is';

UPDATE artefact SET code_version = regexp_replace(code_version, '^([0-9]+)[.]([0-9]+)$', 'ingest \1, decoder \2') WHERE asset IN ('sources', 'forced_sources', 'objects');

UPDATE artefact_history SET code_version = regexp_replace(code_version, '^([0-9]+)[.]([0-9]+)$', 'ingest \1, decoder \2') WHERE asset IN ('sources', 'forced_sources', 'objects');

UPDATE code SET code_version = regexp_replace(code_version, '^([0-9]+)[.]([0-9]+)$', 'ingest \1, decoder \2') WHERE asset IN ('sources', 'forced_sources', 'objects');
