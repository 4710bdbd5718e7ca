"""How fast it is, what it asks and what it holds, beside what else could be used. See RESULTS.md."""
