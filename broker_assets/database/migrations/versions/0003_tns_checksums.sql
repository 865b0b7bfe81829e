ALTER TABLE tns_file ADD COLUMN table_rows BIGINT;

ALTER TABLE tns_file ADD COLUMN table_checksum TEXT;

COMMENT ON COLUMN tns_file.table_rows IS 'objects in crossmatch_tns after it was applied';

COMMENT ON COLUMN tns_file.table_checksum IS 'checksum of crossmatch_tns after it was applied';

COMMENT ON COLUMN tns_file.checksum IS 'of a full file: checksum of its objects';

CREATE UNIQUE INDEX crossmatch_tns_objid ON crossmatch_tns (objid);

CREATE INDEX watchlist_hits_night ON watchlist_hits (night);

CREATE INDEX area_hits_night ON area_hits (night);

CREATE INDEX mma_area_hits_night ON mma_area_hits (night);
