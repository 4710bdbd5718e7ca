"""The simulator keeps to the vendor's documents."""
