"""Commands of the program, one package for each.

The module `command` of each has its flags, which `--help` and completion import as well. What takes longer to
import is imported when the command runs.
"""
