"""The first campaign, ELAsTiCC: its alerts, truth and messages under the names in camelCase that it had."""
