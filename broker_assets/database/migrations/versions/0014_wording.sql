COMMENT ON COLUMN objects."lastdiasourcemjdtai" IS 'time of the newest source; older alerts do not change the row [d, MJD TAI]';

COMMENT ON COLUMN objects."lastforcedmjdtai" IS 'time of the newest forced photometry stored [d, MJD TAI]';

COMMENT ON COLUMN objects."validitystartmjdtai" IS 'processing time from which this version of the record is valid [d, MJD TAI]';

COMMENT ON COLUMN objects."timestamp" IS 'time of the last change of the row [UTC]';

COMMENT ON COLUMN objects."broughtby" IS 'source whose packet provided the row in its present form';

COMMENT ON COLUMN objects."pmparallaxndata" IS 'number of points in the proper-motion and parallax fit';

COMMENT ON COLUMN objects."ebv" IS 'reddening E(B−V) from Schlegel, Finkbeiner and Davis [mag]';

COMMENT ON COLUMN objects."jump1" IS 'largest deviation in the last 10 days from the preceding 60 days, in any band [σ]';

COMMENT ON COLUMN objects."jump2" IS 'second largest such deviation, in another band [σ]';

COMMENT ON COLUMN objects."night" IS 'night of the packet that provided the row: local date of the evening at the observatory';

COMMENT ON COLUMN objects."latestpaircolourbands" IS 'bands of the latest pair, bluer first, e.g. g-r';

COMMENT ON COLUMN objects."penultimatepaircolourbands" IS 'bands of the penultimate pair, bluer first, e.g. g-r';

COMMENT ON COLUMN object_features."lastdiasourcemjdtai" IS 'time of the newest source; older alerts do not change the row [d, MJD TAI]';

COMMENT ON COLUMN object_features."ebv" IS 'reddening E(B−V) from Schlegel, Finkbeiner and Davis [mag]';

COMMENT ON COLUMN object_features."jump1" IS 'largest deviation in the last 10 days from the preceding 60 days, in any band [σ]';

COMMENT ON COLUMN object_features."jump2" IS 'second largest such deviation, in another band [σ]';

COMMENT ON COLUMN object_features."latestpaircolourbands" IS 'bands of the latest pair, bluer first, e.g. g-r';

COMMENT ON COLUMN object_features."penultimatepaircolourbands" IS 'bands of the penultimate pair, bluer first, e.g. g-r';

COMMENT ON COLUMN stream_offset."next_offset" IS 'offset of the first message that is not yet in the tables';

COMMENT ON COLUMN stream_offset."ingestid" IS 'batch that last moved the position';

COMMENT ON COLUMN stream_offset."updated_at" IS 'when it last moved [UTC]';

COMMENT ON COLUMN ingest_batch."ingestid" IS 'identifier of the batch, increasing';

COMMENT ON COLUMN ingest_batch."started_at" IS 'when its first message was requested [UTC]';

COMMENT ON COLUMN ingest_batch."duplicate" IS 'messages whose rows already existed';

COMMENT ON TABLE ingest_batch_range IS 'Offsets of each batch; within a partition they are contiguous except for the gaps in stream_gap';

COMMENT ON COLUMN ingest_batch_range."received" IS 'messages received; fewer than the offsets spanned where Kafka has no message';

COMMENT ON TABLE ingest_batch_night IS 'What each batch contributed to each night';

COMMENT ON COLUMN ingest_batch_night."duplicate" IS 'packets whose rows already existed';

COMMENT ON COLUMN ingest_batch_facts."inputs" IS 'versions of their inputs other than alerts, by asset: dust maps, catalogues, models';

COMMENT ON COLUMN ingest_batch_facts."replaced_by" IS 'reprocessing batch that replaced these rows; null while they are valid';

COMMENT ON COLUMN stream_gap."first_offset" IS 'offset of the first missing message';

COMMENT ON COLUMN stream_gap."next_offset" IS 'offset after the last missing message; smaller if the topic was recreated';

