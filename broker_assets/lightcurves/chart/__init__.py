"""Charts of light curves: their state, points, what is shown of them, and the drawing."""
