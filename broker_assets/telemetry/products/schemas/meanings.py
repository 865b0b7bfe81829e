"""What columns mean, for the schemas of products: a sentence, the axes of arrays, and what means "no value"."""

from __future__ import annotations

from typing import Final

SIZES: Final = {
    "detector": 32,
    "pixel": 12,
    "energy edge": 33,
    "science channel": 32,
    "accumulator": 16,
    "scheme": 3,
    "sub-spectrum": 8,
    "converter channel": 1024,
    "error": 4,
    "longitude, latitude": 2,
    "distance": 1,
    "x, y, z": 3,
    "roll, pitch, yaw": 3,
    "telecommand sequence control, request id": 2,
    "single": 1,
}
"""Axes that always have the same number of elements; all others differ between files."""

AXES: Final[dict[str, tuple[str, ...]]] = {
    "detector_mask": ("detector",),
    "detector_masks": ("detector",),
    "pixel_mask": ("pixel",),
    "pixel_masks": ("pixel",),
    **{f"pixel_mask{number}": ("pixel",) for number in range(1, 6)},
    "energy_bin_edge_mask": ("energy edge",),
    "energy_bin_mask": ("science channel",),
    **{f"compression_scheme_{name}_skm": ("scheme",) for name in ("counts", "triggers", "spectra", "variance")},
    "num_substructures": ("packet",),
    "subspectrum_mask": ("sub-spectrum",),
    **{f"subspec_{name}": ("sub-spectrum",) for name in ("num_points", "num_summed_channel", "lowest_channel")},
    "detector_index": ("detector",),
    "variance": ("single",),
    "thermal_index": ("single",),
    "non_thermal_index": ("single",),
    "location_status": ("single",),
    "flux": ("energy",),
    "detector_id": ("energy", "detector of the request"),
    "real": ("energy", "detector of the request"),
    "imaginary": ("energy", "detector of the request"),
    "offset": ("detector", "pixel"),
    "gain": ("detector", "pixel"),
    "goc": ("detector", "pixel"),
    "ecc_error": ("error", "detector", "pixel"),
    "e_edges_actual": ("detector", "pixel", "energy edge"),
    "solo_loc_carrington_lonlat": ("longitude, latitude",),
    "solo_loc_carrington_dist": ("distance",),
    "solo_loc_heeq_zxy": ("x, y, z",),
    "roll_angle_rpy": ("roll, pitch, yaw",),
}
"""Axes of a column, slowest first; the errors of a column have its axes."""

AXES_OF_KIND: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("ql-lightcurve", "counts"): ("energy",),
    ("ql-background", "counts"): ("energy",),
    ("ql-spectra", "spectra"): ("detector", "science channel"),
    ("ql-spectra", "triggers"): ("detector",),
    ("ql-spectra", "detector_index"): ("detector",),
    ("cal-energy", "counts"): ("detector", "pixel", "converter channel"),
    ("sci-xray-rpd", "counts"): ("detector of the request", "pixel", "energy"),
    ("sci-xray-cpd", "counts"): ("detector of the request", "pixel of the request", "energy"),
    ("sci-xray-scpd", "counts"): ("detector of the request", "set of pixels", "energy"),
    ("sci-xray-scpd", "pixel_masks"): ("set of pixels", "pixel"),
    ("sci-xray-spec", "counts"): ("energy",),
    **{(f"sci-xray-{name}", "triggers"): ("accumulator",) for name in ("rpd", "cpd", "scpd", "vis")},
    **{
        (f"sci-{name}", column): (axis,)
        for name in ("xray-rpd", "xray-cpd", "xray-scpd", "xray-vis", "xray-spec", "aspect-burst")
        for column, axis in (("packet", "packet"), ("raw_file", "file"))
    },
    ("requested-packets", "request_id"): ("telecommand sequence control, request id",),
}
"""Axes of a column of one kind, if its name alone does not determine them."""

OPTIONAL_AXES: Final = {("sci-xray-spec", "detector_masks"): "block of time bins"}
"""Additional first axis that a column has in some files: masks that change within a request."""

ERROR: Final = "Error of {name} due to integer compression alone: square root of the variance of the compressed value."

