"""Writes every dashboard to grafana/dashboards, as classic JSON. The files are committed."""

from grafana.builder.dashboards import FOLDER, render_dashboards


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in render_dashboards().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
