CREATE TABLE object_statistics (
	diaobjectid BIGINT NOT NULL, 
	night DATE NOT NULL, 
	band TEXT NOT NULL, 
	diasourceid BIGINT NOT NULL, 
	timemean DOUBLE PRECISION, 
	bazintime DOUBLE PRECISION, 
	npoints INTEGER, 
	ndetections INTEGER, 
	nforced INTEGER, 
	nnotdetectedbefore INTEGER, 
	nlimits INTEGER, 
	nlimitsbefore INTEGER, 
	nlimitsafter INTEGER, 
	lastlimitbefore REAL, 
	dayssincelimit REAL, 
	duration REAL, 
	minimumtimeinterval REAL, 
	maximumtimeinterval REAL, 
	timestandarddeviation REAL, 
	mean REAL, 
	weightedmean REAL, 
	median REAL, 
	amplitude REAL, 
	percentamplitude REAL, 
	standarddeviation REAL, 
	skew REAL, 
	kurtosis REAL, 
	medianabsolutedeviation REAL, 
	medianbufferrange REAL, 
	interpercentilerange25 REAL, 
	interpercentilerange10 REAL, 
	interpercentilerange2 REAL, 
	percentageratio40to5 REAL, 
	percentageratio20to10 REAL, 
	beyond1std REAL, 
	beyond2std REAL, 
	andersondarling REAL, 
	excessvariance REAL, 
	reducedchi2 REAL, 
	stetsonk REAL, 
	roms REAL, 
	eta REAL, 
	etae REAL, 
	cusum REAL, 
	maximumslope REAL, 
	lineartrend REAL, 
	lineartrendsigma REAL, 
	lineartrendnoise REAL, 
	linearfitslope REAL, 
	linearfitslopesigma REAL, 
	linearfitreducedchi2 REAL, 
	period REAL, 
	periodsn REAL, 
	secondperiod REAL, 
	secondperiodsn REAL, 
	bazinamplitude REAL, 
	bazinbaseline REAL, 
	bazinrisetime REAL, 
	bazinfalltime REAL, 
	bazinreducedchi2 REAL, 
	CONSTRAINT object_statistics_pkey PRIMARY KEY (diaobjectid, night, band)
);

CREATE INDEX object_statistics_night ON object_statistics (night);

COMMENT ON TABLE object_statistics IS 'Statistics of the light curves of the objects that had an alert in a night, as stored for that night';

COMMENT ON COLUMN object_statistics.diaobjectid IS 'object';

COMMENT ON COLUMN object_statistics.night IS 'night with an alert of it; nothing later was used';

COMMENT ON COLUMN object_statistics.band IS 'u, g, r, i, z, y, or all for all bands together';

COMMENT ON COLUMN object_statistics.diasourceid IS 'source of its newest alert in that night';

COMMENT ON COLUMN object_statistics.timemean IS 'mean time [d, MJD TAI]';

COMMENT ON COLUMN object_statistics.bazintime IS 'reference time t0 of it [d, MJD TAI]';

COMMENT ON COLUMN object_statistics.npoints IS 'number of points: detections, and forced points of images without one';

COMMENT ON COLUMN object_statistics.ndetections IS 'number of detections among them';

COMMENT ON COLUMN object_statistics.nforced IS 'number of forced points among them';

COMMENT ON COLUMN object_statistics.nnotdetectedbefore IS 'points below five sigma before the first above; null if there is none';

COMMENT ON COLUMN object_statistics.nlimits IS 'number of images without a detection, of which only the limit is known';

COMMENT ON COLUMN object_statistics.nlimitsbefore IS 'those before the first detection';

COMMENT ON COLUMN object_statistics.nlimitsafter IS 'those after the last detection';

COMMENT ON COLUMN object_statistics.lastlimitbefore IS 'five-sigma limit of the last of them before the first detection [nJy]';

COMMENT ON COLUMN object_statistics.dayssincelimit IS 'time from that limit to the first detection [d]';

COMMENT ON COLUMN object_statistics.duration IS 'time from the first point to the last [d]';

COMMENT ON COLUMN object_statistics.minimumtimeinterval IS 'shortest time between consecutive points [d]';

COMMENT ON COLUMN object_statistics.maximumtimeinterval IS 'longest time between consecutive points [d]';

COMMENT ON COLUMN object_statistics.timestandarddeviation IS 'standard deviation of the times [d]';

COMMENT ON COLUMN object_statistics.mean IS 'mean flux; null over bands [nJy]';

COMMENT ON COLUMN object_statistics.weightedmean IS 'mean flux with the weights 1/σ²; null over bands [nJy]';

