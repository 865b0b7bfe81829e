"""From messages to committed rows: the drain loop and the reprocessing of a night, one definition for both."""
