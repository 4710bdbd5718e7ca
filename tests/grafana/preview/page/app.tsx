// A dashboard drawn with Grafana's own components, outside Grafana. Not drawn: links, annotations, the time picker
// and the row of variables.
import React from "react";
import { createRoot } from "react-dom/client";
import { rangeUtil, ThemeContext } from "@grafana/data";
import { GlobalStyles, PortalContainer } from "@grafana/ui";
import { initPluginTranslations } from "@grafana/i18n";
import "./inspect";
import { DashboardPanel } from "./panel";
import { dashboardUid, isExpanded, pageWidth, range, theme } from "./settings";

// Grafana's grid: 24 columns, and rows of 30 px with gaps of 8 px.
const COLUMNS = 24;
const ROW = 38;
const GAP = 8;
const HEADER = 48;
const isPhone = pageWidth < 769; // Grafana then puts all panels into one column

function Dashboard({ dashboard }: { dashboard: any }) {
  // A collapsed row contains its panels; their positions are those of the open row.
  const panels: any[] = dashboard.panels.flatMap((panel: any) =>
    isExpanded && panel.collapsed ? [{ ...panel, collapsed: false }, ...panel.panels] : [panel],
  );
  const bottom = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h)) * ROW + HEADER + GAP;
  const style = {
    position: "relative",
    width: pageWidth,
    height: isPhone ? "auto" : bottom,
    background: theme.colors.background.canvas,
  } as const;
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={style}>
        <Header title={dashboard.title} />
        {panels.map((panel) => (
          <Cell key={panel.id} panel={panel} variables={dashboard.templating.list} />
        ))}
      </div>
      <PortalContainer />
    </ThemeContext.Provider>
  );
}

function Header({ title }: { title: string }) {
  const { text } = theme.colors;
  return (
    <div style={{ height: HEADER, padding: "14px 10px 0", boxSizing: "border-box", fontSize: 18, color: text.primary }}>
      {title}
      <span style={{ float: "right", fontSize: 13, color: text.secondary }}>{rangeUtil.describeTimeRange(range.raw)}</span>
    </div>
  );
}

function Cell({ panel, variables }: { panel: any; variables: any[] }) {
  const { x, y, w, h } = panel.gridPos;
  const column = (pageWidth - GAP) / COLUMNS;
  const width = isPhone ? pageWidth - 2 * GAP : w * column - GAP;
  const height = h * ROW - GAP;
  const style = isPhone
    ? { position: "relative", margin: `0 ${GAP}px ${GAP}px`, width, height }
    : { position: "absolute", left: GAP + x * column, top: HEADER + y * ROW, width, height };
  if (panel.type === "row") return <RowTitle panel={panel} style={style} />;
  return <DashboardPanel {...{ panel, variables, width, height, style }} />;
}

function RowTitle({ panel, style }: any) {
  const hidden = panel.collapsed ? ` (${panel.panels.length} ${panel.panels.length === 1 ? "panel" : "panels"})` : "";
  return (
    <div style={{ ...style, fontSize: 16, fontWeight: 500, color: theme.colors.text.primary }}>
      {panel.collapsed ? "›" : "⌄"} {panel.title}
      {hidden}
    </div>
  );
}

async function start() {
  await initPluginTranslations("preview");
  const dashboard = await (await fetch(`/dashboards/${dashboardUid}.json`)).json();
  document.body.style.background = theme.colors.background.canvas;
  createRoot(document.getElementById("root")!).render(<Dashboard dashboard={dashboard} />);
}

start();
