"""Who is let in to what the exporter serves: TLS, passwords and a limit, from the web configuration file."""

from exporter.web.security.middleware import WebConfigMiddleware, is_health_check, is_public_path

__all__ = ["WebConfigMiddleware", "is_health_check", "is_public_path"]
