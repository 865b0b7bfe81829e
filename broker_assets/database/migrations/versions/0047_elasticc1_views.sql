CREATE MATERIALIZED VIEW elasticc_view_dedupedclassifications AS
    SELECT said."classifierId", said."brokerMessageId", said."classId", class."classId" AS "trueClassId",
        source."diaSourceId", source."midPointTai" - truth.peakmjd AS dt, count(*) AS n,
        avg(said.probability) AS probability, stddev(said.probability) AS sigma
    FROM elasticc_brokerclassification AS said
    JOIN elasticc_brokermessage AS message ON message."brokerMessageId" = said."brokerMessageId"
    JOIN elasticc_diasource AS source ON source."diaSourceId" = message."diaSourceId"
    JOIN elasticc_diaobjecttruth AS truth ON truth."diaObjectId" = source."diaObjectId"
    LEFT JOIN elasticc_gentypeofclassid AS class ON class.gentype = truth.gentype
    GROUP BY 1, 2, 3, 4, 5, 6;

CREATE UNIQUE INDEX elasticc_view_dedupedclassifications_key ON elasticc_view_dedupedclassifications
    ("classifierId", "brokerMessageId", "classId", "trueClassId") NULLS NOT DISTINCT;

COMMENT ON MATERIALIZED VIEW elasticc_view_dedupedclassifications IS 'What each message of the first campaign says of each class, a class once, with the true class and the days from the peak';

CREATE MATERIALIZED VIEW elasticc_view_classifications_totprobpersource AS
    SELECT "classifierId", "diaSourceId", sum(probability) AS totprob
    FROM elasticc_view_dedupedclassifications GROUP BY 1, 2;

CREATE UNIQUE INDEX elasticc_view_classifications_totprobpersource_key
    ON elasticc_view_classifications_totprobpersource ("classifierId", "diaSourceId");

COMMENT ON MATERIALIZED VIEW elasticc_view_classifications_totprobpersource IS 'Sum of the probabilities of a classifier for a detection, which should be 1';

CREATE MATERIALIZED VIEW elasticc_view_classifications_probmetrics AS
    SELECT "classifierId", "classId", "trueClassId", width_bucket(dt, -30, 100, 26) AS tbin,
        width_bucket(probability, 0, 1, 20) AS probbin, count(*) AS count
    FROM elasticc_view_dedupedclassifications GROUP BY 1, 2, 3, 4, 5;

CREATE UNIQUE INDEX elasticc_view_classifications_probmetrics_key ON elasticc_view_classifications_probmetrics
    ("classifierId", "classId", "trueClassId", tbin, probbin) NULLS NOT DISTINCT;

COMMENT ON MATERIALIZED VIEW elasticc_view_classifications_probmetrics IS 'Classifications by class, true class, 5 days from -30 to 100 after the peak, and ranges of probability of 0.05';

CREATE MATERIALIZED VIEW elasticc_view_class_max_right_in_bin AS
    SELECT bin.timebin, source."diaObjectId", said."classifierId", said."trueClassId",
        max(said.probability) AS maxprob
    FROM elasticc_view_dedupedclassifications AS said
    JOIN elasticc_diasource AS source ON source."diaSourceId" = said."diaSourceId"
    JOIN elasticc_maxprob_timebins AS bin ON said.dt >= bin.dtmin AND said.dt < bin.dtmax
    WHERE said."classId" = said."trueClassId" GROUP BY 1, 2, 3, 4;

CREATE UNIQUE INDEX elasticc_view_class_max_right_in_bin_key ON elasticc_view_class_max_right_in_bin
    (timebin, "diaObjectId", "classifierId", "trueClassId");

COMMENT ON MATERIALIZED VIEW elasticc_view_class_max_right_in_bin IS 'Greatest probability that a classifier gave to the true class of an object, by interval of time';

CREATE MATERIALIZED VIEW elasticc_view_class_max_right_hist AS
    SELECT best.timebin, bin.dtmin, bin.dtmax, best.maxprobbin, (best.maxprobbin - 1) * 0.05 AS binmeanmaxprob,
        best."classifierId", best."trueClassId", best.count
    FROM (SELECT timebin, width_bucket(maxprob, -0.025, 1.025, 21) AS maxprobbin, "classifierId", "trueClassId",
        count(*) AS count FROM elasticc_view_class_max_right_in_bin GROUP BY 1, 2, 3, 4) AS best
    JOIN elasticc_maxprob_timebins AS bin ON bin.timebin = best.timebin;