MEANINGS: Final = {
    "scet_coarse": "On-board time, seconds since 2000-01-01: begin of the first time bin, or of the packet's header.",
    "scet_fine": "On-board time, 1/65536 seconds.",
    "integration_time": "Length of a time bin.",
    "index": "Number of the row; control_index of DATA refers to it.",
    "control_index": "Row of CONTROL that the row belongs to.",
    "raw_file": "Telemetry file that the packet was received in.",
    "packet": "Number of the packet in its telemetry file, -1 if the file has none.",
    "parent": "File of the level before that the row was made of.",
    "time": "Centre of the time bin, counted from the begin of the file (DATE-BEG; OBT_BEG for on-board time).",
    "timedel": "Length of the time bin; 0 for values of a moment.",
    "time_stamp": "On-board time that the offsets of the time bins count from, seconds since 2000-01-01.",
    "counts": "Counts in the time bin.",
    "spectra": "Counts in the time bin of each detector, by science channel.",
    "triggers": "Triggers in the time bin; un-scaled where they were divided on board.",
    "rcr": "Rate control regime: 0 without attenuator, from 1 on with.",
    "variance": "Variance of the counts of short samples within the time bin.",
    "detector_mask": "Detectors summed: 1 in use. Index 0 is detector 1.",
    "detector_masks": "Detectors of the row: 1 in use. Index 0 is detector 1.",
    "pixel_mask": "Pixels summed: 1 in use.",
    "pixel_masks": "Pixels of the row, or of each set of pixels: 1 in use.",
    **{f"pixel_mask{number}": f"Pixels of visibility group {number}: 1 in use." for number in range(1, 6)},
    "energy_bin_edge_mask": "Edges of the 32 science channels: 1 where an energy bin begins or ends.",
    "energy_bin_mask": "Science channels that were used.",
    "num_energies": "Number of energy bins.",
    "num_samples": "Number of samples in the packet.",
    "num_channels": "Number of channels that the enabled sub-spectra have together.",
    "num_substructures": "Number of time bins (blocks) in each packet of the request.",
    "num_pixel_sets": "Number of pixel masks that the time bin was sent with.",
    "num_integrations": "Number of the integration that the row begins with.",
    "samples_per_variance": "Number of samples that a variance is of.",
    "compression_scheme_counts_skm": "Compression of the counts: sign, bits of exponent k, bits of mantissa m.",
    "compression_scheme_triggers_skm": "Compression of the triggers: sign, k, m; 0,0,7 means divided.",
    "compression_scheme_spectra_skm": "Compression of the spectra: sign, k, m.",
    "compression_scheme_variance_skm": "Compression of the variance: sign, k, m.",
    "tc_packet_id_ref": "Packet id of the telecommand that asked for the data.",
    "tc_packet_seq_control": "Sequence control of the telecommand that asked for the data.",
    "request_id": "Number of the request; of packets with the sequence control of its telecommand before it.",
    "detector_index": "Detector whose sample fills the place, counted from 0: another where this one has none yet.",
    "delta_time": "Begin of the time bin after time_stamp.",
    "flux": "Total flux of the visibilities, as sent.",
    "detector_id": "Detector of the visibility.",
    "real": "Real part of the visibility, as sent.",
    "imaginary": "Imaginary part of the visibility, as sent.",
    "loc_z": "Flare location, z, as sent.",
    "loc_y": "Flare location, y, as sent.",
    "thermal_index": "Thermal index of the flare flag, as sent.",
    "non_thermal_index": "Non-thermal index of the flare flag, as sent.",
    "location_status": "State of the flare location, as sent.",
    "flare_progress": "1 while a flare is in progress; packets of old flight software have none.",
    "ubsd": "Bytes of bulk science data not yet sent.",
    "pald": "Process status of the archive buffer.",
    "start_scet_coarse": "Begin of the flare, on-board seconds; 0 where none is listed.",
    "end_scet_coarse": "End of the flare, on-board seconds; 0 where none is listed.",
    "highest_flareflag": "Highest flare flag of the flare.",
    "tm_byte_volume": "Bytes of telemetry of the flare.",
    "average_z_loc": "Mean location, z, as sent.",
    "average_y_loc": "Mean location, y, as sent.",
    "processing_mask": "State of the processing of the flare's data.",
    "quiet_time": "Time without trigger that a count of the calibration spectra needs before it.",
    "live_time": "Live time of the calibration spectra.",
    "average_temperature": "Mean temperature of the detectors during the spectrum.",
    "subspectrum_mask": "Sub-spectra that were sent: 1 enabled.",
    "subspec_num_points": "Points of each sub-spectrum.",
    "subspec_num_summed_channel": "Converter channels summed in a point of each sub-spectrum.",
    "subspec_lowest_channel": "First converter channel of each sub-spectrum.",
    "summing_value": "Samples summed in a value.",
    "samples": "Samples in the packet.",
    "averaging_value": "Milliseconds of a sample before summing.",
    "cha_diode0": "Photo diode 0 of channel A, as sent.",
    "cha_diode1": "Photo diode 1 of channel A, as sent.",
    "chb_diode0": "Photo diode 0 of channel B, as sent.",
    "chb_diode1": "Photo diode 1 of channel B, as sent.",
    "version": "Version of the packet format; of the instrument database in IDB_VERSIONS.",
    "obt_start": "First packet time decoded with the version, on-board seconds.",
    "obt_end": "Last packet time decoded with the version, on-board seconds.",
    "channel": "Number of the energy bin; of the science channel for raw pixel data.",
    "e_low": "Lower edge of the energy bin.",
    "e_high": "Upper edge of the energy bin.",
    "packet_type": "Bit of the packet header: 0 telemetry.",
    "header_flag": "Bit of the packet header: 1 with a data header.",
    "process_id": "Process of the instrument that sent the packet.",
    "packet_category": "Category of the packet.",
    "sequence_flag": "3 stand-alone, 1 first, 0 continuation, 2 last packet of a sequence.",
    "sequence_count": "Sequence count of the process.",
    "data_length": "Bytes after the primary header, less one.",
    "pus_version": "Version of the packet utilisation standard.",
    "service_type": "Service type.",
    "service_subtype": "Service subtype.",
    "destination_id": "Destination of the packet.",
    "ssid": "Structure id; kinds without have no such column.",
    "time_sync": "Whether the on-board clock was synchronised.",
    "data": "The packet, hexadecimal.",
    "ob_elut_name": "Energy look-up table that was on board.",
    "ecc_config_name": "Set-up of the energy-calibration programs.",
    "offset": "Offset of the pixel, steps of the 12-bit converter.",
    "gain": "Gain of the pixel.",
    "goc": "Goodness of the calibration, as the programs give it.",
    "ecc_error": "Errors in keV of centre and width of the line at 31 keV, then of that at 81 keV.",
    "gain_range_ok": "Whether the gains of all pixels lie within the limits of the set-up.",
    "e_edges_actual": "Where the science channels really begin.",
    "time_utc": "Centre of the time bin, UTC.",
    "spice_disc_size": "Apparent radius of the Sun.",
    "y_srf": "Aspect solution, y, frame of the Solar reference.",
    "z_srf": "Aspect solution, z, frame of the Solar reference.",
    "sas_ok": "Whether the aspect solution can be used.",
    "sas_error": "Why there is no aspect solution; empty where there is one.",
    "solo_loc_carrington_lonlat": "Position of the spacecraft, Carrington longitude and latitude.",
    "solo_loc_carrington_dist": "Distance of the spacecraft from the Sun.",
    "solo_loc_heeq_zxy": "Position of the spacecraft, heliocentric Earth equatorial: x, y, z.",
    "roll_angle_rpy": "Attitude: roll, pitch, yaw.",
}
"""Meaning of each column."""

