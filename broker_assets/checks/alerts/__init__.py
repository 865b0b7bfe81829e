"""Checks of the alert stream by night: the ledger, the values of columns, nights unlike those before them."""
