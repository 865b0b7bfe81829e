"""Calendars: nights and blocks at facilities, scheduled observations, events of accounts; also as iCalendar."""
