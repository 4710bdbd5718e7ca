"""Dashboards, alerting rules, and their provisioning."""
