"""Layouts of the open database: the packet kinds the simulator sends, in the notation of the contract's appendices.

Variable layouts: ``NAME:width`` bits (``i`` signed), ``@-7`` bits to move before reading, ``NAME:width{…}`` a counter
with its group, ``*CIX…`` a calibration, ``A..B:w`` a run of parameters. Fixed layouts: ``byte.bit:width NAME column
[calibration unit]``. Names, widths and positions are those of the flight database 2.26.34, so that the same products
can be made; texts and calibrations are our own.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class OpenStructure(NamedTuple):
    """A packet kind of the open database."""

    service: int
    subservice: int
    structure_id: int | None
    spid: int
    description: str
    layout: str


VARIABLE: Final = (
    OpenStructure(
        21,
        6,
        20,
        54114,
        "Pixel data, raw",
        "NIX00120:8*CIXT0120TM, NIX00001:16, NIX00002:16, NIX00037:32, NIXG0009:8, NIXD0007:1@-7, NIXD0008:3, "
        "NIXD0009:3, NIXG0010:8, NIXD0010:1@-7, NIXD0011:3, NIXD0012:3, NIX00402:48, NIX00403:16 "
        "{NIX00404:16*CIX01174TM, NIX00401:8*CIXT0401TM, NIX00405:16*CIX01172TM, NIXG0404:16, NIXD0407:12@-12, "
        "NIX00407..NIX00423:32, NIX00406:16 {NIXG0011:16, NIXD0158:4@-16, NIXD0153:5, NIXD0154:5, NIXD0159:2 "
        "{NIX00065:8}}}",
    ),
    OpenStructure(
        21,
        6,
        21,
        54115,
        "Pixel data, compressed",
        "NIX00120:8*CIXT0120TM, NIX00001:16, NIX00002:16, NIX00037:32, NIXG0009:8, NIXD0007:1@-7, NIXD0008:3, "
        "NIXD0009:3, NIXG0010:8, NIXD0010:1@-7, NIXD0011:3, NIXD0012:3, NIX00402:48, NIX00403:16 "
        "{NIX00441:16*CIX01170TM, NIX00401:8*CIXT0401TM, NIX00442:8 {NIXG0404:16, NIXD0407:12@-12}, NIX00407:32, "
        "NIX00405:16*CIX01172TM, NIX00242..NIX00257:8, NIX00258:8 {NIXG0012:16, NIXD0016:5@-13, NIXD0017:5@+3, "
        "NIX00259:16 {NIX00260:8}}}",
    ),
    OpenStructure(
        21,
        6,
        22,
        54116,
        "Pixel data, summed",
        "NIX00120:8*CIXT0120TM, NIX00001:16, NIX00002:16, NIX00037:32, NIXG0009:8, NIXD0007:1@-7, NIXD0008:3, "
        "NIXD0009:3, NIXG0010:8, NIXD0010:1@-7, NIXD0011:3, NIXD0012:3, NIX00402:48, NIX00403:16 "
        "{NIX00441:16*CIX01170TM, NIX00401:8*CIXT0401TM, NIX00442:8 {NIXG0404:16, NIXD0407:12@-12}, NIX00407:32, "
        "NIX00405:16*CIX01172TM, NIX00242..NIX00257:8, NIX00258:8 {NIXG0012:16, NIXD0016:5@-13, NIXD0017:5@+3, "
        "NIX00259:16 {NIX00260:8}}}",
    ),
    OpenStructure(
        21,
        6,
        23,
        54117,
        "Visibilities",
        "NIX00120:8*CIXT0120TM, NIX00001:16, NIX00002:16, NIX00037:32, NIXG0009:8, NIXD0007:1@-7, NIXD0008:3, "
        "NIXD0009:3, NIXG0010:8, NIXD0010:1@-7, NIXD0011:3, NIXD0012:3, NIX00402:48, NIX00403:16 "
        "{NIX00441:16*CIX01170TM, NIX00401:8*CIXT0401TM, NIX00405:16*CIX01172TM, NIXG0404:16, NIXD0407:12@-12, "
        "NIXG0406:16, NIXD0444:12@-12, NIXG0407:16, NIXD0445:12@-12, NIXG0408:16, NIXD0446:12@-12, NIXG0409:16, "
        "NIXD0447:12@-12, NIX00407:32, NIX00242..NIX00257:8, NIX00258:8 {NIXG0012:16, NIXD0016:5@-13, "
        "NIXD0017:5@+3, NIX00261:8, NIX00262:8 {NIX00100:8, NIX00263:8, NIX00264:8}}}",
    ),
    OpenStructure(
        21,
        6,
        24,
        54143,
        "Spectrogram",
        "NIX00120:8*CIXT0120TM, NIX00001:16, NIX00002:16, NIX00037:32, NIXG0009:8, NIXD0007:1@-7, NIXD0008:3, "
        "NIXD0009:3, NIXG0010:8, NIXD0010:1@-7, NIXD0011:3, NIXD0012:3, NIX00402:48, NIX00403:16 {NIXG0404:16, "
        "NIXD0407:12@-12, NIX00407:32, NIX00401:8*CIXT0401TM, NIXG0405:16, NIXD0442:5@-15, NIXD0443:5, NIXD0019:5, "
        "NIX00089:16 {NIX00441:16*CIX01170TM, NIX00267:8, NIX00270:8 {NIX00268:8}}, NIX00269:16*CIX01169TM}",
    ),
    OpenStructure(
        21,
        6,
        30,
        54118,
        "Quick-look light curves",
        "NIX00120:8*CIXT0120TM, NIX00445:32, NIX00446:16, NIX00405:16*CIX01172TM, NIX00407:32, NIXG0404:16, "
        "NIXD0407:12@-12, NIXG0014:8, NIXD0101:1@-7, NIXD0102:3, NIXD0103:3, NIXG0015:8, NIXD0104:1@-8, NIXD0105:3, "
        "NIXD0106:3, NIXD0107:1, NIX00266:32, NIX00270:8 {NIX00271:16 {NIX00272:8}}, NIX00273:16 {NIX00274:8}, "
        "NIX00275:16 {NIX00276:8}",
    ),
    OpenStructure(
        21,
        6,
        31,
        54119,
        "Quick-look background",
        "NIX00120:8*CIXT0120TM, NIX00445:32, NIX00446:16, NIX00405:16*CIX01172TM, NIXG0016:8, NIXD0108:1@-8, "
        "NIXD0109:3, NIXD0110:3, NIXD0111:1, NIX00266:32, NIXG0017:8, NIXD0112:1@-7, NIXD0113:3, NIXD0114:3, "
        "NIX00270:8 {NIX00277:16 {NIX00278:8}}, NIX00273:16 {NIX00274:8}",
    ),
    OpenStructure(
        21,
        6,
        32,
        54120,
        "Quick-look spectra",
        "NIX00120:8*CIXT0120TM, NIX00445:32, NIX00446:16, NIX00405:16*CIX01172TM, NIXG0018:8, NIXD0115:1@-7, "
        "NIXD0116:3, NIXD0117:3, NIXG0017:8, NIXD0112:1@-7, NIXD0113:3, NIXD0114:3, NIXG0404:16, NIXD0407:12@-12, "
        "NIX00089:16 {NIX00100:8, NIX00452..NIX00485:8}",
    ),
    OpenStructure(
        21,
        6,
        33,
        54121,
        "Quick-look variance",
        "NIX00120:8*CIXT0120TM, NIX00445:32, NIX00446:16, NIX00405:16*CIX01172TM, NIX00279:8, NIX00407:32, "
        "NIX00282:32, NIXG0404:16, NIXD0407:12@-12, NIXG0019:8, NIXD0118:1@-7, NIXD0119:3, NIXD0120:3, NIX00280:16 "
        "{NIX00281:8}",
    ),
    OpenStructure(
        21,
        6,
        34,
        54122,
        "Quick-look flare flag and location",
        "NIX00120:8*CIXT0120TM, NIX00445:32, NIX00446:16, NIX00405:16*CIX01172TM, NIX00089:16 {NIXG0020:8, "
        "NIXD0449:1@-8, NIXD0059:2*CIXT0059TM, NIXD0060:2*CIXT0060TM, NIXD0061:3*CIXT0061TM, NIX00283:8i, "
        "NIX00284:8i}",
    ),
    OpenStructure(
        21,
        6,
        41,
        54124,
        "Calibration spectra",
        "NIX00120:8*CIXT0120TM, NIX00445:32, NIX00122:32*CIX01171TM, NIX00123:16*CIX01175TM, "
        "NIX00124:32*CIX01173TM, NIX00125:16*CIXP0024TM, NIXG0160:8, NIXD0126:1@-7, NIXD0127:3, NIXD0128:3, "
        "NIX00407:32, NIXG0404:16, NIXD0448:1@-13, NIXD0407:12, NIX00160:8, NIXG0300:32, NIXD0129:10@-30, "
        "NIXD0130:10, NIXD0131:10, NIXG0301:32, NIXD0132:10@-30, NIXD0133:10, NIXD0134:10, NIXG0302:32, "
        "NIXD0135:10@-30, NIXD0136:10, NIXD0137:10, NIXG0303:32, NIXD0138:10@-30, NIXD0139:10, NIXD0140:10, "
        "NIXG0304:32, NIXD0141:10@-30, NIXD0142:10, NIXD0143:10, NIXG0305:32, NIXD0144:10@-30, NIXD0145:10, "
        "NIXD0146:10, NIXG0306:32, NIXD0147:10@-30, NIXD0148:10, NIXD0149:10, NIXG0307:32, NIXD0150:10@-30, "
        "NIXD0151:10, NIXD0152:10, NIX00159:16 {NIXG0403:16, NIXD0155:5@-12, NIXD0156:4, NIXD0157:3, NIX00146:16 "
        "{NIX00158:8}}",
    ),
    OpenStructure(
        21,
        6,
        42,
        54125,
        "Aspect burst",
        "NIX00120:8*CIXT0120TM, NIX00445:32, NIX00446:16, NIX00490:16, NIX00088:8, NIX00089:16 {NIX00090..NIX00093:16}",
    ),
    OpenStructure(
        21,
        6,
        43,
        54144,
        "Telemetry status and flare list",
        "NIX00120:8*CIXT0120TM, NIX00285:32, NIX00286:32, NIX00294:8 {NIX00287:32, NIX00288:32, NIX00289:8, "
        "NIX00290:32, NIX00291:8i, NIX00292:8i, NIX00293:8*CIXT0293TM}",
    ),
    OpenStructure(
        239,
        3,
        None,
        54131,
        "ASIC temperatures",
        "NIX00103:8 {NIX00100:8, NIX00101:16*CIXP0024TM, NIX00102:16*CIXP0024TM}",
    ),
)
"""Kinds with repeat groups."""

FIXED: Final = (
    OpenStructure(
        1,
        1,
        None,
        54001,
        "Telecommand accepted",
        "16.0:16 NIX00001 tc_packet_id; 18.0:16 NIX00002 tc_packet_seq_control",
    ),
    OpenStructure(
        1,
        7,
        None,
        54013,
        "Telecommand executed",
        "16.0:16 NIX00001 tc_packet_id; 18.0:16 NIX00002 tc_packet_seq_control",
    ),
    OpenStructure(
        3,
        25,
        1,
        54101,
        "Housekeeping, short",
        "16.0:8 NIX00020 sid; 17.0:1 NIXD0021 sw_running [CIXT0021TM]; 17.1:3 NIXD0022 instrument_number "
        "[CIXT0022TM]; 17.4:4 NIXD0023 instrument_mode [CIXT0023TM]; 18.0:12 NIXD0025 hk_dpu_pcb_t [CIXP0024TM "
        "degC]; 19.4:12 NIXD0026 hk_dpu_fpga_t [CIXP0024TM degC]; 21.0:12 NIXD0027 hk_dpu_3v3_c [CIXP0027TM mA]; "
        "22.4:12 NIXD0028 hk_dpu_2v5_c [CIXP0026TM mA]; 24.0:12 NIXD0029 hk_dpu_1v5_c [CIXP0025TM mA]; 25.4:12 "
        "NIXD0030 hk_dpu_spw_c [CIXP0028TM mA]; 27.0:12 NIXD0031 hk_dpu_spw0_v [CIXP0035TM V]; 28.4:12 NIXD0032 "
        "hk_dpu_spw1_v [CIXP0035TM V]; 30.0:8 NIXD0001 sw_version_number; 31.0:5 NIXD0002 cpu_load; 31.7:8 NIXD0003 "
        "archive_memory_usage; 31.5:1 NIXD0166 autonomous_asw_boot_stat [CAAT0033TM]; 31.6:1 NIXD0167 "
        "memory_load_ena_flag [CAAT0033TM]; 32.7:1 NIXD0004 idpu_identifier [CIXT0003TM]; 33.0:1 NIXD0005 "
        "active_spw_link [CIXT0003TM]; 33.2:6 NIXD0168 overruns_for_tasks [CIXT1168TM]; 33.1:1 NIXD0169 "
        "watchdog_state [CAAT0001TM]; 34.0:16 NIXD0079 received_spw_packets; 36.0:16 NIXD0078 rejected_spw_packets; "
        "38.0:12 NIXD0035 hk_dpu_1v5_v [CIXP0034TM V]; 39.4:12 NIXD0036 hk_ref_2v5_v [CIXP0035TM V]; 41.0:12 "
        "NIXD0037 hk_dpu_2v9_v [CIXP0034TM V]; 42.4:12 NIXD0024 hk_psu_temp_t [CIXP0024TM degC]; 44.0:32 NIX00085 "
        "fdir_function_status; 48.0:16 NIX00161 fdir_stat_msk_hk_temp_ch; 50.0:16 NIX00162 "
        "fdir_stat_msk_hk_volt_ch; 52.0:1 NIXD0163 hkselftest_is_exec_stat [CAAT0033TM]; 52.1:1 NIXD0164 "
        "memory_ser_exec_stat_fla [CAAT0033TM]; 52.2:6 NIXD0165 fdir_stat_msk_hk_curr_ch; 53.0:16 NIX00166 "
        "number_of_executed_tc_pa; 55.0:16 NIX00167 number_of_sent_tm_packet; 57.0:16 NIX00168 "
        "number_of_failed_tm_gene",
    ),
    OpenStructure(
        3,
        25,
        2,
        54102,
        "Housekeeping, long",
        "16.0:8 NIX00020 sid; 17.0:1 NIXD0021 sw_running [CIXT0021TM]; 17.1:3 NIXD0022 instrument_number "
        "[CIXT0022TM]; 17.4:4 NIXD0023 instrument_mode [CIXT0023TM]; 18.0:12 NIXD0025 hk_dpu_pcb_t [CIXP0024TM "
        "degC]; 19.4:12 NIXD0026 hk_dpu_fpga_t [CIXP0024TM degC]; 21.0:12 NIXD0027 hk_dpu_3v3_c [CIXP0027TM mA]; "
        "22.4:12 NIXD0028 hk_dpu_2v5_c [CIXP0026TM mA]; 24.0:12 NIXD0029 hk_dpu_1v5_c [CIXP0025TM mA]; 25.4:12 "
        "NIXD0030 hk_dpu_spw_c [CIXP0028TM mA]; 27.0:12 NIXD0031 hk_dpu_spw0_v [CIXP0035TM V]; 28.4:12 NIXD0032 "
        "hk_dpu_spw1_v [CIXP0035TM V]; 30.0:12 NIXD0038 hk_asp_ref_2v5a_v [CIXP0037TM V]; 31.4:12 NIXD0039 "
        "hk_asp_ref_2v5b_v [CIXP0037TM V]; 33.0:12 NIXD0040 hk_asp_tim01_t [CIXP0024TM degC]; 34.4:12 NIXD0041 "
        "hk_asp_tim02_t [CIXP0024TM degC]; 36.0:12 NIXD0042 hk_asp_tim03_t [CIXP0024TM degC]; 37.4:12 NIXD0043 "
        "hk_asp_tim04_t [CIXP0024TM degC]; 39.0:12 NIXD0044 hk_asp_tim05_t [CIXP0024TM degC]; 40.4:12 NIXD0045 "
        "hk_asp_tim06_t [CIXP0024TM degC]; 42.0:12 NIXD0046 hk_asp_tim07_t [CIXP0024TM degC]; 43.4:12 NIXD0047 "
        "hk_asp_tim08_t [CIXP0024TM degC]; 45.0:12 NIXD0048 hk_asp_vsensa_v [CIXP0036TM V]; 46.4:12 NIXD0049 "
        "hk_asp_vsensb_v [CIXP0036TM V]; 48.0:12 NIXD0050 hk_att_v [CIXP0033TM V]; 49.4:12 NIXD0051 hk_att_t "
        "[CIXP0024TM degC]; 51.0:12 NIXD0052 hk_hv_01_16_v [CIXP0031TM V]; 52.4:12 NIXD0053 hk_hv_17_32_v "
        "[CIXP0032TM V]; 54.0:12 NIXD0054 det_q1_t [CIXP0024TM degC]; 55.4:12 NIXD0055 det_q2_t [CIXP0024TM degC]; "
        "57.0:12 NIXD0056 det_q3_t [CIXP0024TM degC]; 58.4:12 NIXD0057 det_q4_t [CIXP0024TM degC]; 60.0:12 NIXD0035 "
        "hk_dpu_1v5_v [CIXP0034TM V]; 61.4:12 NIXD0036 hk_ref_2v5_v [CIXP0035TM V]; 63.0:12 NIXD0037 hk_dpu_2v9_v "
        "[CIXP0034TM V]; 64.4:12 NIXD0024 hk_psu_temp_t [CIXP0024TM degC]; 66.0:8 NIXD0001 sw_version_number; "
        "67.0:5 NIXD0002 cpu_load; 67.7:8 NIXD0003 archive_memory_usage; 67.5:1 NIXD0166 autonomous_asw_boot_stat "
        "[CAAT0033TM]; 67.6:1 NIXD0167 memory_load_ena_flag [CAAT0033TM]; 68.7:1 NIXD0004 idpu_identifier "
        "[CIXT0003TM]; 69.0:1 NIXD0005 active_spw_link [CIXT0003TM]; 69.2:6 NIXD0168 overruns_for_tasks "
        "[CIXT1168TM]; 69.1:1 NIXD0169 watchdog_state [CAAT0001TM]; 70.0:16 NIXD0079 received_spw_packets; 72.0:16 "
        "NIXD0078 rejected_spw_packets; 74.0:32 NIXD0070 en/dis_detector_status; 78.3:1 NIXD0080 spw1-power_status "
        "[CAAT0001TM]; 78.4:1 NIXD0081 spw0-power_status [CAAT0001TM]; 78.5:1 NIXD0082 q4-power_status "
        "[CAAT0001TM]; 78.6:1 NIXD0083 q3-power_status [CAAT0001TM]; 78.7:1 NIXD0084 q2-power_status [CAAT0001TM]; "
        "79.0:1 NIXD0085 q1-power_status [CAAT0001TM]; 79.1:1 NIXD0086 aspect_b-power_status [CAAT0001TM]; 79.2:1 "
        "NIXD0087 aspect_a-power_status [CAAT0001TM]; 79.3:1 NIXD0088 att_m2-moving [CAAT0021TM]; 79.4:1 NIXD0089 "
        "att_m1-moving [CAAT0021TM]; 79.5:1 NIXD0090 hv17-32-enabled_status [CAAT0031TM]; 79.6:1 NIXD0091 "
        "hv01-16-enabled_status [CAAT0031TM]; 79.7:1 NIXD0092 lv-enabled_status [CAAT0031TM]; 80.0:1 NIXD0066 "
        "hv1_depolar_in_progress [CAAT0033TM]; 80.1:1 NIXD0067 hv2_depolar_in_progress [CAAT0033TM]; 80.2:1 "
        "NIXD0068 att_ab_flag-open [CAAT0033TM]; 80.3:1 NIXD0069 att_bc_flag-closed [CAAT0033TM]; 82.0:24 NIX00072 "
        "med_value_of_trig_acc; 85.0:24 NIX00073 max_value_of_trig_acc; 88.0:2 NIXD0074 hv_regulators_mask "
        "[CIXT0074TM]; 88.2:14 NIXD0077 tc(20,128)_seq_cnt; 90.0:16 NIX00076 attenuator_motions; 92.0:16 NIX00078 "
        "hk_asp_photoa0_v [CIXP0037TM V]; 94.0:16 NIX00079 hk_asp_photoa1_v [CIXP0037TM V]; 96.0:16 NIX00080 "
        "hk_asp_photob0_v [CIXP0037TM V]; 98.0:16 NIX00081 hk_asp_photob1_v [CIXP0037TM V]; 100.0:16 NIX00094 "
        "attenuator_currents; 102.0:12 NIXD0075 hk_att_c [CIXP0030TM mA]; 103.4:12 NIXD0058 hk_det_c [CIXP0029TM "
        "mA]; 105.0:32 NIX00085 fdir_function_status",
    ),
    OpenStructure(
        5,
        1,
        33,
        54258,
        "Mode changed",
        "16.0:16 NIX00299 event; 18.0:8 NIX00304 previous_mode [CIXT0023TM]; 19.0:8 NIX00305 actual_mode "
        "[CIXT0023TM]; 20.0:8 NIX00306 reason",
    ),
    OpenStructure(
        17,
        2,
        None,
        54330,
        "Connection test",
        "",
    ),
    OpenStructure(
        200,
        1,
        None,
        60001,
        "Checked report",
        "16.0:32 NIX09001 counter; 20.0:16 NIX09002 reading",
    ),
)
"""Kinds with fixed positions."""

CHECKED: Final = frozenset({60001})
"""SPIDs of kinds that end in a CRC."""

DESCRIPTIONS: Final = {
    "NIX00001": "TC Packet ID",
    "NIX00002": "TC Packet Seq Control",
    "NIX00037": "Unique data request numb",
    "NIX00065": "Counts",
    "NIX00088": "Summing value Asp FPGA",
    "NIX00089": "Number of samples",
    "NIX00090": "ChA diode 0 voltage",
    "NIX00093": "ChB diode 1 voltage",
    "NIX00100": "Detector number",
    "NIX00120": "SSID",
    "NIX00122": "Duration",
    "NIX00123": "Quiet Time",
    "NIX00124": "Live Time",
    "NIX00125": "Average temperature",
    "NIX00146": "Sp - nr of compr sp pts",
    "NIX00158": "Compr spectral point",
    "NIX00159": "Number of structures M",
    "NIX00160": "SbSpect Mask",
    "NIX00258": "Number of energy groups",
    "NIX00259": "Number of data elements",
    "NIX00260": "Compressed pixels counts",
    "NIX00261": "Flux",
    "NIX00262": "Number of detectors",
    "NIX00263": "Real visibility com",
    "NIX00264": "Imaginary visibility com",
    "NIX00266": "Enrg bin edge mask - low",
    "NIX00267": "Compr combined trig acc",
    "NIX00268": "Compr summed counts",
    "NIX00269": "Closing time offset",
    "NIX00270": "Number of energies",
    "NIX00271": "Num of data pnts LC",
    "NIX00272": "Compressed Lightcurves",
    "NIX00273": "Num of data pnts TRIG",
    "NIX00274": "Compressed Triggers",
    "NIX00275": "Num of data pnts RCR",
    "NIX00276": "RCR",
    "NIX00277": "Num of data pnts BCKG",
    "NIX00278": "Compressed Background",
    "NIX00279": "Samp per variance val",
    "NIX00280": "Num of data pnts VAR",
    "NIX00281": "Compressed Variance",
    "NIX00282": "Energy Mask",
    "NIX00283": "Flare Location Z",
    "NIX00284": "Flare Location Y",
    "NIX00285": "UBSD counter",
    "NIX00286": "PALD counter",
    "NIX00287": "Start time coarse SCET",
    "NIX00288": "End time coarse SCET",
    "NIX00289": "Highest flare flag",
    "NIX00290": "TM byte voilume",
    "NIX00291": "Average Z location",
    "NIX00292": "Average Y location",
    "NIX00293": "Flare TM proc status",
    "NIX00294": "Number of listed flares",
    "NIX00401": "Rate control regime",
    "NIX00402": "Measurement Time Stamp",
    "NIX00403": "Number of substructures",
    "NIX00404": "Starting time",
    "NIX00405": "Integration duration",
    "NIX00406": "Number science data samp",
    "NIX00407": "Detectors mask",
    "NIX00441": "Delta time in 0.1 sec",
    "NIX00442": "Number of pixel sets, P",
    "NIX00445": "SCET coarse time",
    "NIX00446": "SCET fine time",
    "NIX00484": "Compr Trigger Accu",
    "NIX00485": "Num of integr aft 1 samp",
    "NIX00490": "Averaging value Asp TC",
    "NIXD0007": "Compr Sch EACC S",
    "NIXD0008": "Compr Sch EACC K",
    "NIXD0009": "Compr Sch EACC M",
    "NIXD0010": "Compr Sch ETRIG S",
    "NIXD0011": "Compr Sch ETRIG K",
    "NIXD0012": "Compr Sch ETRIG M",
    "NIXD0016": "E1 (low bound)",
    "NIXD0017": "E2 (high bound)",
    "NIXD0019": "Energy Unit - 1",
    "NIXD0059": "Flare location status",
    "NIXD0060": "Non-thermal flare index",
    "NIXD0061": "Thermal flare index",
    "NIXD0407": "Pixel mask 1",
    "NIXD0442": "E1 (low bound for spec)",
    "NIXD0443": "E2 (high bound for spec)",
    "NIXD0444": "Pixel mask 2",
    "NIXD0445": "Pixel mask 3",
    "NIXD0446": "Pixel mask 4",
    "NIXD0447": "Pixel mask 5",
    "NIXD0448": "Bit reduction",
    "NIXD0449": "Flare in progress",
}
"""Descriptions of parameters of variable layouts."""