COMMENT ON TABLE stream_attempt IS 'Messages whose processing has begun but is not committed; rows left by a run that died show where it was';

COMMENT ON COLUMN stream_attempt."attempts" IS 'runs that began and did not end properly';

COMMENT ON COLUMN stream_attempt."run_id" IS 'last run that began; null if it ended properly';

COMMENT ON COLUMN archive_file."url" IS 'URL of the file';

COMMENT ON COLUMN quarantine."traceback" IS 'traceback of the error';

COMMENT ON COLUMN notification."event" IS 'event of Dagster''s log that last reported the cause';

COMMENT ON COLUMN notification."sent_at" IS 'when operators were last notified; null until then [UTC]';

COMMENT ON COLUMN notification."delivered" IS 'hashes of the destinations already notified, while others are pending';

COMMENT ON COLUMN notification."failure" IS 'why it could not be sent; null once it was';

COMMENT ON COLUMN notification."ended_at" IS 'when the cause ended; null while it persists [UTC]';

COMMENT ON TABLE heartbeat IS 'When components that nothing else monitors last worked';

COMMENT ON COLUMN heartbeat."name" IS 'component';

COMMENT ON COLUMN heartbeat."at" IS 'when it last reported [UTC]';

COMMENT ON COLUMN artefact."partition" IS 'partition key; empty if the asset has none';

COMMENT ON COLUMN artefact."ingestid" IS 'batch that made it, if any';

COMMENT ON COLUMN code."automation" IS 'what automation is doing about its stale partitions; null if none are stale';

COMMENT ON COLUMN publication."target" IS 'archive that the file is for, as named in the settings';

COMMENT ON COLUMN publication."name" IS 'name of our file, without the mark of incompleteness';

COMMENT ON COLUMN publication."path" IS 'its path in our archive';

COMMENT ON COLUMN publication."archive_name" IS 'name by which the target knows it: without the request';

COMMENT ON COLUMN publication."settled" IS 'whether the decision is final until an operator or new content reopens it';

COMMENT ON COLUMN publication."retry_after" IS 'for a settled entry: when a run looks at it again [UTC]';

COMMENT ON COLUMN publication."reason" IS 'reason in words';

COMMENT ON COLUMN publication."delivered_name" IS 'name under which the target stores it';

COMMENT ON COLUMN publication."base_name" IS 'for a supplement: the file that it supplements';

COMMENT ON COLUMN publication."comment" IS 'what the delivered file says about its request';

COMMENT ON COLUMN publication."stamp" IS 'time stated in the history of the delivered copy [UTC]';

COMMENT ON COLUMN publication."made_at" IS 'when our file was made [UTC]';

COMMENT ON COLUMN publication."source_size" IS 'size of our file [byte]';

COMMENT ON COLUMN publication."source_mtime" IS 'its modification time [ns]';

COMMENT ON COLUMN publication."run_id" IS 'last run that decided on it';

COMMENT ON COLUMN publication."decided_at" IS 'when it was last decided [UTC]';

COMMENT ON COLUMN publication."agreed_at" IS 'when the operator did [UTC]';

COMMENT ON TABLE publication_receipt IS 'Every delivery that was read back and verified; append-only';

COMMENT ON COLUMN publication_receipt."publicationid" IS 'decision under which it was delivered';

COMMENT ON COLUMN publication_receipt."url" IS 'URL of the delivered copy';

COMMENT ON COLUMN publication_run."finished_at" IS 'when it ended; null while it runs, or if it was killed [UTC]';

COMMENT ON COLUMN publication_run."failure" IS 'why it ended early';

COMMENT ON COLUMN publication_mirror."target" IS 'store, as named in the settings';

COMMENT ON COLUMN publication_mirror."path" IS 'path below the product folder, the same on both sides';

COMMENT ON COLUMN crossmatch_tns."objid" IS 'identifier of the object at TNS; unchanged when it is renamed';

COMMENT ON COLUMN crossmatch_tns."tns_name" IS 'name without prefix, e.g. 2025abc';