NULLS: Final = {
    "e_high": "NaN in the last channel, which has no upper end",
    "e_edges_actual": "NaN where the pixel has no gain; infinite at the end of the last channel",
    "offset": "NaN where the programs found none",
    "gain": "NaN where the programs found none",
    "goc": "NaN where the programs found none",
    "ecc_error": "NaN where the line was not found",
    "y_srf": "NaN without solution",
    "z_srf": "NaN without solution",
    "roll_angle_rpy": "NaN where the attitude is not known",
}
"""What means "no value"; columns that are not listed always have a value."""

ROWS: Final = {
    "CONTROL": "what holds for a packet; for a request of science data one row",
    "DATA": "a time bin, a report or a packet",
    "IDB_VERSIONS": "a version of the instrument database",
    "ENERGIES": "an energy bin of the counts",
}

OPTIONAL_COLUMNS: Final = frozenset({"flare_progress", "ssid"})
"""Columns that files of some packets do not have."""

CALIBRATED_KINDS: Final = frozenset({"hk-mini", "hk-maxi"})
"""Kinds whose parameters have the calibrations of the instrument database at level L1."""
CALIBRATED: Final = frozenset({"average_temperature"})
"""Columns of other kinds that have one."""

NOT_ALWAYS_THE_SAME: Final = frozenset({"DATAWARN", "TRIG_SCA", "SPICE_ER", "COMMENT"})
"""Keywords that a file only has under certain conditions."""

EMPTY: Final = frozenset({"SSID", "SCI_RID", "SCI_TCC", "DATAMIN", "DATAMAX", "STX_GSW"})
"""Keywords with numbers or texts whose value may be an empty text."""
