ALTER TABLE cold_months ADD COLUMN moved BIGINT[] DEFAULT '{}' NOT NULL;

COMMENT ON COLUMN cold_months.moved IS 'points that have been stored with a time of another month since, see `border.point_keys`';