COMMENT ON COLUMN crossmatch_tns."ext_catalogs" IS 'catalogues that contain it';

COMMENT ON COLUMN crossmatch_tns."lastmodified_date" IS 'when TNS last changed it [UTC]';

COMMENT ON COLUMN crossmatch_tns."lasairmodified_date" IS 'when the row last changed here [UTC]';

COMMENT ON COLUMN crossmatch_tns."tns_file" IS 'TNS bulk file that provided the row in its present form';

COMMENT ON COLUMN tns_file."checksum" IS 'checksum of its objects, for full files';

COMMENT ON COLUMN tns_file."covers_until" IS 'end of the period that it covers [UTC]';

COMMENT ON COLUMN watchlists."name" IS 'name, unique for the owner regardless of case';

COMMENT ON COLUMN watchlists."date_created" IS 'when it was created [UTC]';

COMMENT ON COLUMN watchlists."date_modified" IS 'when it was last changed [UTC]';

COMMENT ON COLUMN watchlists."date_expire" IS 'when it stops being matched; null: never [UTC]';

COMMENT ON COLUMN watchlists."radius" IS 'default radius of its cones [arcsec]';

COMMENT ON COLUMN watchlist_cones."radius" IS 'radius; null: that of the watchlist [arcsec]';

COMMENT ON COLUMN watchlist_cones."revision_from" IS 'number of the change that added it, see revision_counter';

COMMENT ON TABLE watchlist_cone_gone IS 'Deleted cones, kept so that past nights can be matched with the lists of their time';

COMMENT ON COLUMN watchlist_cone_gone."radius" IS 'radius; null: that of the watchlist [arcsec]';

COMMENT ON COLUMN watchlist_cone_gone."revision_from" IS 'number of the change that added it, see revision_counter';

COMMENT ON COLUMN watchlist_periods."revision_to" IS 'number of the change that ended it; null while it is current';

COMMENT ON COLUMN watchlist_periods."radius" IS 'default radius of its cones in this period [arcsec]';

COMMENT ON COLUMN watchlist_hits."ingestid" IS 'batch that found it; null if a re-match did';

COMMENT ON COLUMN watchlist_hits."night" IS 'night of the alert that was matched; null if a re-match found it';

COMMENT ON TABLE watchlist_facts IS 'Alerts inside a cone of a watchlist when they arrived';

COMMENT ON COLUMN areas."name" IS 'name, unique for the owner regardless of case';

COMMENT ON COLUMN areas."date_created" IS 'when it was created [UTC]';

COMMENT ON COLUMN areas."date_modified" IS 'when it was last changed [UTC]';

COMMENT ON COLUMN areas."date_expire" IS 'when it stops being matched; null: never [UTC]';

COMMENT ON COLUMN areas."square_degrees" IS 'its area [deg2]';

COMMENT ON COLUMN area_periods."revision_to" IS 'number of the change that ended it; null while it is current';

COMMENT ON COLUMN area_hits."ingestid" IS 'batch that found it; null if a re-match did';

COMMENT ON COLUMN area_hits."night" IS 'night of the alert that was matched; null if a re-match found it';

COMMENT ON TABLE area_facts IS 'Alerts inside areas when they arrived, one row per alert';

COMMENT ON COLUMN area_facts."ar_ids" IS 'areas that contained the alert, ascending';

COMMENT ON COLUMN mma_areas."namespace" IS 'issuer of the event: LVK, …';

COMMENT ON COLUMN mma_areas."otherid" IS 'name of the event given by the issuer';

COMMENT ON COLUMN mma_areas."version" IS 'version of the map, increasing';

COMMENT ON COLUMN mma_areas."more_info" IS 'remark or URL';

COMMENT ON COLUMN mma_areas."active" IS 'whether it is the newest version, neither retracted nor expired';

COMMENT ON COLUMN mma_areas."revision_from" IS 'number of the change that activated it; null if none did, see revision_counter';

COMMENT ON COLUMN mma_areas."revision_to" IS 'number of the change that ended it; null while it is current';

