"""The command `runs`: lists, shows, watches, starts and stops test runs from a terminal.

It is the only part of this program that writes to k6 Cloud. `command` holds the flags; the other modules are
imported when a command is used, because they import rich.
"""
