"""The commands: each takes the words of a person apart, calls one module of the face, and prints.

Nothing is decided here. `session` holds what every command shares; a module per heading of the help has
the commands; `cli` joins them and turns errors into exit codes.
"""
