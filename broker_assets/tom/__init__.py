"""The target and observation manager: taxonomy, simulated survey, broker messages, spectra, targets."""
