ALTER TABLE mpc_orbits ADD COLUMN permid TEXT;

ALTER TABLE mpc_orbits ADD COLUMN iau_name TEXT;

COMMENT ON COLUMN mpc_orbits.permid IS 'number of a numbered object, from the orbit solution';

COMMENT ON COLUMN mpc_orbits.iau_name IS 'name, from the orbit solution';

UPDATE mpc_orbits SET permid = substring(mpc_orb_jsonb FROM '"permid": *"([^"\\]+)"'), iau_name = substring(mpc_orb_jsonb FROM '"iau_name": *"([^"\\]+)"') WHERE mpc_orb_jsonb IS NOT NULL;

CREATE INDEX mpc_orbits_iau_name ON mpc_orbits (iau_name) WHERE iau_name IS NOT NULL;

CREATE INDEX mpc_orbits_permid ON mpc_orbits (permid) WHERE permid IS NOT NULL;

CREATE INDEX mpc_orbits_ssobjectid ON mpc_orbits (ssobjectid);

CREATE INDEX ssobjects_designation ON ssobjects (designation);

CREATE INDEX sssources_designation ON sssources (designation);

COMMENT ON TABLE sssources IS 'Detections at known solar-system objects, with geometry and ephemeris; of ZTF the nearest in 30 arcsec';

COMMENT ON COLUMN sssources.ssobjectid IS 'identifier of the solar-system object: its packed designation as a number';

COMMENT ON COLUMN sssources.designation IS 'primary provisional designation, unpacked; of ZTF the name that it gives, unpacked';
