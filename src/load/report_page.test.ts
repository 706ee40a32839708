import { describe, expect, test } from "bun:test";
import { type ReportContent, reportPage } from "./report_page.ts";

const CONTENT: ReportContent = {
  title: `user-talk: </script><b>"$&`,
  tiles: [["lost", 0]],
  faults: [],
  rows: [["stored", "1/s"]],
  where: [["machine", "2 cores"]],
  charts: {
    seconds: [1, 2],
    charts: [{
      title: "Messages",
      unit: "per second",
      logarithmic: false,
      series: [{ name: "sent", values: [1, null] }],
    }],
    marks: [],
  },
  figures: { refusedBy: new Map([[302, 7]]) },
};

describe("the report page", () => {
  const page = reportPage(CONTENT);
  const data = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)?.[1] ?? "";

  test("holds its data as JSON, whatever the texts are", () => {
    expect(JSON.parse(data)).toMatchObject({ ...CONTENT, figures: { refusedBy: { 302: 7 } } });
    expect(Date.parse(JSON.parse(data).at)).toBeGreaterThan(0);
  });

  test("needs nothing but itself: no address, no import, no other file", () => {
    const rest = page.replace(data, "").replaceAll("http://www.w3.org/2000/svg", ""); // a name, not an address
    expect(rest).not.toMatch(/https?:|\/\/[a-z]|@import|\burl\(|\bfetch\(|\bimport\b/i);
    expect([...rest.matchAll(/\s(?:src|href)="([^"]*)"/g)].map(([, address]) => address)).toEqual(["data:,"]);
  });

  test("its script can be read", () => {
    const script = /<script>(.*)<\/script>/s.exec(page)?.[1] ?? "";
    expect(() => new Function(script)).not.toThrow();
  });
});
