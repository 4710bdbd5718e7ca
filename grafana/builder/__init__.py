"""The dashboards as Python; `python -m grafana.builder` writes them as JSON that Grafana reads.

Read it in this order: what the codes mean (`words`), how the metrics are asked (`queries`), what a panel is
(`panels`), what all dashboards share (`frame`), and then the three of them.
"""
