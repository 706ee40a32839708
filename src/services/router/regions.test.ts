import { describe, expect, test } from "bun:test";
import { ImError } from "../../base/errors.ts";
import { DEFAULT_REGIONS, readRegions } from "./regions.ts";

function problem(files: { mapping?: unknown; regions?: unknown }): string {
  try {
    readRegions({ ...DEFAULT_REGIONS, ...files });
  } catch (thrown) {
    const { code, message } = ImError.from(thrown);
    return `${code} ${message}`;
  }
  return "none";
}

describe("readRegions", () => {
  test("takes KIM's files; keys without regard to case, weight 0 never counts", () => {
    const { ofPlace, regions } = readRegions(DEFAULT_REGIONS);
    expect([...ofPlace]).toEqual([["中国", "EC"], ["香港特别行政区", "HK"], ["日本", "HK"], ["菲律宾", "HK"], [
      "台湾省",
      "TW",
    ]]);
    expect([...regions]).toEqual([["ec", { idcs: [{ id: "sh_ali", weight: 100 }], slots: 100 }]]);
  });

  const idc = { id: "A", weight: 1 };
  test.each([
    [{ regions: [{ id: "X", idcs: [{ id: "A", weight: 0 }] }] }, "region X has no data centre with a weight above 0"],
    [{ regions: [{ id: "X", idcs: [] }] }, "region X has no data centre"],
    [{ regions: [{ id: "X", idcs: [idc] }, { id: "x", idcs: [idc] }] }, "region x is there twice"],
    [{ regions: [{ id: "X", idcs: [idc, { id: "a", weight: 2 }] }] }, "region X has a twice"],
    [{ regions: [{ id: "X", idcs: [{ id: "A", weight: -1 }] }] }, "at 0.idcs.0.weight"],
    [{ regions: [{ id: "X", idcs: [{ id: "A", weight: 0.5 }] }] }, "at 0.idcs.0.weight"],
    [{ regions: [{ id: "X", idcs: [{ id: "A", weight: "3" }] }] }, "at 0.idcs.0.weight"],
    [{ regions: [{ id: "X", idcs: [{ ...idc, wieght: 1 }] }] }, 'Unrecognized key: "wieght"'],
    [{ regions: [{ id: " ", idcs: [idc] }] }, "at 0.id"],
    [{ regions: { id: "X", idcs: [idc] } }, "regions.json: "],
    [
      { mapping: [{ region: "EC", locations: ["中国", "日本"] }, { region: "HK", locations: ["日本"] }] },
      "日本 is there twice",
    ],
    [{ mapping: [{ region: "EC", location: ["中国"] }] }, 'Unrecognized key: "location"'],
    [{ mapping: "EC" }, "mapping.json: "],
    [{ mapping: null }, "mapping.json: "],
  ])("refuses %j", (files, said) => {
    expect(problem(files)).toContain("CONFIG Cannot use the regions: ");
    expect(problem(files)).toContain(said);
  });

  test("tells everything that is wrong at once", () => {
    const said = problem({
      mapping: [{ region: "", locations: ["a", "A"] }],
      regions: [{ id: "X", idcs: [] }, { id: "X", idcs: [{ id: "A", weight: 1 }] }],
    });
    expect(said.split("; ").length).toBe(3);
  });
});
