"""The meanings of a text in the search box (`reading`), and what is stored for them (`finding`)."""
