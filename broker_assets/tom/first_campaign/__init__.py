"""The first campaign, ELAsTiCC: its alerts, truth and messages, under their original names in camelCase."""