CREATE UNIQUE INDEX elasticc_view_class_max_right_hist_key ON elasticc_view_class_max_right_hist
    (timebin, maxprobbin, "classifierId", "trueClassId");

COMMENT ON MATERIALIZED VIEW elasticc_view_class_max_right_hist IS 'Objects by the greatest probability of their true class, in 21 bins centred on 0 to 1';

CREATE MATERIALIZED VIEW elasticc_view_maxprobdiff AS
    SELECT early.timebin AS earlytimebin, late.timebin AS latetimebin, early."diaObjectId", early."trueClassId",
        early."classifierId", early.maxprob AS earlymaxprob, late.maxprob AS latemaxprob
    FROM elasticc_view_class_max_right_in_bin AS early
    JOIN elasticc_view_class_max_right_in_bin AS late ON late."diaObjectId" = early."diaObjectId"
        AND late."classifierId" = early."classifierId" AND late."trueClassId" = early."trueClassId"
    WHERE early.timebin BETWEEN 3 AND 5 AND late.timebin BETWEEN 7 AND 13;

CREATE UNIQUE INDEX elasticc_view_maxprobdiff_key ON elasticc_view_maxprobdiff
    (earlytimebin, latetimebin, "diaObjectId", "classifierId", "trueClassId");

COMMENT ON MATERIALIZED VIEW elasticc_view_maxprobdiff IS 'Greatest probabilities of the true class of an object before and after its peak';

CREATE MATERIALIZED VIEW elasticc_view_maxprobdiff_hist AS
    SELECT "classifierId", "trueClassId", earlytimebin, latetimebin, probdiffbin,
        (probdiffbin - 21) * 0.05 AS binmeanprobdiff, count(*) AS count
    FROM (SELECT *, width_bucket(latemaxprob - earlymaxprob, -1.025, 1.025, 41) AS probdiffbin
        FROM elasticc_view_maxprobdiff) AS pair
    GROUP BY 1, 2, 3, 4, 5;

CREATE UNIQUE INDEX elasticc_view_maxprobdiff_hist_key ON elasticc_view_maxprobdiff_hist
    ("classifierId", "trueClassId", earlytimebin, latetimebin, probdiffbin);

COMMENT ON MATERIALIZED VIEW elasticc_view_maxprobdiff_hist IS 'Objects by the late less the early probability of their true class, in 41 bins centred on -1 to 1';

CREATE MATERIALIZED VIEW elasticc_view_nobjclassified_in_timebin AS
    SELECT said."classifierId", said."trueClassId", bin.timebin, count(DISTINCT source."diaObjectId") AS n
    FROM elasticc_view_dedupedclassifications AS said
    JOIN elasticc_diasource AS source ON source."diaSourceId" = said."diaSourceId"
    JOIN elasticc_maxprob_timebins AS bin ON said.dt >= bin.dtmin AND said.dt < bin.dtmax
    GROUP BY 1, 2, 3;

CREATE UNIQUE INDEX elasticc_view_nobjclassified_in_timebin_key ON elasticc_view_nobjclassified_in_timebin
    ("classifierId", "trueClassId", timebin) NULLS NOT DISTINCT;

COMMENT ON MATERIALIZED VIEW elasticc_view_nobjclassified_in_timebin IS 'Objects that a classifier has classified at all, by interval of time';

CREATE MATERIALIZED VIEW elasticc_view_prevsourcecounts AS
    SELECT source."diaSourceId", source."diaObjectId", source."midPointTai", source.ndetections, source.mint,
        CASE WHEN source."midPointTai" - source.mint > 0.5 THEN (SELECT count(*) FROM elasticc_diaforcedsource AS forced
            WHERE forced."diaObjectId" = source."diaObjectId" AND forced."midPointTai" >= source.mint - 30
            AND forced."midPointTai" < source."midPointTai") ELSE 0 END AS nforced
    FROM (SELECT "diaSourceId", "diaObjectId", "midPointTai",
        count(*) OVER (PARTITION BY "diaObjectId" ORDER BY "midPointTai") AS ndetections,
        min("midPointTai") OVER (PARTITION BY "diaObjectId") AS mint FROM elasticc_diasource) AS source;

CREATE UNIQUE INDEX elasticc_view_prevsourcecounts_key ON elasticc_view_prevsourcecounts ("diaSourceId");

COMMENT ON MATERIALIZED VIEW elasticc_view_prevsourcecounts IS 'Detections up to each detection, the first of its object, and the forced measurements that its alert had';
