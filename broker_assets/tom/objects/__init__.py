"""Objects that brokers reported: their import from the survey, and their roll-ups."""
