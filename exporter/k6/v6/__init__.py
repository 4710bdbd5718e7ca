"""The v6 API, /cloud/v6."""
