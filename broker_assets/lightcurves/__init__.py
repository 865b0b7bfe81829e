"""Light curves: photometry, extinction, and the features of objects that follow from them."""
