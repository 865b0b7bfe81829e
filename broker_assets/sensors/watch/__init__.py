"""What the sensor `alerting` looks at, one module per kind of cause; each gives alerts and causes that have ended."""