COMMENT ON COLUMN object_statistics.median IS 'median flux; null over bands [nJy]';

COMMENT ON COLUMN object_statistics.amplitude IS 'half of the difference of largest and smallest flux [nJy]';

COMMENT ON COLUMN object_statistics.percentamplitude IS 'largest deviation from the median [nJy]';

COMMENT ON COLUMN object_statistics.standarddeviation IS 'standard deviation of the fluxes [nJy]';

COMMENT ON COLUMN object_statistics.skew IS 'skewness G1 of the fluxes';

COMMENT ON COLUMN object_statistics.kurtosis IS 'excess kurtosis G2 of the fluxes';

COMMENT ON COLUMN object_statistics.medianabsolutedeviation IS 'median of the absolute deviations from the median [nJy]';

COMMENT ON COLUMN object_statistics.medianbufferrange IS 'share of points within a tenth of the amplitude of the median';

COMMENT ON COLUMN object_statistics.interpercentilerange25 IS 'range from the 25th to the 75th percentile [nJy]';

COMMENT ON COLUMN object_statistics.interpercentilerange10 IS 'range from the 10th to the 90th percentile [nJy]';

COMMENT ON COLUMN object_statistics.interpercentilerange2 IS 'range from the 2nd to the 98th percentile [nJy]';

COMMENT ON COLUMN object_statistics.percentageratio40to5 IS 'range of percentiles 40 to 60 divided by that of 5 to 95';

COMMENT ON COLUMN object_statistics.percentageratio20to10 IS 'range of percentiles 20 to 80 divided by that of 10 to 90';

COMMENT ON COLUMN object_statistics.beyond1std IS 'share of points further than one standard deviation from the mean';

COMMENT ON COLUMN object_statistics.beyond2std IS 'share of points further than two standard deviations from the mean';

COMMENT ON COLUMN object_statistics.andersondarling IS 'statistic of the Anderson-Darling test of a normal distribution';

COMMENT ON COLUMN object_statistics.excessvariance IS 'variance beyond the mean squared uncertainty, over the squared mean; null over bands';

COMMENT ON COLUMN object_statistics.reducedchi2 IS 'reduced χ² of a constant';

COMMENT ON COLUMN object_statistics.stetsonk IS 'Stetson''s K';

COMMENT ON COLUMN object_statistics.roms IS 'robust median statistic: sum of |flux − median|/σ over N − 1';

COMMENT ON COLUMN object_statistics.eta IS 'von Neumann''s η: squared differences of consecutive fluxes, over (N − 1) variances';

COMMENT ON COLUMN object_statistics.etae IS 'η for uneven sampling: squared slopes instead of differences';

COMMENT ON COLUMN object_statistics.cusum IS 'range of the cumulative sums of deviations from the mean';

COMMENT ON COLUMN object_statistics.maximumslope IS 'steepest slope between consecutive points [nJy/d]';

COMMENT ON COLUMN object_statistics.lineartrend IS 'slope of the unweighted straight line [nJy/d]';

COMMENT ON COLUMN object_statistics.lineartrendsigma IS 'uncertainty of linearTrend [nJy/d]';

COMMENT ON COLUMN object_statistics.lineartrendnoise IS 'standard deviation about that line [nJy]';

COMMENT ON COLUMN object_statistics.linearfitslope IS 'slope of the straight line with the weights 1/σ² [nJy/d]';

COMMENT ON COLUMN object_statistics.linearfitslopesigma IS 'uncertainty of linearFitSlope [nJy/d]';

COMMENT ON COLUMN object_statistics.linearfitreducedchi2 IS 'reduced χ² of that line';

COMMENT ON COLUMN object_statistics.period IS 'period of the highest peak of the periodogram [d]';

COMMENT ON COLUMN object_statistics.periodsn IS 'signal-to-noise ratio of that peak';

COMMENT ON COLUMN object_statistics.secondperiod IS 'period of the second highest peak [d]';

COMMENT ON COLUMN object_statistics.secondperiodsn IS 'signal-to-noise ratio of that peak';

COMMENT ON COLUMN object_statistics.bazinamplitude IS 'amplitude A of the function of Bazin; null over bands [nJy]';

COMMENT ON COLUMN object_statistics.bazinbaseline IS 'baseline B of it [nJy]';

COMMENT ON COLUMN object_statistics.bazinrisetime IS 'rise time of it [d]';

COMMENT ON COLUMN object_statistics.bazinfalltime IS 'fall time of it [d]';

COMMENT ON COLUMN object_statistics.bazinreducedchi2 IS 'reduced χ² of it';

