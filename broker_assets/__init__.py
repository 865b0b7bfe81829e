"""Alert broker, target and observation manager and instrument pipeline as versioned Dagster assets."""
