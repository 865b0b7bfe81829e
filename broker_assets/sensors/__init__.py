"""What makes things happen: sensors and schedules."""
