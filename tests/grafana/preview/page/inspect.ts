// What the drawn panels show, for the tests: `window.preview.inspect()`.
import { theme } from "./settings";

/** A text with the colours behind it and of it, as rgb(...). `row` is the first cell of its row, or its lane. */
interface Word {
  text: string;
  background: string;
  colour: string;
  row: string;
  /** Height of the letters in pixels; 0 if they are drawn by us. */
  size: number;
}

interface PanelReport {
  title: string;
  type: string;
  failure: string;
  /** Values in the frames that are neither null nor NaN. */
  values: number;
  words: Word[];
  /** Texts of which a part is not visible. */
  cut: string[];
  /** Pixels of a table beyond its right edge, which are visible after scrolling only. */
  hiddenWidth: number;
}

function toRgb(colour: string): string {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = colour;
  const rgb = getComputedStyle(probe).color;
  probe.remove();
  return rgb;
}

function colour(name: string): string {
  return toRgb(theme.visualization.getColorByName(name));
}

function inspectPanel(panel: HTMLElement): PanelReport {
  const { panel: title = "", type = "", failure = "", values } = panel.dataset;
  const texts = [...panel.querySelectorAll<HTMLElement>("*")].filter(hasText);
  const grid = panel.querySelector("[role=grid]");
  return {
    ...{ title, type, failure, values: Number(values) },
    words: [...texts.map((one) => readWord(one, panel)), ...readShapes(panel)],
    cut: texts.filter((one) => isCut(one, panel)).map((one) => one.textContent!.trim()),
    hiddenWidth: grid ? grid.scrollWidth - grid.clientWidth : 0,
  };
}

function hasText(element: Element): boolean {
  const isText = (node: Node) => node.nodeType === Node.TEXT_NODE && node.textContent!.trim() !== "";
  return !(element instanceof SVGElement) && element.tagName !== "STYLE" && [...element.childNodes].some(isText);
}

function readWord(element: HTMLElement, panel: HTMLElement): Word {
  return {
    text: element.textContent!.trim(),
    background: findBackground(element, panel),
    colour: getComputedStyle(element).color,
    row: element.closest("[role=row]")?.querySelector("[role=gridcell]")?.textContent?.trim() ?? "",
    size: parseFloat(getComputedStyle(element).fontSize),
  };
}

/** The nearest background that is not transparent; empty if it is the panel's own. */
function findBackground(element: HTMLElement, panel: HTMLElement): string {
  for (let at: HTMLElement | null = element; at && at !== panel.firstElementChild; at = at.parentElement) {
    const { backgroundColor } = getComputedStyle(at);
    if (backgroundColor !== "rgba(0, 0, 0, 0)") return backgroundColor;
  }
  return "";
}

/** The bands and legends that `drawn.tsx` draws. */
function readShapes(panel: HTMLElement): Word[] {
  return [...panel.querySelectorAll<HTMLElement | SVGElement>("[data-word]")].map((shape) => ({
    text: shape.dataset.word!,
    background: toRgb(shape.dataset.colour!),
    colour: "",
    row: shape.closest<SVGElement>("[data-lane]")?.dataset.lane ?? "",
    size: 0,
  }));
}

/** Whether the text is wider than its box, or leaves the panel; tables and help texts scroll, so these may. */
function isCut(element: HTMLElement, panel: HTMLElement): boolean {
  const style = getComputedStyle(element);
  const range = document.createRange();
  range.selectNodeContents(element);
  const text = range.getBoundingClientRect();
  const box = element.getBoundingClientRect();
  const frame = panel.getBoundingClientRect();
  const isWide = text.width > box.width + 1 || element.scrollWidth > element.clientWidth + 1;
  const isClipped = style.overflowX !== "visible" && isWide;
  const mayScroll = element.closest("[role=grid], .markdown-html") !== null;
  const isOutside = text.right > frame.right + 1 || text.left < frame.left - 1 || text.bottom > frame.bottom + 1;
  return isClipped || (!mayScroll && isOutside);
}

/** The widths of the bars of a graph in device pixels, at half of its height. */
function measureBars(title: string): number[] {
  const canvas = document.querySelector<HTMLCanvasElement>(`[data-panel="${title}"] canvas`)!;
  const { data } = canvas.getContext("2d")!.getImageData(0, Math.floor(canvas.height / 2), canvas.width, 1);
  const isBar = (x: number) => {
    const [red, green, blue] = data.slice(4 * x, 4 * x + 3);
    return Math.max(red, green, blue) - Math.min(red, green, blue) > 50; // the grid and the axis are grey
  };
  const widths: number[] = [];
  for (let x = 0; x < canvas.width; x += 1) {
    if (isBar(x)) isBar(x - 1) ? (widths[widths.length - 1] += 1) : widths.push(1);
  }
  return widths;
}

(window as any).preview = {
  colour,
  measureBars,
  inspect: () => [...document.querySelectorAll<HTMLElement>("[data-panel]")].map(inspectPanel),
  /** Pixels by which the page is wider than the screen. */
  overflow: () => document.documentElement.scrollWidth - window.innerWidth,
};
