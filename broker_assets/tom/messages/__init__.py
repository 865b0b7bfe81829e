"""Messages of brokers: the class probabilities of one classifier for one alert."""
