"""Commands of the program, one module or package for each."""