COMMENT ON TABLE mma_retractions IS 'Retracted events; kept separately, since a retraction may arrive before the map that it retracts';

COMMENT ON COLUMN mma_retractions."namespace" IS 'issuer of the event';

COMMENT ON COLUMN mma_retractions."otherid" IS 'name of the event given by the issuer';

COMMENT ON COLUMN mma_area_hits."ingestid" IS 'batch that found it; null if a re-match did';

COMMENT ON COLUMN mma_area_hits."night" IS 'night of the alert that was matched; null if a re-match found it';

COMMENT ON TABLE sky_map_facts IS 'Alerts inside the 90 per cent region of a sky map when they arrived';

COMMENT ON TABLE rematch IS 'Up to which change the hits of each list are current';

COMMENT ON COLUMN rematch."revision" IS 'number of the change up to which its hits are current, see revision_counter';

COMMENT ON COLUMN quarantined_line."reason" IS 'why it was rejected';

COMMENT ON COLUMN sssources."night" IS 'night of the packet that provided the row: local date of the evening at the observatory';

COMMENT ON COLUMN ssobjects."lastdiasourcemjdtai" IS 'time of its newest source here; older alerts do not change the row [d, MJD TAI]';

COMMENT ON COLUMN ssobjects."broughtby" IS 'source whose packet provided the row in its present form';

COMMENT ON COLUMN ssobjects."moidearth" IS 'minimum distance between the orbit and that of the Earth [au]';

COMMENT ON COLUMN ssobjects."night" IS 'night of the packet that provided the row: local date of the evening at the observatory';

COMMENT ON COLUMN mpc_orbits."updated_at" IS 'time of the last change of the row at the MPC [UTC]';

COMMENT ON COLUMN mpc_orbits."srp" IS 'area-to-mass ratio for solar radiation pressure [m²/t]';

COMMENT ON COLUMN mpc_orbits."earth_moid" IS 'minimum distance between the orbit and that of the Earth [au]';

COMMENT ON COLUMN mpc_orbits."lastdiasourcemjdtai" IS 'time of its newest source here; older alerts do not change the row [d, MJD TAI]';

COMMENT ON COLUMN mpc_orbits."broughtby" IS 'source whose packet provided the row in its present form';

COMMENT ON COLUMN mpc_orbits."night" IS 'night of the packet that provided the row: local date of the evening at the observatory';

COMMENT ON COLUMN diasources."timeprocessedmjdtai" IS 'time at which the survey created the record [d, MJD TAI]';

COMMENT ON COLUMN diasources."broughtby" IS 'source whose packet provided the row: its own, else the earliest that contains the point';

COMMENT ON COLUMN diasources."archivefileid" IS 'archive file of the alert that this source triggered; null if known only from histories';

COMMENT ON COLUMN diasources."psfndata" IS 'number of pixels in the point-source fit';

COMMENT ON COLUMN diasources."trailndata" IS 'number of pixels in the trailed-source fit';

COMMENT ON COLUMN diasources."dipolendata" IS 'number of pixels in the dipole fit';

COMMENT ON COLUMN diasources."night" IS 'night of the packet that provided the row: local date of the evening at the observatory';

COMMENT ON COLUMN diasources."reduction" IS 'reduction of the data; 0: that of the alerts';

COMMENT ON COLUMN diasources."centroid_flag" IS 'centroid measurement failed';

COMMENT ON COLUMN diasources."apflux_flag" IS 'aperture photometry failed';

COMMENT ON COLUMN diasources."shape_flag" IS 'shape measurement failed';

COMMENT ON COLUMN diasources."target_name" IS 'target of the exposure according to the scheduler';

COMMENT ON COLUMN diaforcedsources."ra" IS 'right ascension of the measured position [deg, ICRS]';

COMMENT ON COLUMN diaforcedsources."decl" IS 'declination of the measured position [deg, ICRS]';

COMMENT ON COLUMN diaforcedsources."timeprocessedmjdtai" IS 'time at which the survey created the record [d, MJD TAI]';

