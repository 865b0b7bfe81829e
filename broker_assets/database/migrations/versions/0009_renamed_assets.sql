UPDATE artefact_input SET input_asset = 'watchlists' WHERE asset = 'watchlist' AND input_asset = 'watchlist_row';

UPDATE artefact_input SET input_asset = 'areas' WHERE asset = 'area' AND input_asset = 'area_row';

UPDATE artefact_input SET input_asset = 'sky_map_notices', input_partition = partition WHERE asset = 'sky_map' AND input_asset = 'sky_map_row';

DELETE FROM artefact WHERE asset IN ('watchlist_row', 'area_row', 'sky_map_row', 'pruned_event_log');

DELETE FROM code WHERE asset = 'pruned_event_log';
