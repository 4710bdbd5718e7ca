"""The configuration: what can be set, and how it comes together."""

from exporter.config.loading import ENVIRONMENT, ConfigError, load
from exporter.config.settings import Config, Entry, Setting, settings

__all__ = ["ENVIRONMENT", "Config", "ConfigError", "Entry", "Setting", "load", "settings"]
