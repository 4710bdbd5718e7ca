"""What can be configured, and what is said about what cannot."""
