"""Who is let in to what the exporter serves: TLS, passwords and a limit, from the web configuration file."""

from exporter.guard.guard import Guard, is_hook, is_probe

__all__ = ["Guard", "is_hook", "is_probe"]
