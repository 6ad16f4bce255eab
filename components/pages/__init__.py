"""The house style of every HTML page: typed sections in, one self-contained file out."""
