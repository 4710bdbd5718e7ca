"""The dashboards as Python; `python -m grafana.builder` writes them as JSON that Grafana reads.

Read it in this order: the text and colour of each code (`text`), the queries (`queries`), the kinds of panels
(`panels`), what all dashboards share (`layout`), and the three dashboards (`overview`, `test`, `exporter`).
"""