COMMENT ON COLUMN diaforcedsources."broughtby" IS 'source whose packet provided the row: its own, else the earliest that contains the point';

COMMENT ON COLUMN diaforcedsources."x" IS 'measured position, detector x [pixel]';

COMMENT ON COLUMN diaforcedsources."y" IS 'measured position, detector y [pixel]';

COMMENT ON COLUMN diaforcedsources."night" IS 'night of the packet that provided the row: local date of the evening at the observatory';

COMMENT ON COLUMN diaforcedsources."reduction" IS 'reduction of the data; 0: that of the alerts';

COMMENT ON COLUMN dianondetectionlimits."ra" IS 'right ascension of the measured position [deg, ICRS]';

COMMENT ON COLUMN dianondetectionlimits."decl" IS 'declination of the measured position [deg, ICRS]';

COMMENT ON COLUMN dianondetectionlimits."timeprocessedmjdtai" IS 'time at which the survey created the record [d, MJD TAI]';

COMMENT ON COLUMN dianondetectionlimits."exposure" IS 'identifier of the exposure: ccdVisitId, else visit and detector, else minus the time in 0.1 s';

COMMENT ON COLUMN dianondetectionlimits."broughtby" IS 'source whose packet provided the row: its own, else the earliest that contains the point';

COMMENT ON COLUMN dianondetectionlimits."night" IS 'night of the packet that provided the row: local date of the evening at the observatory';

COMMENT ON COLUMN dianondetectionlimits."reduction" IS 'reduction of the data; 0: that of the alerts';

COMMENT ON TABLE point_sums IS 'Summary of the stored light curve of each DIAObject, which shows without reading it which points are new';

COMMENT ON COLUMN point_sums."changes" IS 'number of times its points were written';

COMMENT ON COLUMN point_sums."removals" IS 'number of times points of it were removed';

COMMENT ON COLUMN point_sums."months" IS 'count and sum of the hashes of its points by kind and month; null if they must be recounted';

COMMENT ON COLUMN telemetry_file."folder" IS 'fsspec URL of the folder in which it arrived';

COMMENT ON COLUMN telemetry_file."modified" IS 'modification time reported by its folder; null if there is none [UTC]';

COMMENT ON COLUMN telemetry_file."sha256" IS 'SHA-256 of its content, hexadecimal; null until it has been read';

COMMENT ON COLUMN telemetry_file."next_try" IS 'earliest time of the next attempt [UTC]';

COMMENT ON COLUMN telemetry_file."staged" IS 'path of our copy below the telemetry folder; null if there is none';

COMMENT ON COLUMN telemetry_file."new_packets" IS 'packets that no earlier file contained';

COMMENT ON TABLE telemetry_quarantine IS 'Packets and other pieces of files that could not be used, with their bytes';

COMMENT ON COLUMN telemetry_quarantine."position" IS 'position of the piece in the file [byte]';

COMMENT ON COLUMN telemetry_quarantine."number" IS 'number of the packet in the file; null if it has none';

COMMENT ON COLUMN product_file."kind" IS 'kind of product, as in file names: ql-lightcurve';

COMMENT ON COLUMN product_file."request_control" IS 'sequence control of the telecommand that requested it; null for daily products';

COMMENT ON COLUMN product_file."starts" IS 'start of its data: UTC, or on-board time at LB and L0';

COMMENT ON COLUMN product_file."incomplete" IS 'whether packets are missing (marked U in the name)';

COMMENT ON COLUMN product_file."checked_run_id" IS 'last run that rebuilt it and found it unchanged';

COMMENT ON COLUMN product_file."superseded_at" IS 'when another version replaced it or it was no longer produced; null while current [UTC]';

COMMENT ON COLUMN product_file."superseded_by" IS 'version that replaced it; null if there is none';

COMMENT ON COLUMN product_file_input."version" IS 'data version or SHA-256 that was used; empty if unknown';

COMMENT ON COLUMN product_file_input."detail" IS 'description of that version, such as names of kernels';

