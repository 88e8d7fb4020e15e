"""The small plant that ships with the package: CSV series written by `make.py`, our own work."""
