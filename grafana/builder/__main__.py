"""Writes every dashboard to grafana/dashboards, classic JSON that is committed."""

from grafana.builder.dashboards import FOLDER, dashboards


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in dashboards().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
