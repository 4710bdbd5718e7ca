// Panels that @grafana/ui does not export, drawn as plain SVG with Grafana's colours and words.
import React from "react";
import { dateTimeFormat, formattedValueToString, getFieldDisplayName, type DataFrame, type Field } from "@grafana/data";
import { end, rangeSeconds, theme } from "./settings";

const TEXT = { fontSize: 12, fontFamily: theme.typography.fontFamily };
const CHARACTER = 6.6; // width of one, in pixels
const AXIS_HEIGHT = 22;
const LEGEND_ROW = 18;

interface PanelProps {
  panel: any;
  frames: DataFrame[];
  width: number;
  height: number;
}

interface Lane {
  name: string;
  times: number[];
  field: Field;
  step: number;
}

interface Band {
  from: number;
  to: number;
  word: string;
  colour: string;
}

/** The first page of a state timeline. */
export function StateTimeline({ panel, frames, width, height }: PanelProps) {
  const all = findLanes(frames);
  const lanes = all.slice(0, panel.options.perPage || all.length);
  const bands = lanes.map(findBands);
  const words = findWords(bands.flat());
  const [above, legendHeight] = splitHeight(words.keys(), width, height);
  const left = Math.min(Math.max(60, ...lanes.map(({ name }) => name.length * CHARACTER)) + 14, width * 0.4);
  const laneHeight = (above - AXIS_HEIGHT) / lanes.length;
  const toX = (time: number) => left + (1 - (end - time) / (rangeSeconds * 1000)) * (width - left - 8);
  const note = all.length > lanes.length ? `1 – ${lanes.length} of ${all.length}` : "";
  return (
    <div>
      <svg width={width} height={above} style={{ ...TEXT, display: "block" }}>
        {lanes.map(({ name }, index) => (
          <g key={index} data-lane={name}>
            <LaneName name={name} room={left - 12} x={left - 8} y={(index + 0.5) * laneHeight + 4} />
            {bands[index].map((band, number) => (
              <BandShape key={number} band={band} toX={toX} y={index * laneHeight} height={laneHeight} />
            ))}
          </g>
        ))}
        <TimeAxis toX={toX} width={width - left} y={above - 8} />
      </svg>
      <Legend entries={words} height={legendHeight} note={note} />
    </div>
  );
}

function findLanes(frames: DataFrame[]): Lane[] {
  return frames.flatMap((frame) => {
    const time = frame.fields.find(({ type }) => type === "time");
    if (!time) return [];
    return frame.fields
      .filter((field) => field !== time && !(field.config.custom?.hideFrom?.viz))
      .map((field) => ({
        field,
        name: getFieldDisplayName(field, frame, frames),
        times: time.values,
        step: time.config.interval ?? 0,
      }));
  });
}

/** Equal values in a row are one band. A step without a value is a gap. */
function findBands({ times, field, step }: Lane): Band[] {
  const bands: Band[] = [];
  times.forEach((time, index) => {
    const value = field.values[index];
    if (value == null || Number.isNaN(value)) return;
    const shown = field.display!(value);
    const word = formattedValueToString(shown);
    const to = Math.min(time + step, end);
    const last = bands.at(-1);
    if (last && last.word === word && time - last.to <= step / 2) last.to = to;
    else bands.push({ from: time, to, word, colour: shown.color ?? theme.colors.text.secondary });
  });
  return bands;
}

function findWords(bands: Band[]): Map<string, string> {
  return new Map(bands.map(({ word, colour }) => [word, colour]));
}

function LaneName({ name, room, x, y }: { name: string; room: number; x: number; y: number }) {
  const fitting = Math.floor(room / CHARACTER);
  return (
    <text x={x} y={y} textAnchor="end" fill={theme.colors.text.primary}>
      {name.length > fitting ? `${name.slice(0, fitting - 1)}…` : name}
    </text>
  );
}

function BandShape({ band, toX, y, height }: { band: Band; toX: (time: number) => number; y: number; height: number }) {
  const x = toX(band.from);
  const width = Math.max(toX(band.to) - x, 1);
  const fits = width > band.word.length * CHARACTER + 6 && height > 12;
  return (
    <g data-word={band.word} data-colour={band.colour}>
      <rect x={x} y={y + height * 0.075} width={width} height={height * 0.85} fill={band.colour} fillOpacity={0.85} />
      {fits && (
        <text x={x + 4} y={y + height / 2 + 4} fill={theme.colors.getContrastText(band.colour)}>
          {band.word}
        </text>
      )}
    </g>
  );
}

