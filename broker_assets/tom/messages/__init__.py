"""Messages of brokers: one classifier's probabilities of classes for one alert."""
