"""What a text in the search box means (`reading`), and what is stored of it (`finding`)."""
