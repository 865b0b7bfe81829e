"""The tables of the second campaign, as the tests of DESC's TOM access them."""