function TimeAxis({ toX, width, y }: { toX: (time: number) => number; width: number; y: number }) {
  const parts = width > 500 ? 6 : 3;
  const format = rangeSeconds > 86_400 ? "MM-DD HH:mm" : "HH:mm";
  return (
    <>
      {Array.from({ length: parts + 1 }, (_, part) => {
        const time = end - rangeSeconds * 1000 * (1 - part / parts);
        const anchor = part === parts ? "end" : part === 0 ? "start" : "middle";
        return (
          <text key={part} x={toX(time)} y={y} textAnchor={anchor} fill={theme.colors.text.secondary}>
            {dateTimeFormat(time, { format, timeZone: "utc" })}
          </text>
        );
      })}
    </>
  );
}

/** The part of a panel that is above the legend, and the height of the legend's rows, in pixels. */
function splitHeight(words: Iterable<string>, width: number, height: number): [number, number] {
  const total = [...words].reduce((sum, word) => sum + word.length * CHARACTER + 34, 0);
  const legend = Math.ceil(total / (width * 0.9)) * LEGEND_ROW;
  return [height - legend, legend];
}

function Legend({ entries, height, note }: { entries: Map<string, string>; height: number; note?: string }) {
  const style = { ...TEXT, height, display: "flex", flexWrap: "wrap", columnGap: 12, lineHeight: `${LEGEND_ROW}px` };
  return (
    <div style={{ ...style, color: theme.colors.text.primary } as React.CSSProperties}>
      {[...entries].map(([word, colour]) => (
        <span key={word} data-word={word} data-colour={colour} style={{ whiteSpace: "nowrap" }}>
          <i style={{ display: "inline-block", width: 14, height: 4, margin: "0 4px 3px 0", background: colour }} />
          {word}
        </span>
      ))}
      {note && <span style={{ marginLeft: "auto", color: theme.colors.text.secondary }}>{note}</span>}
    </div>
  );
}

/** Vertical bars, one for each row; stacked unless the panel says otherwise. */
export function BarChart({ panel, frames, width, height }: PanelProps) {
  const [frame] = frames;
  const x = frame.fields.find(({ name }) => name === panel.options.xField) ?? frame.fields[0];
  const fields = frame.fields.filter(
    (field) => field !== x && field.type === "number" && !field.config.custom?.hideFrom?.viz,
  );
  const isStacked = (panel.options.stacking ?? "none") !== "none";
  const rows = x.values.map((_, row) => fields.map((field) => Math.max(Number(field.values[row]) || 0, 0)));
  const top = Math.max(...rows.map((row) => (isStacked ? row.reduce((a, b) => a + b, 0) : Math.max(...row)))) || 1;
  const left = 64;
  const legend = new Map(
    fields.map((field) => [getFieldDisplayName(field, frame, frames), colourOf(field)] as [string, string]),
  );
  const [above, legendHeight] = splitHeight(legend.keys(), width, height);
  const bottom = above - AXIS_HEIGHT;
  const slot = (width - left - 8) / rows.length;
  const toHeight = (value: number) => (value / top) * (bottom - 12);
  const format = (field: Field, value: unknown) => formattedValueToString(field.display!(value));
  const labelEvery = Math.ceil((format(x, x.values[0]).length * CHARACTER + 10) / slot);
  return (
    <div>
    <svg width={width} height={above} style={{ ...TEXT, display: "block" }}>
      {[0, 0.5, 1].map((part) => (
        <g key={part}>
          <line {...{ x1: left, x2: width - 8, y1: bottom - toHeight(top * part), y2: bottom - toHeight(top * part) }}
            stroke={theme.colors.border.weak} />
          <text x={left - 6} y={bottom - toHeight(top * part) + 4} textAnchor="end" fill={theme.colors.text.secondary}>
            {format(fields[0], top * part)}
          </text>
        </g>
      ))}
      {rows.map((row, index) => (
        <g key={index} data-bar={format(x, x.values[index])}>
          {row.map((value, number) => {
            const below = isStacked ? row.slice(0, number).reduce((a, b) => a + b, 0) : 0;
            const share = isStacked ? slot * 0.8 : (slot * 0.8) / row.length;
            const at = left + index * slot + slot * 0.1 + (isStacked ? 0 : number * share);
            return <rect key={number} x={at} y={bottom - toHeight(below + value)} width={Math.max(share - 1, 1)}
              height={toHeight(value)} fill={colourOf(fields[number])} fillOpacity={0.85} />;
          })}
          {index % labelEvery === 0 && (
            <text x={left + (index + 0.5) * slot} y={bottom + 16} textAnchor="middle" fill={theme.colors.text.secondary}>
              {format(x, x.values[index])}
            </text>
          )}
        </g>
      ))}
    </svg>
    <Legend entries={legend} height={legendHeight} />
    </div>
  );
}

function colourOf(field: Field): string {
  const { color } = field.config;
  if (color?.fixedColor) return theme.visualization.getColorByName(color.fixedColor);
  return theme.visualization.getColorByName(theme.visualization.palette[field.state?.seriesIndex ?? 0]);
}
