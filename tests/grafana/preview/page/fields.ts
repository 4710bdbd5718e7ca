// Grafana's own transformations, overrides and value mappings, applied to the frames of a panel.
import * as grafana from "@grafana/data";
import { firstValueFrom } from "rxjs";
import { theme } from "./settings";

export const replaceNothing: grafana.InterpolateFunction = (text) => String(text);

const unique = new Map(Object.values(grafana.standardTransformers).map((one: any) => [one.id, one]));
grafana.standardTransformersRegistry.setInit(
  () => [...unique.values()].map((one) => ({ id: one.id, name: one.name, transformation: async () => one })) as any,
);

const STANDARD: Record<string, any> = {
  displayName: grafana.displayNameOverrideProcessor,
  unit: grafana.unitOverrideProcessor,
  decimals: grafana.numberOverrideProcessor,
  min: grafana.numberOverrideProcessor,
  max: grafana.numberOverrideProcessor,
  noValue: grafana.stringOverrideProcessor,
  mappings: grafana.valueMappingsOverrideProcessor,
  thresholds: grafana.thresholdsOverrideProcessor,
  color: grafana.identityOverrideProcessor,
  links: grafana.dataLinksOverrideProcessor,
  filterable: grafana.booleanOverrideProcessor,
};

/** The field options that a panel sets. Grafana itself registers those of each panel type by hand. */
function buildRegistry(fieldConfig: any) {
  const properties = fieldConfig.overrides.flatMap((one: any) => one.properties.map(({ id }: any) => id));
  const custom = new Set([
    ...Object.keys(fieldConfig.defaults.custom ?? {}),
    ...properties.filter((id: string) => id.startsWith("custom.")).map((id: string) => id.split(".")[1]),
  ]);
  const option = (id: string, path: string, process: any) => ({
    ...{ id, path, name: id, process, settings: {} },
    ...{ editor: () => null, override: () => null, shouldApply: () => true },
  });
  return new grafana.FieldConfigOptionsRegistry(
    () =>
      [
        ...Object.entries(STANDARD).map(([id, process]) => option(id, id, process)),
        ...[...custom].map((name) => ({
          ...option(`custom.${name}`, name, grafana.identityOverrideProcessor),
          isCustom: true,
        })),
      ] as any,
  );
}

/** The frames as the panel shows them. A property that this page does not know is an error. */
export async function prepareFrames(panel: any, given: grafana.DataFrame[]): Promise<grafana.DataFrame[]> {
  if (!panel.fieldConfig) return given; // a text panel
  const data = await firstValueFrom(grafana.transformDataFrame(panel.transformations ?? [], given));
  const fieldConfig = structuredClone(panel.fieldConfig);
  // Defaults of Grafana's panel types, which a dashboard does not have to contain.
  if (panel.type === "timeseries" || panel.type === "barchart") {
    fieldConfig.defaults.color ??= { mode: "palette-classic" };
  }
  const fieldConfigRegistry = buildRegistry(fieldConfig);
  for (const { properties } of fieldConfig.overrides) {
    for (const { id } of properties) {
      if (!fieldConfigRegistry.getIfExists(id)) throw new Error(`unknown property ${id}`);
    }
  }
  const frames = grafana.applyFieldOverrides({
    ...{ data, fieldConfig, fieldConfigRegistry, theme },
    ...{ replaceVariables: replaceNothing, timeZone: "utc" },
  });
  // Names are computed before the overrides; a display name set by one must count.
  const fields = frames.flatMap((frame) => frame.fields.map((field) => ({ frame, field })));
  for (const { field } of fields) {
    if (field.state) field.state = { ...field.state, displayName: undefined, multipleFrames: undefined } as any;
  }
  for (const { frame, field } of fields) {
    field.state = {
      ...field.state,
      displayName: grafana.getFieldDisplayName(field, frame, frames),
      range: undefined,
    } as any;
  }
  return frames;
}

