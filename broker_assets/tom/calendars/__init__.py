"""Calendars: nights and blocks at facilities, observations that are scheduled, events of accounts; as iCalendar too."""
