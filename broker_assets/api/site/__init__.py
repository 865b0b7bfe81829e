"""Pages for scientists: their frame, the files that they load, and one module for each page.

A page calls functions of the domain packages and shows what they return; no page computes anything.
"""
