ALTER TABLE telemetry_file DROP CONSTRAINT telemetry_file_state;

ALTER TABLE telemetry_file ADD CONSTRAINT telemetry_file_state CHECK (state IN ('new', 'staging', 'staged', 'processed', 'failed', 'quarantined', 'gone', 'dismissed'));

COMMENT ON COLUMN telemetry_file.state IS 'new, staging (being copied), staged (copied), processed, failed (tried again later), quarantined (given up), gone (no longer in its folder before it was read), dismissed (given up by an operator)';
