"""Who is let in, by the web configuration file."""
