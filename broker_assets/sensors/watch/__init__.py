"""What the sensor `alerting` watches, one module per kind of cause; each returns alerts and causes that have ended."""
