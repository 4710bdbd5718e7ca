"""The command `runs`: listing, showing, watching, starting and stopping test runs from a terminal.

The only place that writes to k6 Cloud. Nothing of it but its flags is imported before it is used.
"""
